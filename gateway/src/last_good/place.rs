//! Replaces a file so that whoever reads it, after whatever ended this process or this machine, gets the old text or the new one.
//!
//! The text goes into a file beside it, is forced to the disk, takes the place, and the directory is forced to the disk. The file
//! beside it is locked while its writer lives, so what a killed writer left is told from what another process is writing.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// What the names of unfinished files end with.
const UNFINISHED: &str = ".unfinished";

/// Replaces `file`, making its directory if need be.
pub(super) fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    let directory = directory(file);
    fs::create_dir_all(directory)?;
    let draft = draft(file);
    let written = write(&draft, text).and_then(|draft_file| {
        fs::rename(&draft, file)?;
        drop(draft_file);
        File::open(directory)?.sync_all()
    });
    if written.is_err() {
        // It may not even be there; what matters is the error before.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// The lock is held as long as the file is.
fn write(draft: &Path, text: &[u8]) -> io::Result<File> {
    let mut file = File::create_new(draft)?;
    file.lock()?;
    file.write_all(text)?;
    file.sync_all()?;
    Ok(file)
}

/// Removes what killed writers of `file` have left.
pub(super) fn clean(file: &Path) {
    let Ok(entries) = fs::read_dir(directory(file)) else {
        return;
    };
    let first = first_of_drafts(file);
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with(&first) || !name.ends_with(UNFINISHED) {
            continue;
        }
        let is_left = File::open(entry.path()).is_ok_and(|draft| draft.try_lock().is_ok());
        if is_left && let Err(error) = fs::remove_file(entry.path()) {
            log::warn!("{}: cannot be removed: {error}", entry.path().display());
        }
    }
}

fn draft(file: &Path) -> PathBuf {
    let name = format!("{}{:016x}{UNFINISHED}", first_of_drafts(file), fastrand::u64(..));
    directory(file).join(name)
}

fn first_of_drafts(file: &Path) -> String {
    format!(".{}.", file.file_name().unwrap_or_default().to_string_lossy())
}

fn directory(file: &Path) -> &Path {
    match file.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}
