//! What `share` promises, and what its parts do.

#![allow(clippy::unwrap_used, clippy::panic)]

mod flights;
mod freshness;
mod keeping;
mod scene;
mod schedules;
mod store;
mod waiting;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use super::key::{Key, KeyBuilder};

fn key(name: &str) -> Key {
    KeyBuilder::new().part(name.as_bytes()).finish()
}

/// Counts the calls that are alive.
#[derive(Clone, Default)]
pub(super) struct Alive(Arc<AtomicUsize>);

/// One of them.
pub(super) struct OneAlive(Alive);

impl Alive {
    pub(super) fn one(&self) -> OneAlive {
        self.0.fetch_add(1, SeqCst);
        OneAlive(self.clone())
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Drop for OneAlive {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, SeqCst);
    }
}
