//! One backend server as it lives: outside of every snapshot, kept across every change around it.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread::available_parallelism,
    time::Duration,
};

use arc_swap::ArcSwap;
use meta::{address::Address, id::Id};
use tokio::{net::TcpStream, time::Instant};

use crate::exchange::{Connection, Idleness, Pool};

use super::{balance::Cluster, health::Health, lock, penalty::Penalty, refresh::Refresher};

/// One address of a server, and what belongs to that address alone: kept as long as the server resolves to it.
#[derive(Debug)]
pub struct Endpoint {
    /// Where to connect.
    pub address: SocketAddr,
    connections: Pool<TcpStream>,
}

impl Endpoint {
    fn new(address: SocketAddr) -> Arc<Self> {
        let workers = available_parallelism().map_or(1, NonZeroUsize::get);
        Arc::new(Self {
            address,
            connections: Pool::new(workers, Idleness::default()),
        })
    }

    /// A kept connection that was alive a moment ago, if there is one.
    pub(crate) fn kept(&self, now: Instant) -> Option<Box<Connection<TcpStream>>> {
        self.connections.take(now)
    }

    /// The same for a request that must not be sent twice; more seldom.
    pub(crate) fn kept_surely(&self, now: Instant) -> Option<Box<Connection<TcpStream>>> {
        self.connections.take_sure(now)
    }

    /// Notes that the server closed a kept connection just as a request was sent.
    pub(crate) fn note_hasty(&self, now: Instant) {
        self.connections.note_hasty(now);
    }

    /// Keeps a connection for the next request, if it may be used again.
    pub(crate) fn keep(&self, connection: Box<Connection<TcpStream>>, now: Instant) {
        self.connections.put(connection, now);
    }

    /// Drops the kept connections that have grown old or that the server has closed.
    pub(super) fn sweep(&self) {
        self.connections.sweep(Instant::now());
    }
}

pub(super) type Endpoints = Vec<Arc<Endpoint>>;

/// The state of one backend server. One for each pair of id and address: a server whose address changed is another.
pub struct Server {
    id: Id,
    address: Address,
    born: Instant,
    endpoints: ArcSwap<Endpoints>,
    turn: AtomicUsize,
    leaving: AtomicBool,
    in_flight: AtomicU64,
    successes: AtomicU64,
    failures: AtomicU64,
    cancelled: AtomicU64,
    latency_us: AtomicU64,
    penalty: Penalty,
    resolving: Mutex<Option<String>>,
    clusters: Mutex<Vec<Weak<Cluster>>>,
    checks: Mutex<Vec<Weak<Health>>>,
    refresher: Arc<Refresher>,
    /// Stands in for whatever may refuse.
    #[cfg(test)]
    pub(super) refusing: AtomicBool,
}

impl Server {
    pub(super) fn new(id: Id, address: Address, refresher: Arc<Refresher>) -> Arc<Self> {
        let known = match address {
            Address::Ip(address) => vec![Endpoint::new(address)],
            Address::Name(..) => Vec::new(),
        };
        Arc::new(Self {
            id,
            address,
            born: Instant::now(),
            endpoints: ArcSwap::from_pointee(known),
            turn: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
            in_flight: AtomicU64::new(0),
            successes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            latency_us: AtomicU64::new(0),
            penalty: Penalty::default(),
            resolving: Mutex::new(None),
            clusters: Mutex::default(),
            checks: Mutex::default(),
            refresher,
            #[cfg(test)]
            refusing: AtomicBool::new(false),
        })
    }

    /// The name of the server.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Its address as configured.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The right to send it one request, unless it refuses.
    pub fn admit(self: &Arc<Self>) -> Option<Permit> {
        #[cfg(test)]
        if self.refusing.load(Relaxed) {
            return None;
        }
        self.in_flight.fetch_add(1, Relaxed);
        Some(Permit {
            server: Arc::clone(self),
            outcome: None,
        })
    }

    /// How many requests it has right now.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    /// How many requests ended well.
    pub fn successes(&self) -> u64 {
        self.successes.load(Relaxed)
    }

    /// How many requests it failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// How many requests were given up before it could succeed or fail.
    pub fn cancelled(&self) -> u64 {
        self.cancelled.load(Relaxed)
    }

    /// The time all requests took together that succeeded or failed.
    pub fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_us.load(Relaxed))
    }

    /// Requests in flight, and what its failures add to them.
    pub(super) fn load(&self) -> f32 {
        let in_flight = self.in_flight() as f32;
        if self.penalty.is_none() {
            in_flight
        } else {
            in_flight + self.penalty.at(self.born.elapsed())
        }
    }

    /// All addresses it has at the moment; none while its name does not resolve.
    pub(super) fn endpoints(&self) -> Arc<Endpoints> {
        self.endpoints.load_full()
    }

    /// A number that grows with each call: whose turn it is among several addresses.
    pub(super) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Relaxed)
    }

    /// Whether it was removed or disabled, so that only a request of an older revision can still know it.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    pub(super) fn set_leaving(&self, leaving: bool) {
        self.leaving.store(leaving, Relaxed);
    }

    /// Why its name did not resolve the last time; `None` if it did.
    pub(super) fn unresolved_because(&self) -> Option<String> {
        lock(&self.resolving).clone()
    }

    /// Notes the end of an attempt to resolve its name; returns whether that differs from the one before.
    pub(super) fn note_resolving(&self, failure: Option<String>) -> bool {
        let mut last = lock(&self.resolving);
        let turned = last.is_some() != failure.is_some();
        *last = failure;
        turned
    }

    /// Its name resolves to `addresses`. Those it already had keep their state.
    pub(super) fn resolved(&self, mut addresses: Vec<SocketAddr>) {
        addresses.sort_unstable();
        addresses.dedup();
        let old = self.endpoints();
        if old
            .iter()
            .map(|endpoint| endpoint.address)
            .eq(addresses.iter().copied())
        {
            return;
        }
        let keep = |address| {
            let known = old.iter().find(|endpoint| endpoint.address == address);
            known.map_or_else(|| Endpoint::new(address), Arc::clone)
        };
        self.endpoints
            .store(Arc::new(addresses.into_iter().map(keep).collect()));
        for health in self.checks() {
            health.follow();
        }
        self.changed();
    }

    /// Its health checks, one for each distinct check that a cluster asks for.
    pub(super) fn checks(&self) -> Vec<Arc<Health>> {
        lock(&self.checks).iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn add_check(&self, health: &Arc<Health>) {
        push_living(&mut lock(&self.checks), Arc::downgrade(health));
    }

    pub(super) fn add_cluster(&self, cluster: &Arc<Cluster>) {
        push_living(&mut lock(&self.clusters), Arc::downgrade(cluster));
    }

    /// Its addresses or their health changed: the clusters it is in have to know.
    pub(super) fn changed(&self) {
        for cluster in lock(&self.clusters).iter().filter_map(Weak::upgrade) {
            self.refresher.mark(&cluster);
        }
    }

    fn end(&self, outcome: Option<Outcome>) {
        self.in_flight.fetch_sub(1, Relaxed);
        match outcome {
            Some(Outcome::Success { latency }) => {
                self.successes.fetch_add(1, Relaxed);
                self.add_latency(latency);
                if !self.penalty.is_none() {
                    self.penalty.succeed(self.born.elapsed());
                }
            }
            Some(Outcome::Failure { latency }) => {
                self.failures.fetch_add(1, Relaxed);
                self.add_latency(latency);
                self.penalty.fail(self.born.elapsed());
            }
            None => {
                self.cancelled.fetch_add(1, Relaxed);
            }
        }
    }

    fn add_latency(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency_us.fetch_add(micros, Relaxed);
    }
}

/// Appends, and drops the dead whenever the list would have to grow, so that it stays within twice the living.
fn push_living<T>(list: &mut Vec<Weak<T>>, item: Weak<T>) {
    if list.len() == list.capacity() {
        list.retain(|weak| weak.strong_count() > 0);
    }
    list.push(item);
}

/// The right to send one request to one server; counts as in flight until it is finished or dropped.
///
/// Dropped without an outcome it counts as cancelled: neither success nor failure.
#[must_use = "a permit that is dropped counts as a cancelled request"]
pub struct Permit {
    server: Arc<Server>,
    outcome: Option<Outcome>,
}

impl Permit {
    /// The server it is for.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Gives it back with what came of the request.
    pub fn finish(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.server.end(self.outcome.take());
    }
}

/// What came of a request that was not cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server did its part.
    Success {
        /// From sending to the end of the answer.
        latency: Duration,
    },
    /// It could not be reached, was too slow, broke the protocol or answered with a status that counts as failure.
    Failure {
        /// From sending to the failure.
        latency: Duration,
    },
}
