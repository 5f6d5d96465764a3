//! Reading a file that others write, without ever getting half of what they write.
//!
//! A file can be rewritten in place while it is read, and two writes within one tick of the kernel's clock leave the same time
//! of change. So a file is read only after its times and length were seen to stay the same for longer than a tick: from then on
//! any write would show. That takes [`TICK`]; what it holds is parsed meanwhile. Not covered: a writer that sets the time of
//! change back while it writes, and writes through a memory map. That a writer pauses in the middle is the [`super::eye`]'s business.

use std::{
    fs::{File, Metadata},
    io::{self, Read, Seek},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::document::{Document, MAX_BYTES};

/// Longer than a tick of the kernel's clock, which is 1 to 10 ms.
const TICK: Duration = Duration::from_millis(12);

/// What a file holds.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) bytes: Arc<[u8]>,
    /// What was read of them.
    pub(super) document: Arc<Document>,
}

/// What a file held at one moment.
pub(super) enum Contents {
    Empty,
    /// What is known already.
    Same,
    Other(Known),
}

/// Reads the file at `path`; `None` if it was written meanwhile. Takes at least [`TICK`]; blocks.
pub(super) fn read(path: &Path, known: Option<&Known>) -> io::Result<Option<Contents>> {
    let mut file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let since = Instant::now();
    let bytes = read_all(&mut file)?;
    let same = known.is_some_and(|known| *known.bytes == *bytes);
    let document = (!same && !bytes.is_empty()).then(|| interpret(&bytes, known));
    std::thread::sleep(TICK.saturating_sub(since.elapsed()));
    if Stamp::of(&file.metadata()?) != stamp
        || !holds(&mut file, &bytes)?
        || Stamp::of(&file.metadata()?) != stamp
    {
        return Ok(None);
    }
    Ok(Some(match document {
        Some(document) => Contents::Other(Known {
            bytes: bytes.into(),
            document: Arc::new(document),
        }),
        None if same => Contents::Same,
        None => Contents::Empty,
    }))
}

fn interpret(bytes: &[u8], known: Option<&Known>) -> Document {
    let before = known.and_then(|known| Some((known, str::from_utf8(&known.bytes).ok()?)));
    match (before, str::from_utf8(bytes)) {
        (Some((known, before)), Ok(text)) => known.document.reread(before, text),
        _ => Document::read_bytes(bytes),
    }
}

fn read_all(file: &mut File) -> io::Result<Vec<u8>> {
    let expected = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    // One byte more than is allowed is enough for the reader to refuse it.
    let mut bytes = Vec::with_capacity(expected.min(MAX_BYTES) + 1);
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn holds(file: &mut File, bytes: &[u8]) -> io::Result<bool> {
    file.rewind()?;
    let mut rest = bytes;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(rest.is_empty()),
            Ok(_) if rest.is_empty() => return Ok(bytes.len() > MAX_BYTES),
            Ok(length) => match rest.split_at_checked(length) {
                Some((same, after)) if same == &buffer[..length] => rest = after,
                Some(_) => return Ok(false),
                None => return Ok(bytes.len() > MAX_BYTES),
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What changes when a file is written. The inode is not part of it: the open file is the same one throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}
