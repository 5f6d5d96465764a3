//! The signals a process listens to.

use std::io;

use tokio::{
    select,
    signal::unix::{Signal as Stream, SignalKind, signal},
};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGHUP: read the start-up file again, open the log anew.
    Reload,
    /// SIGQUIT: hand the sockets over.
    HandOver,
    /// SIGTERM: finish what is in flight and exit.
    Drain,
    /// SIGINT: exit.
    Exit,
}

/// Listens for signals from its making on; before that each of them ends the process, which is the system's default.
pub(super) struct Signals {
    hangup: Stream,
    quit: Stream,
    terminate: Stream,
    interrupt: Stream,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) -> Signal {
        select! {
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.quit.recv() => Signal::HandOver,
            _ = self.terminate.recv() => Signal::Drain,
            _ = self.interrupt.recv() => Signal::Exit,
        }
    }

    /// Waits for SIGTERM or SIGINT. The others are left for [`Self::next`].
    pub(super) async fn end(&mut self) -> Signal {
        select! {
            _ = self.terminate.recv() => Signal::Drain,
            _ = self.interrupt.recv() => Signal::Exit,
        }
    }
}
