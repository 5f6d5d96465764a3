//! The end of a process: as soon as no client is left, at the latest after `grace`, at once on a second signal.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use pingora_core::{
    apps::ServerApp,
    protocols::{Stream, l4::listener::Listener},
    server::ShutdownWatch,
};
use tokio::{
    select,
    time::{Instant, sleep, timeout_at},
};

use super::{Sockets, signals::Signals};
use crate::{edge::Connections, hosted::HostedAdmin, proxy::Proxy};

/// How long what was under way when the listeners stopped may take to show: a client in its handshake, a connection that was accepted and
/// not begun.
const MOMENT: Duration = Duration::from_millis(100);

/// From one look for clients that are left to the next.
const LOOK: Duration = Duration::from_millis(20);

/// Sees the last clients off.
pub(crate) struct Farewell {
    pub(crate) clients: Connections<Proxy>,
    /// Where clients connect.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The file a daemon's process id stands in.
    pub(crate) pid_file: Option<PathBuf>,
}

impl Farewell {
    /// Exits once the last client has gone, and then the last of the admin. `sockets` are those that nobody else listens on.
    pub(super) async fn exit(
        &self,
        sockets: Option<Sockets>,
        admin: Option<&mut HostedAdmin>,
        shutdown: &ShutdownWatch,
        grace: Duration,
        signals: &mut Signals,
    ) -> ! {
        let open = &self.clients.open;
        let everybody = async {
            self.last_clients(sockets, shutdown).await;
            log::info!("no client is left");
            if let Some(admin) = admin {
                admin.end().await;
            }
        };
        select! {
            () = everybody => {}
            () = sleep(grace) => log::warn!("{} connections are cut off after {grace:?}", open.count()),
            signal = signals.end() => {
                log::warn!("{} connections are cut off by a second signal ({signal:?})", open.count());
            }
        }
        exit(self.pid_file.as_deref())
    }

    async fn last_clients(&self, sockets: Option<Sockets>, shutdown: &ShutdownWatch) {
        let until = Instant::now() + MOMENT;
        let listeners = sockets.map(|sockets| sockets.into_listeners(&self.addresses));
        for listener in listeners.into_iter().flatten() {
            tokio::spawn(accept_rest(
                listener,
                self.clients.clone(),
                shutdown.clone(),
                until,
            ));
        }
        sleep(MOMENT + LOOK).await;
        while self.clients.open.count() > 0 {
            sleep(LOOK).await;
        }
    }
}

/// Serves whoever is at the listener already: the engine stops accepting with clients in the queue, who would be reset.
async fn accept_rest(
    listener: TcpListener,
    clients: Connections<Proxy>,
    shutdown: ShutdownWatch,
    until: Instant,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => Listener::from(listener),
        Err(error) => return log::error!("the last clients: {error}"),
    };
    let clients = Arc::new(clients);
    while let Ok(accepted) = timeout_at(until, listener.accept()).await {
        match accepted {
            Ok(mut stream) => {
                // A small delay is all that is lost if it cannot be set.
                let _ = stream.set_nodelay();
                let (clients, shutdown) = (clients.clone(), shutdown.clone());
                tokio::spawn(async move { clients.process_new(Box::new(stream) as Stream, &shutdown).await });
            }
            Err(error) => log::debug!("the last clients: {error}"),
        }
    }
}

/// Ends the process as one that was told to.
pub(crate) fn exit(pid_file: Option<&Path>) -> ! {
    if let Some(path) = pid_file {
        remove(path);
    }
    std::process::exit(0)
}

/// Removes the file with this process's id, which the engine moves aside when another daemon starts.
fn remove(pid_file: &Path) {
    let mut aside = pid_file.as_os_str().to_owned();
    aside.push(".old");
    for path in [pid_file, Path::new(&aside)] {
        let ours =
            std::fs::read_to_string(path).is_ok_and(|pid| pid.trim() == std::process::id().to_string());
        if ours && let Err(error) = std::fs::remove_file(path) {
            log::warn!("{}: {error}", path.display());
        }
    }
}
