//! Names to addresses, in the background: a request never waits for DNS, and what was once resolved stays
//! until there is something better.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::Semaphore, time};

use super::{server::Server, task::jittered};

/// From one good answer to the next question, ±10 %.
const REFRESH: Duration = Duration::from_secs(10);
/// After the first failure; each further one doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Up to this.
const LAST_RETRY: Duration = Duration::from_secs(30);
/// How long is waited for an answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// How many addresses of a name are used.
const MOST_ADDRESSES: usize = 256;

/// Looks names up.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// All addresses of `host`, each with `port`; an error if it has none. Deadlines are the caller's.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// Looks names up as the system does (hosts file, DNS). The system's call blocks, so it runs in threads; at
/// most 16 at a time.
pub struct SystemResolver(Arc<Semaphore>);

impl Default for SystemResolver {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(16)))
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let slot = Arc::clone(&self.0)
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        let host = host.to_owned();
        let look_up = move || {
            // Held as long as the thread is: a call cannot be cut short.
            let _slot = slot;
            (host, port).to_socket_addrs().map(Vec::from_iter)
        };
        tokio::task::spawn_blocking(look_up)
            .await
            .map_err(io::Error::other)?
    }
}

/// Keeps the addresses of `server` as `resolver` finds them, until the server is gone.
pub(super) async fn follow(server: Weak<Server>, host: String, port: u16, resolver: Arc<dyn Resolve>) {
    let mut retry = FIRST_RETRY;
    loop {
        let answer = time::timeout(DEADLINE, resolver.resolve(&host, port)).await;
        let answer = match answer {
            Ok(Ok(addresses)) if addresses.is_empty() => Err("it has no address".to_owned()),
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
        };
        let Some(server) = server.upgrade() else { return };
        let wait = match &answer {
            Ok(_) => REFRESH,
            Err(_) => retry,
        };
        retry = if answer.is_ok() {
            FIRST_RETRY
        } else {
            (retry * 2).min(LAST_RETRY)
        };
        note(&server, &host, answer);
        drop(server);
        time::sleep(jittered(wait)).await;
    }
}

/// Passes the answer on; a name that begins or ceases to fail is logged, further failures are not.
fn note(server: &Server, host: &str, answer: Result<Vec<SocketAddr>, String>) {
    let id = server.id();
    match answer {
        Ok(mut addresses) => {
            if server.note_resolving(None) {
                log::info!("{host} of server {id} resolves again");
            }
            addresses.truncate(MOST_ADDRESSES);
            server.resolved(addresses);
        }
        Err(reason) => {
            if server.note_resolving(Some(reason.clone())) {
                log::warn!(
                    "{host} of server {id} does not resolve: {reason}; the last addresses stay in use"
                );
            }
        }
    }
}
