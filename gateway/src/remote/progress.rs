//! A line on a terminal that tells how long something has been going on, once that is more than a moment.

use std::{
    io::{IsTerminal, stderr},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// From one line to the next, and to the first.
const TICK: Duration = Duration::from_secs(1);

/// Tells until it is dropped.
pub(super) struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

impl Progress {
    /// Begins to tell that `what` is going on, if anybody looks.
    pub(super) fn begin(what: String) -> Self {
        if !stderr().is_terminal() {
            return Self(None);
        }
        let (end, ended) = channel();
        let began = Instant::now();
        let tell = move || {
            let mut told = false;
            while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                eprint!("\r{what} … {} s", began.elapsed().as_secs());
                told = true;
            }
            if told {
                // To the beginning of the line, and clears it (ECMA-48, EL).
                eprint!("\r\x1b[K");
            }
        };
        Self(Some((end, std::thread::spawn(tell))))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.0.take() {
            drop(end);
            // It does not panic; if it did, a line would be missing.
            let _ = thread.join();
        }
    }
}
