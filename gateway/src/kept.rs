//! State that belongs to an object of the configuration and survives every change of it: one thing for each id.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use meta::id::Id;

/// One `T` for each id. Locked by changes and by whoever looks at the whole, never by a request: what it hands out is shared.
#[derive(Debug)]
pub(crate) struct Kept<T>(Mutex<HashMap<Id, Arc<T>>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Kept<T> {
    /// Forgets those whose id `wanted` does not have.
    pub(crate) fn keep_only<O>(&self, wanted: &HashMap<Id, O>) {
        self.lock().retain(|id, _| wanted.contains_key(id));
    }

    /// All of them, by id.
    pub(crate) fn all(&self) -> Vec<(Id, Arc<T>)> {
        let mut all: Vec<_> = self
            .lock()
            .iter()
            .map(|(id, one)| (id.clone(), one.clone()))
            .collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }

    /// What a holder that panicked left behind is whole: nothing here is changed in more than one step.
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Arc<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default> Kept<T> {
    /// The one of `id`, made if there is none.
    pub(crate) fn get(&self, id: &Id) -> Arc<T> {
        self.lock().entry(id.clone()).or_default().clone()
    }
}
