//! What inotify says about a file: that it was written, replaced or removed, and whether somebody is in the middle of writing it.
//!
//! Watched is the directory of the file, and if the file is a symbolic link also the directory of what it leads to: a file that
//! is replaced has no watch of its own any more. Links further along the way are the slow poll's business.
//!
//! The kernel puts an event into the queue before the call that caused it returns, so after [`Eye::drain`] every write that was
//! complete before it is known. A thread between the kernel and here would not allow to say that.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    time::Instant,
};

use inotify::{Event, EventMask, Inotify, WatchDescriptor, WatchMask};
use tokio::io::{Interest, unix::AsyncFd};

/// A watch on one file.
pub(super) struct Eye {
    inotify: AsyncFd<Inotify>,
    files: Vec<(WatchDescriptor, OsString)>,
    paths: Vec<PathBuf>,
    pub(super) sight: Sight,
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// Grows whenever the file may hold something else.
    pub(super) stirs: u64,
    /// Grows whenever a link that leads to the file may have changed.
    pub(super) links: u64,
    /// When the file was last written by somebody who has not closed it since.
    pub(super) writing: Option<Instant>,
    /// The watch has an end or has lost events.
    pub(super) lost: bool,
}

const EVENTS: usize = 16 << 10;

impl Eye {
    /// Watches the file at `path`, which may not exist; its directory must. Needs a Tokio runtime.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let inotify = Inotify::init()?;
        let mask = WatchMask::MODIFY
            | WatchMask::CLOSE_WRITE
            | WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MOVE
            | WatchMask::ATTRIB
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        let paths = paths_to(path);
        let mut files = Vec::new();
        for path in &paths {
            let directory = path.parent().unwrap_or(Path::new("/"));
            let watch = inotify.watches().add(directory, mask)?;
            files.push((watch, path.file_name().unwrap_or_default().to_owned()));
        }
        // Deprecated because it takes any type that names a descriptor, owned or not. This one is owned, valid as long as the
        // value lives, and never exchanged; the constructor that takes its place is `unsafe`, which this crate does without.
        #[allow(deprecated)]
        let inotify = AsyncFd::with_interest(inotify, Interest::READABLE)?;
        Ok(Self {
            inotify,
            files,
            paths,
            sight: Sight::default(),
        })
    }

    /// Whether it watches where `path` leads.
    pub(super) fn is_on(&self, path: &Path) -> bool {
        !self.sight.lost && self.paths == paths_to(path)
    }

    /// Waits until something happened and takes it into [`Self::sight`].
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; EVENTS];
        loop {
            let mut ready = self.inotify.readable_mut().await?;
            match ready.try_io(|inotify| inotify.get_mut().read_events(&mut buffer)) {
                Ok(events) => {
                    for event in events? {
                        self.sight.take(&event, &self.files);
                    }
                    return Ok(());
                }
                Err(_nothing) => {}
            }
        }
    }

    /// Takes all that has happened so far into [`Self::sight`].
    pub(super) fn drain(&mut self) {
        let mut buffer = vec![0; EVENTS];
        loop {
            match self.inotify.get_mut().read_events(&mut buffer) {
                Ok(events) => events.for_each(|event| self.sight.take(&event, &self.files)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.sight.lost = true;
                    return;
                }
            }
        }
    }
}

impl Sight {
    fn take(&mut self, event: &Event<&std::ffi::OsStr>, files: &[(WatchDescriptor, OsString)]) {
        let any = |mask: EventMask| event.mask.intersects(mask);
        if any(EventMask::Q_OVERFLOW
            | EventMask::IGNORED
            | EventMask::UNMOUNT
            | EventMask::DELETE_SELF
            | EventMask::MOVE_SELF)
        {
            self.lost = true;
            return;
        }
        let is_file =
            |(watch, name): &(WatchDescriptor, OsString)| *watch == event.wd && event.name == Some(name);
        let moved = EventMask::MOVED_TO | EventMask::MOVED_FROM | EventMask::DELETE;
        if !files.iter().any(is_file) {
            self.links += u64::from(any(moved | EventMask::CREATE));
            return;
        }
        if any(EventMask::MODIFY) {
            self.writing = Some(Instant::now());
        }
        if any(moved | EventMask::CLOSE_WRITE) {
            self.writing = None;
        }
        self.stirs += u64::from(any(moved
            | EventMask::CLOSE_WRITE
            | EventMask::CREATE
            | EventMask::ATTRIB));
    }
}

/// The path itself and, if it is a link or leads through one, where it ends.
fn paths_to(path: &Path) -> Vec<PathBuf> {
    let end = path.canonicalize().ok().filter(|end| end != path);
    std::iter::once(path.to_owned()).chain(end).collect()
}
