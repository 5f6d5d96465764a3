//! Where the objects live: a numbered state that is replaced as a whole, watched and kept as history.
//!
//! A store keeps what it is given and does not check its meaning. A store that cannot be read is not an empty one: it gives a
//! state whose document is not [complete](crate::document::Document::complete) and says why, and whoever serves keeps what it has.

mod apply;
mod etcd;
mod file;
mod memory;
mod place;

pub use apply::{apply, preview};
pub use etcd::{BadSetting, EtcdSettings, EtcdStore, Proxy, Registration};
pub use file::FileStore;
pub use memory::MemoryStore;
pub use place::{OpenStore, StoreSettings};

use std::{fmt, io, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{document::Document, model::Kind, problem::Problem};

/// How many states a store keeps.
pub const HISTORY_LENGTH: usize = 100;

/// The number of a state. It grows with every state; 0 is before the first. Only an etcd that lost data goes back.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The number of the state after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the store holds at one revision. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    /// Its number.
    pub revision: Revision,
    /// The objects, as far as they could be read.
    pub document: Arc<Document>,
}

impl State {
    /// Whether `other` is this very state as the store handed it out, or a clone of it. The number alone does not tell: in
    /// trouble a state has the number of the one before, and numbers go back when etcd is restored from a backup.
    pub fn is(&self, other: &Self) -> bool {
        self.revision == other.revision && Arc::ptr_eq(&self.document, &other.document)
    }
}

/// What a store held when an earlier process read it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Objects.
    Objects,
    /// Not all objects that there were, since it had lost its data.
    Remains,
}

/// How the way to a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whether the store can be read.
    pub connected: bool,
    /// Why it could not, the last time that it could not.
    pub error: Option<String>,
}

/// One step of a commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// Puts the object in the place of the one with its id, or adds it.
    Put {
        /// The kind of the object.
        kind: Kind,
        /// The whole object.
        object: Value,
    },
    /// Takes the object away.
    Delete {
        /// The kind of the object.
        kind: Kind,
        /// Its id.
        id: String,
    },
}

/// Who commits, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Who.
    pub author: String,
    /// Why; may be empty.
    pub message: String,
}

/// One state of the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// The number of the state.
    pub revision: Revision,
    /// When it was committed or noticed.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Timestamp,
    /// Who committed it; `file` for an edit of the file by hand.
    pub author: String,
    /// Why; may be empty.
    pub message: String,
}

/// Why a store did not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The state is another one than the commit is meant for.
    #[error("the state is at revision {current}; read it again")]
    Conflict {
        /// The revision of the state, as far as it is known.
        current: Revision,
    },
    /// The state cannot be read whole, so it cannot be replaced either: what cannot be read would be lost.
    #[error("the state cannot be read whole, so nothing can be committed: {0}")]
    Incomplete(Box<Problem>),
    /// There is no such file.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// An operation names an object that is not there.
    #[error("there is no {} {id:?}", .kind.singular())]
    NoSuchObject {
        /// The kind named.
        kind: Kind,
        /// The id named.
        id: String,
    },
    /// An object to put has no id, or cannot be written so that it can be read again.
    #[error("the {} cannot be stored: {reason}", .kind.singular())]
    BadObject {
        /// The kind of the object.
        kind: Kind,
        /// What is wrong.
        reason: String,
    },
    /// That state is not kept, or never was.
    #[error("revision {0} is not kept")]
    NoSuchRevision(Revision),
    /// etcd did not answer.
    #[error("etcd cannot be reached to {action}: {reason}; it is tried again")]
    Unreachable {
        /// What was tried.
        action: String,
        /// What came of it.
        reason: String,
    },
    /// etcd answered that it will not do it; trying again is of no use before somebody has seen to it.
    #[error("etcd refused to {action}: {reason}")]
    Refused {
        /// What was tried.
        action: String,
        /// What etcd says, and what helps.
        reason: String,
    },
    /// etcd did not answer a commit, which may have been made or not.
    #[error("etcd did not answer ({reason}), so the commit may have been made or not; read the state again")]
    Uncertain {
        /// What came of it.
        reason: String,
    },
    /// A commit is larger than the store takes.
    #[error("the commit has {bytes} bytes, at most {most} are taken at once; commit it in several steps")]
    TooLarge {
        /// How large the commit is.
        bytes: usize,
        /// How large it may be.
        most: usize,
    },
    /// The settings of the store cannot be used.
    #[error(transparent)]
    BadSetting(BadSetting),
    /// The file could not be read or written.
    #[error("{action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// What came of it.
        source: Arc<io::Error>,
    },
}

impl StoreError {
    fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io {
            action,
            source: Arc::new(source),
        }
    }
}

/// A place where the objects live.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The state as it is.
    async fn load(&self) -> Result<State, StoreError>;

    /// The first state that is seen to be [another](State::is) one than `seen`; states in between may be left out, the last one
    /// never is.
    ///
    /// Waits for ever if need be, and may be dropped at any time. Trouble with the store is a state too (see the module), so
    /// an error is the exception: wait a moment before asking again.
    async fn changed(&self, seen: &State) -> Result<State, StoreError>;

    /// How the way to the store is, as far as that is known without asking it.
    fn link(&self) -> Link;

    /// Tells the store what an earlier process read from it. One that holds less without a sign that somebody took it away has
    /// lost its data, and its state is not complete. To be called before the first read.
    fn expect(&self, _held: Held) {}

    /// Does all operations in order, or none, on exactly the state `expected`; gives the revision of the state that results.
    ///
    /// Once begun it is brought to its end even if the future is dropped.
    async fn commit(
        &self,
        expected: Revision,
        operations: Vec<Operation>,
        note: Note,
    ) -> Result<Revision, StoreError>;

    /// The states that are kept, newest first; at most [`HISTORY_LENGTH`].
    async fn history(&self) -> Result<Vec<HistoryEntry>, StoreError>;

    /// A state of the past.
    async fn at(&self, revision: Revision) -> Result<State, StoreError>;
}

#[cfg(test)]
mod tests;
