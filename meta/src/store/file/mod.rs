//! The store that is a YAML file, which people also edit by hand.
//!
//! **Edits by hand** are noticed by inotify and read when they are finished, never half of them; a script that writes the file
//! in several steps, closing it in between, gets each step served. Best is to write another file and rename it.
//!
//! **Commits** replace the file at once and durably: whoever reads it gets the old text or the new one. The whole text is written
//! anew, in our own style, objects in the order they had; comments are lost except those at the very beginning. The text
//! before is in the history. A symbolic link stays one: what it leads to is replaced.
//!
//! An edit by hand is not overwritten: a commit is refused if the file is not what it was made for. Between that look and the
//! replacement are microseconds in which an edit would be lost, to the history too.
//!
//! Nothing runs in the background: the file is watched as long as somebody waits in [`Store::changed`].

mod eye;
mod history;
mod steady;
mod watch;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{Mutex, watch as channel},
    task::spawn_blocking,
    time::timeout,
};

use self::{history::History, steady::Known, watch::Watch};
use super::{HistoryEntry, Link, Note, Operation, Revision, State, Store, StoreError, apply::apply_to};
use crate::{document::Document, model::Kind, problem::Problem};

/// A YAML file as a store.
pub struct FileStore {
    inner: Arc<Inner>,
    /// Held by whoever waits for changes or reads the file.
    watch: Mutex<Watch>,
}

struct Inner {
    path: PathBuf,
    history: History,
    /// Held from reading the file to publishing what was read, and over a commit.
    core: Arc<Mutex<Core>>,
    published: channel::Sender<Option<State>>,
}

/// What is known of the file.
#[derive(Default)]
struct Core {
    revision: Revision,
    /// The text of that revision, if it has one.
    known: Option<Known>,
    /// Why it has none.
    trouble: Option<String>,
}

impl FileStore {
    /// The store in the file at `path`, which is not touched yet.
    pub fn new(path: impl AsRef<Path>) -> Self {
        // A process that becomes a daemon changes its directory.
        let path = std::path::absolute(&path).unwrap_or_else(|_| path.as_ref().to_owned());
        Self {
            inner: Arc::new(Inner {
                history: History::of(&path),
                path,
                core: Arc::default(),
                published: channel::Sender::new(None),
            }),
            watch: Mutex::new(Watch::new()),
        }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Makes a file with an empty configuration at `path`, and the directories to it, unless there is one; whether it did.
    pub fn create_if_missing(path: &Path) -> io::Result<bool> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let text = crate::document::write_yaml(std::iter::empty::<(Kind, &serde_json::Value)>());
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(mut file) => file
                .write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
                .map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Store for FileStore {
    /// Fails if the file is missing or cannot be read. An empty file is a state that is not complete.
    async fn load(&self) -> Result<State, StoreError> {
        let published = self.inner.published.borrow().clone();
        match (self.watch.try_lock(), published) {
            // Somebody watches: what he published is what there is.
            (Err(_), Some(state)) => Ok(state),
            (Err(_), None) => self.watch.lock().await.refresh(&self.inner).await,
            (Ok(mut watch), _) => watch.refresh(&self.inner).await,
        }
    }

    async fn changed(&self, seen: &State) -> Result<State, StoreError> {
        let mut published = self.inner.published.subscribe();
        loop {
            let current = published.borrow_and_update().clone();
            if let Some(state) = current.filter(|state| state.revision != seen.revision) {
                return Ok(state);
            }
            let watch = async { self.watch.lock().await.publish_next(&self.inner).await };
            tokio::select! {
                _ = published.changed() => {}
                () = watch => {}
            }
        }
    }

    fn link(&self) -> Link {
        let state = self.inner.published.borrow();
        let unreadable = state.as_ref().filter(|state| state.document.is_unreadable());
        let problem = unreadable.and_then(|state| state.document.problems.first());
        Link {
            connected: unreadable.is_none(),
            error: problem.map(ToString::to_string),
        }
    }

    async fn commit(
        &self,
        expected: Revision,
        operations: Vec<Operation>,
        note: Note,
    ) -> Result<Revision, StoreError> {
        let state = self.load().await?;
        let current = state.revision;
        if current != expected {
            return Err(StoreError::Conflict { current });
        }
        let inner = self.inner.clone();
        let core = inner.core.clone().lock_owned().await;
        let task = spawn_blocking(move || {
            let mut core = core;
            inner.commit(&mut core, expected, operations, &note)
        });
        let outcome = task
            .await
            .unwrap_or_else(|error| Err(StoreError::io("the commit broke off")(io::Error::other(error))));
        match outcome {
            // An edit that nobody has read yet: in a moment it has a number.
            Err(StoreError::Conflict { current }) if current == expected => {
                let edited = timeout(Duration::from_millis(500), self.changed(&state)).await;
                let current = edited
                    .ok()
                    .and_then(Result::ok)
                    .map_or(current, |state| state.revision);
                Err(StoreError::Conflict { current })
            }
            outcome => outcome,
        }
    }

    async fn history(&self) -> Result<Vec<HistoryEntry>, StoreError> {
        let inner = self.inner.clone();
        let entries = spawn_blocking(move || inner.history.entries()).await;
        entries.map_err(|error| StoreError::io("cannot read the history")(io::Error::other(error)))
    }

    async fn at(&self, revision: Revision) -> Result<State, StoreError> {
        let inner = self.inner.clone();
        let document =
            spawn_blocking(move || Some(Document::read_bytes(&inner.history.text(revision).ok()?)));
        let document = document
            .await
            .ok()
            .flatten()
            .ok_or(StoreError::NoSuchRevision(revision))?;
        Ok(State {
            revision,
            document: Arc::new(document),
        })
    }
}

impl Inner {
    fn publish(&self, revision: Revision, document: Arc<Document>) {
        self.published.send_replace(Some(State { revision, document }));
    }

    /// Blocks. Every exit before the replacement leaves all as it was.
    fn commit(
        &self,
        core: &mut Core,
        expected: Revision,
        operations: Vec<Operation>,
        note: &Note,
    ) -> Result<Revision, StoreError> {
        let conflict = StoreError::Conflict {
            current: core.revision,
        };
        let known = core.known.clone().filter(|_| core.revision == expected);
        let Some(known) = known else {
            return Err(core.refusal(expected));
        };
        let action = || format!("cannot replace {}", self.path.display());
        let _lock = self.history.lock();
        let target = self.path.canonicalize().map_err(StoreError::io(action()))?;
        if *fs::read(&target).map_err(StoreError::io(action()))? != *known.bytes {
            return Err(conflict);
        }
        let before = str::from_utf8(&known.bytes).unwrap_or_default();
        let (text, document) = apply_to(before, &known.document, operations)?;
        if text == before {
            return Ok(expected);
        }
        // Kept first, so that another process that sees the text finds its number.
        let revision = self.history.record(text.as_bytes(), expected, note);
        if let Err(error) = replace(&target, text.as_bytes(), &known.bytes) {
            self.history.forget(revision);
            return Err(error.map_or(conflict, StoreError::io(action())));
        }
        let document = Arc::new(document);
        *core = Core {
            revision,
            known: Some(Known {
                bytes: text.into_bytes().into(),
                document: document.clone(),
            }),
            trouble: None,
        };
        self.publish(revision, document);
        Ok(revision)
    }
}

impl Core {
    /// Why nothing can be committed on `expected`.
    fn refusal(&self, expected: Revision) -> StoreError {
        match &self.trouble {
            Some(trouble) if self.revision == expected => {
                StoreError::Incomplete(Box::new(Problem::of_text(None, trouble)))
            }
            _ => StoreError::Conflict {
                current: self.revision,
            },
        }
    }
}

/// Puts `text` in the place of the file `target`, at once and durably, unless that does not hold `before` any more (`None`).
fn replace(target: &Path, text: &[u8], before: &[u8]) -> Result<(), Option<io::Error>> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let half = target.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_like(target, &half, text);
    let still = written.and_then(|()| Ok(fs::read(target)? == before));
    let outcome = match still {
        Ok(true) => fs::rename(&half, target).map_err(Some),
        Ok(false) => Err(None),
        Err(error) => Err(Some(error)),
    };
    if outcome.is_err() {
        let _ = fs::remove_file(&half);
    } else if let Some(directory) = target.parent()
        && let Err(error) = File::open(directory).and_then(|directory| directory.sync_all())
    {
        log::warn!("{} is replaced, but maybe not durably: {error}", target.display());
    }
    outcome
}

/// Writes `text` durably to `half`, with the mode and, if allowed, the owner of `target`.
fn write_like(target: &Path, half: &Path, text: &[u8]) -> io::Result<()> {
    let like = fs::metadata(target)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(half)?;
    // Only root may give a file away; for others the file becomes their own, as an editor's would.
    let _ = fchown(&file, Some(like.uid()), Some(like.gid()));
    file.set_permissions(like.permissions())?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
