//! What is made from a text and never changes, shared by all who ask for the same text while anyone holds it.
//!
//! Thousands of routes say `[0-9]+` or `cookie.group == "b"`. Sharing saves memory, and keeps what every request reads in the
//! processor's cache.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// The things of one sort that somebody holds, by their text. Dead entries are dropped before the map grows, so it stays within
/// twice the largest number ever held at once.
pub(crate) struct Shared<T>(Mutex<Option<HashMap<Box<str>, Weak<T>>>>);

impl<T> Shared<T> {
    /// Nothing yet.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// What was made of `text` before if somebody still holds it, else what `make` makes of it.
    pub(crate) fn get_or_make<E>(
        &self,
        text: &str,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        if let Some(shared) = self.with(|held| held.get(text).and_then(Weak::upgrade)) {
            return Ok(shared);
        }
        // Made without the lock: two who make the same at once each keep their own.
        let made = Arc::new(make()?);
        self.with(|held| {
            if held.len() == held.capacity() {
                held.retain(|_, thing| thing.strong_count() > 0);
            }
            held.insert(text.into(), Arc::downgrade(&made));
        });
        Ok(made)
    }

    fn with<R>(&self, work: impl FnOnce(&mut HashMap<Box<str>, Weak<T>>) -> R) -> R {
        work(
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_default(),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn equal_texts_share_while_somebody_holds_and_nothing_is_kept_beyond_that() {
        static SHARED: Shared<String> = Shared::new();
        let make = |text: &str| SHARED.get_or_make(text, || Ok::<_, ()>(text.to_owned())).unwrap();
        let one = make("a");
        assert!(Arc::ptr_eq(&one, &make("a")));
        for n in 0..10_000 {
            make(&n.to_string());
        }
        assert!(SHARED.with(|held| held.capacity()) < 100);
        assert_eq!(SHARED.get_or_make("bad", || Err("no")), Err("no"));
    }
}
