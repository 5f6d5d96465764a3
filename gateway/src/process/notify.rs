//! What a process tells systemd, if that wants to know: `sd_notify(3)` without its library.
//!
//! `MAINPID` goes with every `READY=1`: a process that took the sockets over is another one than systemd started. Nothing is told by
//! one that handed them on, since what it said would be taken for its successor's word.

use std::{
    env,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
    process,
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// Tells systemd, or nobody.
pub(crate) struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants to hear that the process lives. What it hears says no more than that the process runs and takes signals.
    pulse: Option<Duration>,
}

impl Notifier {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`. To be made before a daemon's fork, for which another
    /// process than this one will be alive.
    pub(crate) fn from_environment() -> Self {
        let socket = env::var("NOTIFY_SOCKET").ok();
        let to = socket.as_deref().and_then(connect);
        let number = |name| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(process::id()));
        Self {
            pulse: number("WATCHDOG_USEC")
                .filter(|micros| *micros > 0 && meant && to.is_some())
                // Twice as often as it must.
                .map(|micros| Duration::from_micros(micros / 2)),
            to,
        }
    }

    /// Whether anybody listens.
    pub(super) fn is_heard(&self) -> bool {
        self.to.is_some()
    }

    /// How often [`Self::alive`] is to be called, if at all.
    pub(super) fn pulse(&self) -> Option<Duration> {
        self.pulse
    }

    pub(super) fn ready(&self) {
        self.tell(&format!("READY=1\nMAINPID={}", process::id()));
    }

    /// To be followed by [`Self::ready`].
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=finishing the requests in flight");
    }

    pub(super) fn status(&self, status: &str) {
        self.tell(&format!("STATUS={status}"));
    }

    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, message: &str) {
        let Some((socket, to)) = &self.to else { return };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), to) {
            log::warn!("NOTIFY_SOCKET: {error}");
        }
    }
}

/// A path, or a name in the abstract namespace behind an `@`.
fn connect(address: &str) -> Option<(UnixDatagram, SocketAddr)> {
    let made = || {
        let to = match address.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(Path::new(address))?,
        };
        let socket = UnixDatagram::unbound()?;
        // A reader that does not read must not stop a gateway.
        socket.set_nonblocking(true)?;
        Ok((socket, to))
    };
    made()
        .inspect_err(|error: &std::io::Error| log::warn!("NOTIFY_SOCKET={address}: {error}"))
        .ok()
}
