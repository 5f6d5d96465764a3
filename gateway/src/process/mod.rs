//! The life of a process: which sockets it listens on, how it takes them over or hands them on, what signals do, how it ends.
//!
//! ```text
//! starting ─► serving ─► draining ─► exit          SIGTERM
//!    │           ▲  └──► handed over ─► exit       SIGQUIT, once the next process serves
//!    └► waiting ─┘                                 -u: ready to serve, without the sockets yet
//! ```
//!
//! The engine ends a process by sleeping its grace period in full and hands sockets over to whoever comes, ready or not. Here both are
//! ours; of the engine the services, their runtimes, the fork of a daemon and the message that tells all services to stop are used.

mod leave;
mod notify;
mod reload;
mod run;
mod services;
mod signals;
mod sockets;
mod takeover;

pub(crate) use leave::{Farewell, exit};
pub(crate) use notify::Notifier;
pub(crate) use reload::{Adjustable, Reload};
pub(crate) use run::{Origin, Process};
pub(crate) use services::{Lasting, ReadyForParent, Stop};
pub(crate) use sockets::Sockets;
pub(crate) use takeover::Waits;

use tokio::sync::watch;

/// What part of its life a process is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It has no revision yet, or no sockets.
    Starting,
    /// It could serve and waits for the sockets of the process that does.
    Waiting,
    /// Its listeners accept and a revision is applied.
    Serving,
    /// It was told to end: no new clients, those there are get their answers.
    Draining,
    /// The same, while another process serves on the sockets.
    HandedOver,
}

impl Phase {
    /// Whether the process takes no new clients any more.
    pub(crate) fn is_ending(self) -> bool {
        matches!(self, Phase::Draining | Phase::HandedOver)
    }
}

/// The part of its life the process is in, for whoever acts on it.
#[derive(Clone, Debug)]
pub(crate) struct Life(watch::Sender<Phase>);

impl Life {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Phase::Starting))
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    fn enter(&self, phase: Phase) {
        self.0.send_replace(phase);
    }

    /// Waits for such a phase.
    pub(crate) async fn reached(&self, such: impl FnMut(&Phase) -> bool) {
        // It cannot fail: `self` is a sender.
        let _ = self.0.subscribe().wait_for(such).await.map(drop);
    }
}
