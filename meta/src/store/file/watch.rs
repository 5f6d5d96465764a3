//! When to look at the file, and what to make of what is there.
//!
//! - After a writer closed it, or it was replaced: at once.
//! - While a writer has it open and has written: not until he closes it, or has written nothing for [`PATIENCE`].
//! - Every [`POLL`], whether its times, length or inode are others; that is all there is where inotify is not to be had, and
//!   then they must have stayed the same from one poll to the next.
//! - A file that is empty, missing or cannot be read is believed to be so after [`GRACE`]: it may be about to be replaced.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::OwnedMutexGuard, task::spawn_blocking, time::timeout};

use super::{
    Core, Inner,
    eye::Eye,
    steady::{self, Contents, Stamp},
};
use crate::{
    document::Document,
    problem::Problem,
    store::{Note, Revision, State, StoreError},
};

const POLL: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_millis(500);
/// From one look to the next while the file does not hold still.
const AGAIN: Duration = Duration::from_millis(5);

/// Watches one file. All that it knows is in here, so that a wait can be dropped and begun again.
pub(super) struct Watch {
    eye: Option<Eye>,
    warned: bool,
    /// How much of what the eye saw has been looked at: stirs and links.
    looked: Option<(u64, u64)>,
    /// What was there when the file was last read, and when it was last polled.
    read: Option<Identity>,
    polled: Option<Identity>,
    next_look: Instant,
    absent_since: Option<Instant>,
}

/// What is at a path.
type Identity = (u64, u64, Stamp);

/// What came of looking.
enum Look {
    /// There is nothing that is not known, or nothing that can be used yet.
    Nothing,
    /// The file did not hold still.
    Unsteady,
    /// There is a text that may be another one.
    Text(OwnedMutexGuard<Core>, Contents),
    /// There is none.
    Absent(OwnedMutexGuard<Core>, Absence),
}

enum Absence {
    Empty,
    Error(io::Error),
}

impl Watch {
    pub(super) fn new() -> Self {
        Self {
            eye: None,
            warned: false,
            looked: None,
            read: None,
            polled: None,
            next_look: Instant::now(),
            absent_since: None,
        }
    }

    /// Waits until there is another state and publishes it. Can be dropped at any time.
    pub(super) async fn publish_next(&mut self, inner: &Arc<Inner>) {
        loop {
            self.keep_eye(inner);
            let wait = self.due().saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                self.wait(wait).await;
                continue;
            }
            self.next_look = Instant::now() + POLL;
            match self.look(inner).await {
                Look::Nothing => {}
                Look::Unsteady => self.next_look = Instant::now() + AGAIN,
                Look::Text(core, contents) => {
                    self.absent_since = None;
                    match inner.take(core, contents).await {
                        Taken::Published => return,
                        Taken::Known => {}
                        Taken::Overtaken => {
                            (self.looked, self.read) = (None, None);
                            self.next_look = Instant::now() + AGAIN;
                        }
                    }
                }
                Look::Absent(core, absence) => {
                    let since = *self.absent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() < GRACE {
                        self.next_look = since + GRACE;
                    } else if inner.report(core, absence.message()) {
                        return;
                    }
                }
            }
        }
    }

    /// Looks at the file once, whatever the times say, and publishes what is there. Waits for a writer a second at most.
    pub(super) async fn refresh(&mut self, inner: &Arc<Inner>) -> Result<State, StoreError> {
        let until = Instant::now() + Duration::from_secs(1);
        loop {
            if let Some(eye) = &mut self.eye {
                eye.drain();
            }
            self.looked = None;
            match self.look(inner).await {
                Look::Text(core, contents) => {
                    if matches!(inner.take(core, contents).await, Taken::Overtaken) && Instant::now() < until
                    {
                        self.read = None;
                        continue;
                    }
                }
                Look::Absent(_, Absence::Error(error)) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(StoreError::Missing(inner.path.clone()));
                }
                Look::Absent(_, Absence::Error(error)) => {
                    return Err(StoreError::io(format!("cannot read {}", inner.path.display()))(
                        error,
                    ));
                }
                Look::Absent(core, absence) => {
                    inner.report(core, absence.message());
                }
                Look::Nothing | Look::Unsteady if Instant::now() < until => {
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                Look::Nothing | Look::Unsteady => {}
            }
            let busy = || {
                StoreError::io(format!("cannot read {}", inner.path.display()))(
                    io::ErrorKind::ResourceBusy.into(),
                )
            };
            return inner.published.borrow().clone().ok_or_else(busy);
        }
    }

    /// Sees to it that there is an eye and that it is on the right places, if that can be had.
    fn keep_eye(&mut self, inner: &Inner) {
        if self.eye.as_ref().is_some_and(|eye| eye.is_on(&inner.path)) {
            return;
        }
        if self.eye.is_none() && self.looked.is_some() && Instant::now() < self.next_look {
            return;
        }
        let lost = self.eye.take().is_some_and(|eye| eye.sight.lost);
        self.eye = match Eye::open(&inner.path) {
            Ok(mut eye) => {
                self.warned = false;
                // What happened before it was opened was not seen. If events were lost, that somebody writes may be among them.
                self.looked = None;
                eye.sight.writing = Instant::now().checked_sub(PATIENCE - POLL).filter(|_| lost);
                Some(eye)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.warned, true) {
                    log::warn!(
                        "changes of {} are noticed only every {POLL:?}: {error}",
                        inner.path.display()
                    );
                }
                None
            }
        };
    }

    /// When to look next.
    fn due(&self) -> Instant {
        let Some(eye) = &self.eye else {
            return self.next_look;
        };
        if let Some(since) = eye.sight.writing {
            return since + PATIENCE;
        }
        match self.looked {
            Some(looked) if looked == (eye.sight.stirs, eye.sight.links) => self.next_look,
            _ => Instant::now(),
        }
    }

    async fn wait(&mut self, at_most: Duration) {
        let Some(eye) = &mut self.eye else {
            return tokio::time::sleep(at_most).await;
        };
        if let Ok(Err(error)) = timeout(at_most, eye.wait()).await {
            log::warn!("the watch on a file has ended and begins again: {error}");
            self.eye = None;
        }
    }

    async fn look(&mut self, inner: &Arc<Inner>) -> Look {
        let seen = self
            .eye
            .as_ref()
            .map_or((0, 0), |eye| (eye.sight.stirs, eye.sight.links));
        let writing = self.eye.as_ref().is_some_and(|eye| eye.sight.writing.is_some());
        let certain =
            writing || self.absent_since.is_some() || self.looked.is_none_or(|looked| looked.0 != seen.0);
        let identity = fs::metadata(&inner.path)
            .ok()
            .map(|metadata| (metadata.dev(), metadata.ino(), Stamp::of(&metadata)));
        let held_still = self.eye.is_some() || self.polled == identity || self.looked.is_none();
        self.polled = identity;
        if !certain && identity.is_some() && (identity == self.read || !held_still) {
            self.looked = Some(seen);
            return Look::Nothing;
        }
        let core = inner.core.clone().lock_owned().await;
        let (path, known) = (inner.path.clone(), core.known.clone());
        let outcome = match spawn_blocking(move || steady::read(&path, known.as_ref())).await {
            Ok(outcome) => outcome,
            Err(error) => Err(io::Error::other(error)),
        };
        if let Some(eye) = &mut self.eye {
            eye.drain();
            if eye.sight.writing.is_some_and(|since| since.elapsed() < PATIENCE) {
                return Look::Nothing;
            }
            eye.sight.writing = None;
        }
        match outcome {
            Ok(None) => Look::Unsteady,
            Ok(Some(contents @ (Contents::Same | Contents::Other(..)))) => {
                self.looked = Some(seen);
                self.read = identity;
                Look::Text(core, contents)
            }
            other => {
                self.looked = Some(seen);
                self.read = None;
                Look::Absent(core, other.err().map_or(Absence::Empty, Absence::Error))
            }
        }
    }
}

/// What became of a text that was read.
enum Taken {
    Published,
    Known,
    /// It is not what the file holds any more: look again.
    Overtaken,
}

impl Absence {
    fn message(&self) -> String {
        match self {
            Self::Empty => "the file is empty; what it held before goes on being served".into(),
            Self::Error(error) => {
                format!("the file cannot be read ({error}); what it held before goes on being served")
            }
        }
    }
}

impl Inner {
    /// Publishes a text as the next state, unless it is known or the file holds another one by now.
    async fn take(self: &Arc<Self>, mut core: OwnedMutexGuard<Core>, contents: Contents) -> Taken {
        let Contents::Other(known) = contents else {
            return Taken::Known;
        };
        let (inner, last, bytes) = (self.clone(), core.revision, known.bytes.clone());
        let recorded = spawn_blocking(move || {
            let note = Note {
                author: "file".into(),
                message: String::new(),
            };
            let _lock = inner.history.lock();
            // If another process has recorded states since, this text may be older than they are: it is only if the file still
            // holds it, or if it is one of them, that it may be published after what is published now.
            let history = &inner.history;
            let in_order = last == Revision(0)
                || history.latest() <= last
                || history.find(&bytes, last).is_some()
                || fs::read(&inner.path).is_ok_and(|now| *now == *bytes);
            in_order.then(|| history.record(&bytes, last, &note))
        });
        let Some(revision) = recorded.await.unwrap_or(Some(last.next())) else {
            return Taken::Overtaken;
        };
        core.revision = revision;
        core.trouble = None;
        self.publish(core.revision, known.document.clone());
        core.known = Some(known);
        Taken::Published
    }

    /// Publishes that there is no text, unless that is known; whether it did.
    fn report(&self, mut core: OwnedMutexGuard<Core>, message: String) -> bool {
        if core.trouble.as_ref() == Some(&message) {
            return false;
        }
        core.revision = core.revision.next();
        core.known = None;
        core.trouble = Some(message.clone());
        let document = Document::unreadable(Problem::of_text(None, message));
        self.publish(core.revision, Arc::new(document));
        true
    }
}
