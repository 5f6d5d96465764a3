//! What picking a server costs, for each algorithm and number of servers: `cargo bench -p gateway --bench balance`.
//!
//! `pick` is a pick and the return of its permit. `hobbled` is the same with every second server unhealthy,
//! `apply` a change of one weight among as many servers, off the request path.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::{
    collections::HashMap,
    hint::black_box,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gateway::clock::Moment;
use gateway::cluster::{Cluster, Outcome, Prober, Registry, Resolve, Target, Tried, hash_of};
use meta::{id::Id, model};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const ALGORITHMS: [&str; 4] = ["round_robin", "random", "least_request", "ip_hash"];
const SIZES: [usize; 3] = [3, 100, 1000];

/// Finds every server at an odd port well.
struct Odd;

#[async_trait]
impl Prober for Odd {
    async fn probe(&self, target: &Target) -> Result<(), String> {
        if target.address.port() % 2 == 1 {
            Ok(())
        } else {
            Err("even".into())
        }
    }
}

#[async_trait]
impl Resolve for Odd {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(Vec::new())
    }
}

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> Arc<T> {
    Arc::new(serde_json::from_value(value).expect("the bench writes good objects"))
}

fn servers(count: usize) -> Vec<Arc<model::Server>> {
    let address = |i: usize| format!("10.0.0.1:{}", 1000 + i);
    (0..count)
        .map(|i| parse(json!({"id": format!("s{i}"), "address": address(i), "weight": 1 + i % 5})))
        .collect()
}

fn cluster(count: usize, algorithm: &str, checked: bool) -> Arc<model::Cluster> {
    let ids: Vec<_> = (0..count).map(|i| format!("s{i}")).collect();
    let mut value = json!({"id": "c", "servers": ids, "load_balance": algorithm});
    if checked {
        value["health_check"] = json!({"interval": "1h"});
    }
    parse(value)
}

fn only(clusters: HashMap<Id, Arc<Cluster>>) -> Arc<Cluster> {
    clusters.into_values().next().expect("there is one")
}

fn pick(cluster: &Cluster, key: u64) {
    let mut tried = Tried::new();
    let picked = cluster.pick(Moment::now(), || hash_of(&key.to_le_bytes()), &mut tried);
    let latency = Duration::from_millis(1);
    if let Ok(picked) = black_box(picked) {
        picked.permit.finish(Outcome::Success { latency }, Moment::now());
    }
}

fn picks(bench: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    for (name, checked) in [("pick", false), ("hobbled", true)] {
        let mut group = bench.benchmark_group(name);
        for (algorithm, size) in ALGORITHMS
            .iter()
            .flat_map(|algorithm| SIZES.map(|size| (algorithm, size)))
        {
            let registry = Registry::with(runtime.handle().clone(), Arc::new(Odd), Arc::new(Odd));
            let cluster = only(registry.apply(&servers(size), &[cluster(size, algorithm, checked)]));
            let usable = if checked { size / 2 } else { size };
            let deadline = Instant::now() + Duration::from_secs(10);
            while cluster.usable() != usable && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(cluster.usable(), usable);
            let mut key = 0;
            group.bench_function(BenchmarkId::new(*algorithm, size), |bench| {
                bench.iter(|| {
                    key += 1;
                    pick(&cluster, key);
                });
            });
        }
    }
}

fn applies(bench: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let mut group = bench.benchmark_group("apply");
    for (algorithm, size) in ALGORITHMS
        .iter()
        .flat_map(|algorithm| SIZES.map(|size| (algorithm, size)))
    {
        let registry = Registry::with(runtime.handle().clone(), Arc::new(Odd), Arc::new(Odd));
        let (mut servers, clusters) = (servers(size), [cluster(size, algorithm, false)]);
        let mut weight = 0;
        group.bench_function(BenchmarkId::new(*algorithm, size), |bench| {
            bench.iter(|| {
                weight = weight % 1000 + 1;
                servers[0] = parse(json!({"id": "s0", "address": "10.0.0.1:1000", "weight": weight}));
                registry.apply(&servers, &clusters)
            });
        });
    }
}

criterion_group!(benches, picks, applies);
criterion_main!(benches);
