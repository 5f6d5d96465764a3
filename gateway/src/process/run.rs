//! The one task that owns the life of the process.

use std::{future::pending, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use pingora_core::{
    server::{ListenFds, ShutdownWatch},
    services::{ServiceReadyNotifier, ServiceWithDependents},
};
use tokio::{
    select,
    time::{Interval, interval, sleep},
};

use super::{
    Farewell, Life, Notifier, Phase, Reload, Sockets, Waits, exit,
    signals::{Signal, Signals},
    takeover::{Given, Predecessor, Waiting, give},
};
use crate::{hosted::HostedAdmin, live::Live};

/// Owns the life of the process, from its sockets to its exit. One that takes over begins when the store was asked for the first time.
pub(crate) struct Process {
    pub(crate) life: Life,
    pub(crate) live: Arc<Live>,
    pub(crate) sockets: Origin,
    /// The admin, if this process hosts it.
    pub(crate) admin: Option<HostedAdmin>,
    pub(crate) notifier: Arc<Notifier>,
    pub(crate) reload: Reload,
    pub(crate) farewell: Farewell,
}

/// Where the sockets come from, and go to when the process is followed by another one.
pub(crate) struct Origin {
    /// `None` if they are to be taken over.
    pub(crate) bound: Option<Sockets>,
    /// What to listen on.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) upgrade_sock: PathBuf,
    pub(crate) waits: Waits,
}

#[async_trait]
impl ServiceWithDependents for Process {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        shutdown: ShutdownWatch,
        _listeners_per_fd: usize,
        ready: ServiceReadyNotifier,
    ) {
        let begun = async {
            let mut signals = Signals::new()?;
            let sockets = select! {
                begun = self.begin(fds, ready) => begun?,
                // Nobody depends on it yet.
                _ = signals.end() => self.exit(),
            };
            io::Result::Ok((signals, sockets))
        };
        match begun.await {
            Ok((signals, sockets)) => self.go_on(signals, sockets, &shutdown).await,
            Err(error) => {
                log::error!("cannot start: {error}");
                std::process::exit(1);
            }
        }
    }

    fn name(&self) -> &str {
        "process"
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

impl Process {
    /// Until the process serves: gets the sockets, lends them, waits for a revision, tells whoever waits for that. The admin answers before there is
    /// a revision, since it may be needed to make one.
    async fn begin(&mut self, fds: Option<ListenFds>, ready: ServiceReadyNotifier) -> io::Result<Sockets> {
        let (sockets, predecessor) = match self.sockets.bound.take() {
            Some(sockets) => (sockets, None),
            None => {
                let (sockets, predecessor) = self.take_over().await?;
                (sockets, Some(predecessor))
            }
        };
        if let Some(fds) = fds {
            sockets.lend(&fds)?;
        }
        if let Some(admin) = &mut self.admin {
            admin.start(sockets.duplicate(admin.address)?)?;
        }
        ready.notify_ready();
        while self.live.snapshot().is_none() {
            sleep(Duration::from_millis(10)).await;
        }
        self.life.enter(Phase::Serving);
        self.notifier.ready();
        if self.notifier.is_heard() {
            let (live, notifier) = (self.live.clone(), self.notifier.clone());
            tokio::spawn(report(live, notifier, self.life.clone()));
        }
        if let Some(predecessor) = predecessor {
            log::info!("took the sockets over");
            predecessor.release().await;
        }
        Ok(sockets)
    }

    /// The running process's sockets, taken only by a process that could serve at once: the store was asked before this begins.
    async fn take_over(&self) -> io::Result<(Sockets, Predecessor)> {
        if self.live.snapshot().is_none() {
            let why = self.live.configuration().store_error.unwrap_or_default();
            let why = format!("no configuration, and the running process has one: {why}");
            return Err(io::Error::other(why));
        }
        let waiting = Waiting::at(&self.sockets.upgrade_sock)?;
        self.life.enter(Phase::Waiting);
        log::info!("ready to take the sockets over: send SIGQUIT to the running process");
        let (given, predecessor) = select! {
            taken = waiting.take() => taken?,
            () = sleep(self.sockets.waits.next) => {
                let wait = self.sockets.waits.next;
                let why = format!("no process handed its sockets over within {wait:?}; is one running? if not, leave -u out");
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
        };
        Ok((Sockets::adopt(given, &self.sockets.addresses)?, predecessor))
    }

    /// From serving to the exit.
    async fn go_on(&mut self, mut signals: Signals, sockets: Sockets, shutdown: &ShutdownWatch) {
        let phase = self.until_end(&mut signals, &sockets).await;
        let left = match phase {
            Phase::HandedOver => {
                // The next process has one.
                self.admin.iter_mut().for_each(HostedAdmin::stop);
                None
            }
            _ => {
                sockets.let_nobody_begin(&self.farewell.addresses);
                self.notifier.stopping();
                Some(sockets)
            }
        };
        self.life.enter(phase);
        let grace = self.reload.grace();
        let admin = self.admin.as_mut();
        self.farewell
            .exit(left, admin, shutdown, grace, &mut signals)
            .await
    }

    /// Does what signals ask for until one ends the process; how it is to end.
    async fn until_end(&mut self, signals: &mut Signals, sockets: &Sockets) -> Phase {
        loop {
            match signals.next().await {
                // A terminal was closed: the quick start ends with it.
                Signal::Reload if !self.reload.has_file() => return Phase::Draining,
                Signal::Reload => {
                    self.notifier.reloading();
                    self.reload.run();
                    self.notifier.ready();
                }
                Signal::HandOver => {
                    let handed_over = select! {
                        end = self.hand_over(sockets) => end,
                        signal = signals.end() => match signal {
                            Signal::Exit => self.exit(),
                            // Another process may hold the sockets by now.
                            _ => Some(Phase::HandedOver),
                        },
                    };
                    if let Some(phase) = handed_over {
                        return phase;
                    }
                }
                Signal::Drain => {
                    log::info!(
                        "SIGTERM: no new clients; up to {:?} for those there are",
                        self.reload.grace()
                    );
                    return Phase::Draining;
                }
                Signal::Exit => self.exit(),
            }
        }
    }

    fn exit(&self) -> ! {
        exit(self.farewell.pid_file.as_deref())
    }

    /// How the process is to end, if it is.
    async fn hand_over(&self, sockets: &Sockets) -> Option<Phase> {
        match give(sockets, &self.sockets.upgrade_sock, self.sockets.waits.running).await {
            Given::Taken => {
                log::info!(
                    "SIGQUIT: another process serves on the sockets; finishing the requests in flight"
                );
                Some(Phase::HandedOver)
            }
            Given::Nobody => {
                log::warn!("SIGQUIT: no process came to take the sockets over; ending as on SIGTERM");
                Some(Phase::Draining)
            }
            Given::Failed(error) => {
                log::error!("SIGQUIT: the sockets were not taken over, this process goes on: {error}");
                None
            }
        }
    }
}

/// Tells systemd which revision serves, and that the process lives, as long as it serves.
async fn report(live: Arc<Live>, notifier: Arc<Notifier>, life: Life) {
    let mut looks = interval(Duration::from_secs(1));
    let mut beats = notifier.pulse().map(interval);
    let mut told = None;
    loop {
        select! {
            _ = looks.tick() => {
                let revision = live.configuration().revision;
                if revision != told {
                    told = revision;
                    notifier.status(&format!("serving revision {}", revision.unwrap_or_default()));
                }
            }
            () = beat(&mut beats) => notifier.alive(),
            () = life.reached(|phase| phase.is_ending()) => return,
        }
    }
}

/// The next beat; there is none if nobody listens to them.
async fn beat(beats: &mut Option<Interval>) {
    match beats {
        Some(beats) => drop(beats.tick().await),
        None => pending().await,
    }
}
