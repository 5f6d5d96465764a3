//! One backend server as it lives: outside of every snapshot, kept across every change around it.

use std::{
    fmt,
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

use crate::{
    breaker::Ticket,
    clock::Moment,
    exchange::{Connection, Idleness, Pool},
    limiter::Slot,
};

use super::{
    balance::Cluster,
    guard::{Guard, Refused, Terms},
    health::Health,
    lock,
    penalty::Penalty,
    refresh::Refresher,
};

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
    guard: Guard,
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
            guard: Guard::default(),
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

    /// The right to send it one request, unless its limit or its breaker refuses. Does not wait.
    pub fn admit(self: &Arc<Self>, now: Moment) -> Result<Permit, Refused> {
        #[cfg(test)]
        if self.refusing.load(Relaxed) {
            return Err(Refused::Rejecting {
                retry_after: Duration::from_secs(1),
            });
        }
        let (ticket, slot) = self.guard.admit(self, now)?;
        Ok(Permit::new(self, ticket, slot))
    }

    /// The same for whoever waits in its queue for at most `patience`, if it has one.
    pub(super) async fn admit_in_turn(
        self: &Arc<Self>,
        patience: Option<Duration>,
    ) -> Result<Permit, Refused> {
        let (ticket, slot) = self.guard.admit_in_turn(self, patience).await?;
        Ok(Permit::new(self, ticket, slot))
    }

    /// What an answer's head says of the server: `status` and how long it took.
    pub(crate) fn judge(&self, status: u16, latency: Duration) -> Outcome {
        if self.guard.is_failure(status) {
            Outcome::Failure { latency }
        } else {
            Outcome::Success { latency }
        }
    }

    /// Its limit, its breaker and what both did.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    pub(super) fn set_terms(&self, terms: Terms) {
        self.guard.set_terms(terms);
    }

    /// The clusters it is in; those of a revision before only as long as requests hold them.
    pub(super) fn clusters(&self) -> Vec<Arc<Cluster>> {
        lock(&self.clusters).iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn refresher(&self) -> &Arc<Refresher> {
        &self.refresher
    }

    /// How many requests it has right now.
    pub fn in_flight(&self) -> u64 {
        self.guard.in_flight()
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
        for cluster in self.clusters() {
            self.refresher.mark(&cluster);
        }
    }

    /// Notes what came of a request.
    fn settle(self: &Arc<Self>, outcome: Outcome, ticket: Ticket, now: Moment) {
        let latency = outcome.latency();
        let tripped = self.guard.settle(self, outcome, ticket, now);
        self.add_latency(latency);
        match outcome {
            Outcome::Success { .. } => {
                self.successes.fetch_add(1, Relaxed);
                if !self.penalty.is_none() {
                    self.penalty.succeed(self.born.elapsed());
                }
            }
            Outcome::Failure { .. } => {
                self.failures.fetch_add(1, Relaxed);
                self.penalty.fail(self.born.elapsed());
            }
        }
        if tripped {
            // From here on the breaker keeps traffic off. A penalty beside it would keep the probes off too.
            self.penalty.forget();
        }
    }

    /// Notes that a request was given up.
    fn cancel(&self, ticket: Ticket) {
        self.guard.cancel(ticket, Moment::now());
        self.cancelled.fetch_add(1, Relaxed);
    }

    /// Another server answered while this one was still waited for: like a failure it counts against it in `least_request`, and nowhere
    /// else.
    pub(crate) fn note_overtaken(&self) {
        self.penalty.fail(self.born.elapsed());
    }

    fn add_latency(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency_us.fetch_add(micros, Relaxed);
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server {}", self.id)
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
/// Dropped without an outcome it counts as cancelled: neither success nor failure. A configuration change, a client that goes away
/// and a panic all end in a drop, so nothing it holds is lost.
#[must_use = "a permit that is dropped counts as a cancelled request"]
pub struct Permit {
    server: Arc<Server>,
    /// Gone once the outcome is settled.
    ticket: Option<Ticket>,
    /// Its place among the requests in flight.
    _slot: Slot,
}

impl Permit {
    fn new(server: &Arc<Server>, ticket: Ticket, slot: Slot) -> Self {
        Self {
            server: Arc::clone(server),
            ticket: Some(ticket),
            _slot: slot,
        }
    }

    /// The server it is for.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Whether the request tries out a server whose breaker had rejected.
    pub fn is_probe(&self) -> bool {
        self.ticket.is_some_and(|ticket| ticket.is_probe())
    }

    /// Says what came of the request before it has come to its end; what comes after that changes nothing.
    pub fn settle(&mut self, outcome: Outcome, now: Moment) {
        if let Some(ticket) = self.ticket.take() {
            self.server.settle(outcome, ticket, now);
        }
    }

    /// Gives it back with what came of the request.
    pub fn finish(mut self, outcome: Outcome, now: Moment) {
        self.settle(outcome, now);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.server.cancel(ticket);
        }
    }
}

/// What came of a request that was not cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server did its part.
    Success {
        /// From sending to the head of the answer.
        latency: Duration,
    },
    /// It could not be reached, was too slow, broke the protocol or answered with a status that counts as failure.
    Failure {
        /// From sending to the failure.
        latency: Duration,
    },
}

impl Outcome {
    /// The same time with a bad end.
    #[must_use]
    pub const fn failed(self) -> Self {
        Self::Failure {
            latency: self.latency(),
        }
    }

    /// How long it took.
    pub const fn latency(self) -> Duration {
        match self {
            Self::Success { latency } | Self::Failure { latency } => latency,
        }
    }
}
