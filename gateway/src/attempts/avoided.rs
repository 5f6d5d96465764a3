//! Which servers two calls for the same thing have asked, so that the second goes elsewhere.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cluster::{Picked, Server, Tried};

/// The servers that calls for the same thing were sent to.
#[derive(Default)]
pub(crate) struct Avoided(Mutex<(Tried, Vec<Arc<Server>>)>);

impl Avoided {
    /// Whom not to ask while another one is left.
    pub(super) fn tried(&self) -> Tried {
        self.lock().0.clone()
    }

    pub(super) fn add(&self, picked: &Picked, tried: &Tried) {
        let mut avoided = self.lock();
        avoided.0 = tried.clone();
        avoided.1.push(Arc::clone(picked.permit.server()));
    }

    /// The server that was asked first.
    pub(crate) fn first(&self) -> Option<Arc<Server>> {
        self.lock().1.first().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, (Tried, Vec<Arc<Server>>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
