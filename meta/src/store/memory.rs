//! A store in memory, for tests and for trying things out. It is gone with the process.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use super::{HISTORY_LENGTH, HistoryEntry, Link, Note, Operation, Revision, State, Store, StoreError, apply};
use crate::document::Document;

/// A store in memory.
pub struct MemoryStore {
    past: Mutex<VecDeque<(HistoryEntry, State)>>,
    current: watch::Sender<State>,
}

impl MemoryStore {
    /// A store that begins with the configuration in `text`, as revision 1.
    pub fn new(text: &str) -> Self {
        let store = Self {
            past: Mutex::default(),
            current: watch::Sender::new(State {
                revision: Revision(0),
                document: Arc::default(),
            }),
        };
        store.replace(text);
        store
    }

    /// Makes `text` the state, whatever it holds, as an edit by hand does.
    pub fn replace(&self, text: &str) -> Revision {
        let note = Note {
            author: "file".into(),
            message: String::new(),
        };
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        self.push(&mut past, Document::read(text), note)
    }

    fn push(&self, past: &mut VecDeque<(HistoryEntry, State)>, document: Document, note: Note) -> Revision {
        let revision = self.current.borrow().revision.next();
        let state = State {
            revision,
            document: Arc::new(document),
        };
        let entry = HistoryEntry {
            revision,
            time: Timestamp::now(),
            author: note.author,
            message: note.message,
        };
        past.push_front((entry, state.clone()));
        past.truncate(HISTORY_LENGTH);
        self.current.send_replace(state);
        revision
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self) -> Result<State, StoreError> {
        Ok(self.current.borrow().clone())
    }

    async fn changed(&self, seen: &State) -> Result<State, StoreError> {
        let mut current = self.current.subscribe();
        let other = current.wait_for(|state| !state.is(seen)).await;
        match other.map(|state| state.clone()).ok() {
            Some(state) => Ok(state),
            // The sender lives as long as the store that is borrowed here.
            None => std::future::pending().await,
        }
    }

    fn link(&self) -> Link {
        Link {
            connected: true,
            error: None,
        }
    }

    async fn commit(
        &self,
        expected: Revision,
        operations: Vec<Operation>,
        note: Note,
    ) -> Result<Revision, StoreError> {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.current.borrow().clone();
        if state.revision != expected {
            return Err(StoreError::Conflict {
                current: state.revision,
            });
        }
        let (_, document) = apply(&state.document, operations)?;
        Ok(self.push(&mut past, document, note))
    }

    async fn history(&self) -> Result<Vec<HistoryEntry>, StoreError> {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(past.iter().map(|(entry, _)| entry.clone()).collect())
    }

    async fn at(&self, revision: Revision) -> Result<State, StoreError> {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let found = past.iter().find(|(entry, _)| entry.revision == revision);
        found
            .map(|(_, state)| state.clone())
            .ok_or(StoreError::NoSuchRevision(revision))
    }
}
