//! What the tests of this module stand on: checks and names under their control, and configurations in a line.

#![allow(clippy::unwrap_used)]

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use meta::{id::Id, model};
use serde_json::{Value, json};
use tokio::{runtime::Handle, time::Instant};

use crate::clock::Moment;

use super::{Cluster, NoServer, Picked, Prober, Registry, Resolve, Server, Target, Tried, lock};

/// What an address does when it is checked.
#[derive(Clone, Debug)]
pub(super) enum Backend {
    Well,
    Failing,
    Hanging,
}

/// Checks without a network: addresses are well unless told otherwise, and it is noted when they were asked.
#[derive(Default)]
pub(super) struct FakeProber {
    backends: Mutex<HashMap<SocketAddr, Backend>>,
    asked: Mutex<Vec<(SocketAddr, Instant)>>,
}

#[async_trait]
impl Prober for FakeProber {
    async fn probe(&self, target: &Target) -> Result<(), String> {
        lock(&self.asked).push((target.address, Instant::now()));
        let backend = lock(&self.backends).get(&target.address).cloned();
        match backend.unwrap_or(Backend::Well) {
            Backend::Well => Ok(()),
            Backend::Failing => Err("it is told to fail".into()),
            Backend::Hanging => std::future::pending().await,
        }
    }
}

impl FakeProber {
    pub(super) fn set(&self, address: SocketAddr, backend: Backend) {
        lock(&self.backends).insert(address, backend);
    }

    /// When `address` was asked.
    pub(super) fn asked(&self, address: SocketAddr) -> Vec<Instant> {
        let asked = lock(&self.asked);
        let its_own = asked.iter().filter(|(of, _)| *of == address);
        its_own.map(|(_, at)| *at).collect()
    }
}

/// Names without DNS.
#[derive(Default)]
pub(super) struct FakeResolver {
    names: Mutex<HashMap<String, Vec<SocketAddr>>>,
    asked: Mutex<Vec<Instant>>,
}

#[async_trait]
impl Resolve for FakeResolver {
    async fn resolve(&self, host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        lock(&self.asked).push(Instant::now());
        let known = lock(&self.names).get(host).cloned();
        known.ok_or_else(|| io::Error::other("it is told not to resolve"))
    }
}

impl FakeResolver {
    pub(super) fn set(&self, host: &str, addresses: &[SocketAddr]) {
        lock(&self.names).insert(host.into(), addresses.to_vec());
    }

    pub(super) fn forget(&self, host: &str) {
        lock(&self.names).remove(host);
    }

    pub(super) fn asked(&self) -> Vec<Instant> {
        lock(&self.asked).clone()
    }
}

/// A registry with its surroundings and a configuration.
pub(super) struct World {
    pub(super) registry: Registry,
    pub(super) prober: Arc<FakeProber>,
    pub(super) resolver: Arc<FakeResolver>,
    clusters: HashMap<Id, Arc<Cluster>>,
}

impl World {
    pub(super) fn new() -> Self {
        fastrand::seed(7);
        let (prober, resolver) = (Arc::<FakeProber>::default(), Arc::<FakeResolver>::default());
        let (as_prober, as_resolver) = (Arc::clone(&prober), Arc::clone(&resolver));
        let registry = Registry::with(Handle::current(), as_prober, as_resolver);
        Self {
            registry,
            prober,
            resolver,
            clusters: HashMap::new(),
        }
    }

    /// A world with these servers and one cluster `c` of all of them, which is `cluster` in all else.
    pub(super) fn of(servers: &[Value], cluster: Value) -> Self {
        let mut world = Self::new();
        world.apply_one(servers, cluster);
        world
    }

    pub(super) fn apply(&mut self, servers: &[Value], clusters: &[Value]) {
        let servers: Vec<_> = servers
            .iter()
            .map(|value| Arc::new(model::<model::Server>(value)))
            .collect();
        let clusters: Vec<_> = clusters
            .iter()
            .map(|value| Arc::new(model::<model::Cluster>(value)))
            .collect();
        self.clusters = self.registry.apply(&servers, &clusters);
    }

    pub(super) fn apply_one(&mut self, servers: &[Value], cluster: Value) {
        let ids: Vec<_> = servers.iter().map(|server| server["id"].clone()).collect();
        self.apply(servers, &[with(json!({"id": "c", "servers": ids}), cluster)]);
    }

    pub(super) fn cluster(&self, id: &str) -> Arc<Cluster> {
        Arc::clone(&self.clusters[id])
    }

    pub(super) fn server(&self, id: &str) -> Arc<Server> {
        self.registry.server(id).unwrap()
    }

    /// Picks from cluster `c` for a request that was not tried anywhere.
    pub(super) fn pick(&self) -> Result<Picked, NoServer> {
        self.pick_for(0)
    }

    pub(super) fn pick_for(&self, hash: u64) -> Result<Picked, NoServer> {
        self.clusters["c"].pick(Moment::now(), || hash, &mut Tried::new())
    }

    /// The ids of as many servers picked one after the other.
    pub(super) fn picks(&self, count: usize) -> Vec<String> {
        let id = |_| self.pick().ok().unwrap().server().id().to_string();
        (0..count).map(id).collect()
    }

    /// How often each server comes up in as many picks.
    pub(super) fn shares(&self, count: usize) -> HashMap<String, usize> {
        let mut shares = HashMap::new();
        self.picks(count)
            .into_iter()
            .for_each(|id| *shares.entry(id).or_default() += 1);
        shares
    }
}

fn model<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// Server `id` at 10.0.0.`host`.
pub(super) fn server(id: &str, host: u8) -> Value {
    json!({"id": id, "address": address(host).to_string()})
}

/// The servers `a`, `b`, … with these weights, at 10.0.0.1, 10.0.0.2, …
pub(super) fn servers(weights: &[u32]) -> Vec<Value> {
    let one = |(i, weight): (u8, &u32)| {
        let id = char::from(b'a' + i).to_string();
        with(server(&id, i + 1), json!({"weight": weight}))
    };
    (0..).zip(weights).map(one).collect()
}

pub(super) fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 80))
}

/// `base` with the members of `more` in their places.
pub(super) fn with(mut base: Value, more: Value) -> Value {
    let members = more.as_object().cloned().unwrap_or_default();
    base.as_object_mut().unwrap().extend(members);
    base
}

/// Lets `span` pass. The clock is paused, so this takes no time.
pub(super) async fn pass(span: Duration) {
    tokio::time::sleep(span).await;
}

/// Lets everything happen that is due.
pub(super) async fn settle() {
    pass(Duration::from_millis(20)).await;
}
