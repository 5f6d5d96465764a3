//! The services that follow the life of the process: what the engine needs to stop, to tell a daemon's parent, to keep the manage listener.

use std::time::Duration;

use async_trait::async_trait;
use pingora_core::{
    server::{ListenFds, ShutdownSignal, ShutdownSignalWatch, ShutdownWatch},
    services::{ServiceReadyNotifier, ServiceWithDependents, background::BackgroundService},
};
use tokio::{sync::watch, time::sleep};

use super::{Life, Phase};

/// Tells the engine to stop its services when the process is to end.
pub(crate) struct Stop(pub(crate) Life);

#[async_trait]
impl ShutdownSignalWatch for Stop {
    async fn recv(&self) -> ShutdownSignal {
        self.0.reached(|phase| phase.is_ending()).await;
        // What the engine does besides on the other signals is done here.
        ShutdownSignal::GracefulTerminate
    }
}

/// Ready when the parent of a daemon is to be told: the process serves, or nothing is missing but SIGQUIT to the running one.
pub(crate) struct ReadyForParent {
    pub(crate) life: Life,
    /// The process before the fork.
    pub(crate) parent: u32,
}

#[async_trait]
impl BackgroundService for ReadyForParent {
    async fn start_with_ready_notifier(&self, _: ShutdownWatch, ready: ServiceReadyNotifier) {
        self.life.reached(|phase| *phase != Phase::Starting).await;
        // The engine's parent is told by SIGUSR1 and begins to listen for it only after the fork: too early, it would be killed.
        while would_be_killed(self.parent) {
            sleep(Duration::from_millis(10)).await;
        }
        ready.notify_ready();
    }
}

/// Whether SIGUSR1 would end that process: it runs and does not catch the signal (`SigCgt` in proc(5)).
fn would_be_killed(pid: u32) -> bool {
    const SIGUSR1: u64 = 1 << (10 - 1);
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else {
        return false;
    };
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & SIGUSR1 == 0)
}

/// A service that goes on while the process drains: it ends with the process, or when another one serves in its place.
pub(crate) struct Lasting<S> {
    pub(crate) service: S,
    pub(crate) life: Life,
}

#[async_trait]
impl<S: ServiceWithDependents> ServiceWithDependents for Lasting<S> {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        _: ShutdownWatch,
        listeners_per_fd: usize,
        ready: ServiceReadyNotifier,
    ) {
        let (stop, stopped) = watch::channel(false);
        let end = async {
            self.life.reached(|phase| *phase == Phase::HandedOver).await;
            stop.send_replace(true);
        };
        let service = self.service.start_service(fds, stopped, listeners_per_fd, ready);
        tokio::join!(service, end);
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        self.service.threads()
    }
}
