//! The past of a file: `NAME.history/N.yaml`, the text of revision N, and `N.json`, when it came about and by whom.
//!
//! The numbers in the names are what makes revisions outlive the process. Several processes may share the directory (a proxy
//! and an admin on one file): whoever sees a text first gives it its number, under a lock of the directory.
//!
//! Nothing here stops a change from being served: a history that cannot be written is logged once, and numbers go on in memory.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::{HISTORY_LENGTH, HistoryEntry, Note, Revision};

/// The past of one file.
pub(super) struct History {
    directory: PathBuf,
    failing: AtomicBool,
}

/// What `N.json` holds.
#[derive(Serialize, Deserialize)]
struct About {
    time: Timestamp,
    author: String,
    #[serde(default)]
    message: String,
}

impl History {
    /// The history of the file at `path`, beside it: of `meta.yaml` in `meta.history`.
    pub(super) fn of(path: &Path) -> Self {
        let mut name = path.file_stem().map(OsString::from).unwrap_or_default();
        name.push(".history");
        Self {
            directory: path.with_file_name(name),
            failing: AtomicBool::new(false),
        }
    }

    /// Keeps other processes from writing here as long as the result lives. Best effort: not all file systems have locks, and
    /// a process that hangs must not make this one hang.
    pub(super) fn lock(&self) -> Option<File> {
        fs::create_dir_all(&self.directory).ok()?;
        let directory = File::open(&self.directory).ok()?;
        for _ in 0..100 {
            match directory.try_lock() {
                Ok(()) => return Some(directory),
                Err(fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
                Err(fs::TryLockError::Error(_)) => return None,
            }
        }
        None
    }

    /// The number of the state `text`, which comes after `known` (0: none is). It is kept unless it already is. Call it under
    /// [`Self::lock`].
    pub(super) fn record(&self, text: &[u8], known: Revision, note: &Note) -> Revision {
        if let Some(same) = self.find(text, known) {
            return same;
        }
        let revision = self.latest().max(known).next();
        let outcome = self.write(revision, text, note).and_then(|()| self.prune());
        match outcome {
            Ok(()) => self.failing.store(false, Ordering::Relaxed),
            Err(error) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    let directory = self.directory.display();
                    log::warn!(
                        "the history in {directory} cannot be written, changes are served all the same: {error}"
                    );
                }
            }
        }
        revision
    }

    /// The number of the last state that is kept, whoever kept it.
    pub(super) fn latest(&self) -> Revision {
        self.numbers().last().copied().map_or(Revision(0), Revision)
    }

    /// The number that the state `text` has already, if it came after `known`.
    pub(super) fn find(&self, text: &[u8], known: Revision) -> Option<Revision> {
        let numbers = self.numbers();
        // Of a process that has just begun, only the latest state can be its own: numbers do not go back.
        let others = numbers.iter().rev().map(|number| Revision(*number));
        let others = others.take_while(|other| *other > known);
        let mut others = others.take(if known == Revision(0) { 1 } else { HISTORY_LENGTH });
        others.find(|other| fs::read(self.text_path(*other)).is_ok_and(|kept| kept == text))
    }

    /// Takes back what [`Self::record`] kept for a state that did not come about.
    pub(super) fn forget(&self, revision: Revision) {
        // What cannot be removed is only an entry too many.
        let _ = fs::remove_file(self.text_path(revision));
        let _ = fs::remove_file(self.about_path(revision));
    }

    /// What is kept, newest first.
    pub(super) fn entries(&self) -> Vec<HistoryEntry> {
        let entry = |number: u64| {
            let revision = Revision(number);
            let about = fs::read(self.about_path(revision)).ok();
            let about = about.and_then(|json| serde_json::from_slice::<About>(&json).ok());
            let about = about.unwrap_or_else(|| self.about_lost(revision));
            HistoryEntry {
                revision,
                time: about.time,
                author: about.author,
                message: about.message,
            }
        };
        self.numbers().into_iter().rev().map(entry).collect()
    }

    /// The text of a state that is kept.
    pub(super) fn text(&self, revision: Revision) -> io::Result<Vec<u8>> {
        fs::read(self.text_path(revision))
    }

    fn about_lost(&self, revision: Revision) -> About {
        let modified = fs::metadata(self.text_path(revision)).and_then(|metadata| metadata.modified());
        About {
            time: modified
                .ok()
                .and_then(|time| Timestamp::try_from(time).ok())
                .unwrap_or_default(),
            author: "file".into(),
            message: String::new(),
        }
    }

    /// The numbers of the states that are kept, in order.
    fn numbers(&self) -> Vec<u64> {
        let names = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".yaml")?.parse().ok();
        let mut numbers: Vec<u64> = names.filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    fn write(&self, revision: Revision, text: &[u8], note: &Note) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let about = serde_json::to_vec(&About {
            time: Timestamp::now(),
            author: note.author.clone(),
            message: note.message.clone(),
        })?;
        fs::write(self.about_path(revision), about)?;
        // The text comes last and at once: it is what makes the entry.
        let half = self.directory.join(".half");
        fs::write(&half, text)?;
        fs::rename(half, self.text_path(revision))
    }

    fn prune(&self) -> io::Result<()> {
        let numbers = self.numbers();
        for number in &numbers[..numbers.len().saturating_sub(HISTORY_LENGTH)] {
            fs::remove_file(self.text_path(Revision(*number)))?;
            let _ = fs::remove_file(self.about_path(Revision(*number)));
        }
        Ok(())
    }

    fn text_path(&self, revision: Revision) -> PathBuf {
        self.directory.join(format!("{revision}.yaml"))
    }

    fn about_path(&self, revision: Revision) -> PathBuf {
        self.directory.join(format!("{revision}.json"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_last_hundred_states_are_kept() {
        let place = tempfile::tempdir().unwrap();
        let history = History::of(&place.path().join("meta.yaml"));
        let mut known = Revision(0);
        for n in 0..130 {
            known = history.record(format!("{n}").as_bytes(), known, &Note::default());
        }
        let entries = history.entries();
        assert_eq!(entries.len(), 100);
        assert_eq!(
            (entries[0].revision, entries[99].revision),
            (Revision(130), Revision(31))
        );
        assert_eq!(history.text(Revision(31)).unwrap(), b"30");
        let names = fs::read_dir(place.path().join("meta.history")).unwrap();
        assert_eq!(names.count(), 200);
    }

    #[test]
    fn what_another_process_recorded_keeps_its_number_and_numbers_never_go_back() {
        let place = tempfile::tempdir().unwrap();
        let history = History::of(&place.path().join("meta.yaml"));
        let record = |text: &str, known: u64| {
            history
                .record(text.as_bytes(), Revision(known), &Note::default())
                .0
        };
        assert_eq!([record("a", 0), record("b", 1), record("c", 2)], [1, 2, 3]);
        assert_eq!([record("b", 1), record("c", 1)], [2, 3], "seen late");
        assert_eq!(record("c", 0), 3, "after a restart");
        assert_eq!(record("a", 0), 4, "an old text again after a restart");
        assert_eq!(record("b", 4), 5, "an old text again");
    }
}
