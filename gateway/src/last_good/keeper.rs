//! Writes each state that runs to the disk, the last of those that come at once.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use meta::{check::Checked, filters::FilterKinds, store};
use serde::Serialize;
use tokio::{sync::watch, task::spawn_blocking, time::sleep};

use super::{
    LastGood, Origin,
    format::{self, Head},
    place,
};

/// From one write to the next at least: a thousand changes a second are one write. What a proxy that is killed has not
/// written yet it reads from the store again.
pub(super) const BETWEEN: Duration = Duration::from_secs(1);

/// How long a write that failed waits for the next try.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Keeps the last good state of a store in a file.
pub(crate) struct Keeper {
    file: PathBuf,
    origin: Origin,
    latest: watch::Sender<Option<State>>,
    /// Held over a write.
    writing: Mutex<u64>,
    status: Mutex<KeeperStatus>,
}

#[derive(Clone)]
struct State {
    /// Counts the states of this process, from 1.
    turn: u64,
    revision: u64,
    complete: bool,
    checked: Arc<Checked>,
}

/// What `/status` says of the last good state.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct KeeperStatus {
    file: String,
    /// The revision that is in the file, if this process knows of one.
    revision: Option<u64>,
    /// When this process wrote it, in milliseconds of Unix time.
    saved_unix_ms: Option<i64>,
    /// Why it could not be written the last time, if it could not.
    error: Option<String>,
}

impl Keeper {
    /// One that keeps the state of `origin` in `file`, which is not touched yet.
    pub(crate) fn new(file: PathBuf, origin: Origin) -> Self {
        let status = KeeperStatus {
            file: file.display().to_string(),
            ..KeeperStatus::default()
        };
        Self {
            file,
            origin,
            latest: watch::Sender::new(None),
            writing: Mutex::new(0),
            status: Mutex::new(status),
        }
    }

    /// Reads what an earlier process kept, if it can be used.
    pub(crate) fn read(&self, kinds: &FilterKinds) -> Option<LastGood> {
        place::clean(&self.file);
        let last = super::read(&self.file, &self.origin, kinds)?;
        self.status().revision = Some(last.revision);
        Some(last)
    }

    /// Has what runs of this state written soon.
    pub(crate) fn keep(&self, state: &store::State, checked: Arc<Checked>) {
        self.latest.send_modify(|latest| {
            let turn = latest.as_ref().map_or(0, |state| state.turn) + 1;
            *latest = Some(State {
                turn,
                revision: state.revision.0,
                complete: state.document.complete,
                checked,
            });
        });
    }

    /// Writes for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut latest = self.latest.subscribe();
        let mut failed = false;
        while failed || latest.changed().await.is_ok() {
            let state = latest.borrow_and_update().clone();
            let Some(state) = state else { continue };
            let keeper = self.clone();
            let written = spawn_blocking(move || keeper.write(&state)).await;
            failed = !matches!(written, Ok(Ok(())));
            sleep(if failed { AFTER_FAILURE } else { BETWEEN }).await;
        }
    }

    /// Writes at once what is not written yet.
    pub(crate) fn flush(&self) {
        let latest = self.latest.borrow().clone();
        if let Some(state) = latest {
            // The log says if it fails.
            let _ = self.write(&state);
        }
    }

    pub(crate) fn status(&self) -> MutexGuard<'_, KeeperStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a state, unless a later one has been written.
    fn write(&self, state: &State) -> io::Result<()> {
        let mut written = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if *written >= state.turn {
            return Ok(());
        }
        let saved = Timestamp::now();
        let head = Head {
            revision: state.revision,
            complete: state.complete,
            store: self.origin.clone(),
            saved,
        };
        let outcome = format::encode(&head, &state.checked)
            .map_err(io::Error::other)
            .and_then(|text| place::replace(&self.file, &text));
        let mut status = self.status();
        match &outcome {
            Ok(()) => {
                *written = state.turn;
                status.revision = Some(state.revision);
                status.saved_unix_ms = Some(saved.as_millisecond());
                if status.error.take().is_some() {
                    log::info!("{}: the last good state is written again", self.file.display());
                }
            }
            Err(error) => {
                if status.error.is_none() {
                    log::error!(
                        "{}: the last good state cannot be written: {error}",
                        self.file.display()
                    );
                }
                status.error = Some(error.to_string());
            }
        }
        outcome
    }
}
