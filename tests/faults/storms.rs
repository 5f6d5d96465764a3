//! Many routes: one change, and a thousand writes a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::lab::Lab;
use crate::measure::measure;
use crate::scale;
use crate::support::{Etcd, Keys};

const WRITES_PER_SECOND: u32 = 1000;
/// Writes that are under way at most.
const WRITERS: u32 = 32;

fn route(number: usize, marker: u64) -> String {
    format!(
        r#"{{"id": "route-{number}", "match": {{"path": "/service-{number}/{{id}}", "methods": ["GET"]}},
            "to": [{{"cluster": "b"}}], "rewrite": "/{marker}/{{param.id}}"}}"#
    )
}

async fn write_routes(keys: &Keys) {
    let mut writers = JoinSet::new();
    let next = Arc::<AtomicU64>::default();
    for _ in 0..WRITERS {
        let (keys, next) = (keys.clone(), Arc::clone(&next));
        writers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed) as usize;
                if number >= scale::routes() {
                    return;
                }
                keys.put(&format!("routes/route-{number}"), route(number, 0))
                    .await;
            }
        });
    }
    writers.join_all().await;
}

/// Writes routes at random for so long, at an even pace whatever etcd takes for each. Gives how many.
async fn storm(keys: &Keys, duration: Duration) -> u64 {
    let written = Arc::<AtomicU64>::default();
    let mut writers = JoinSet::new();
    let end = Instant::now() + duration;
    let between = Duration::from_secs(1) / WRITES_PER_SECOND;
    for index in 0..WRITERS {
        let (keys, written) = (keys.clone(), Arc::clone(&written));
        writers.spawn(async move {
            let first = tokio::time::Instant::now() + between * index;
            let mut ticks = tokio::time::interval_at(first, between * WRITERS);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            while ticks.tick().await.into_std() < end {
                let number = fastrand::usize(..scale::routes());
                let marker = written.fetch_add(1, Ordering::Relaxed);
                keys.put(&format!("routes/route-{number}"), route(number, marker))
                    .await;
            }
        });
    }
    writers.join_all().await;
    written.load(Ordering::Relaxed)
}

/// The larger of the two proxies, in KiB.
fn resident_kib(lab: &Lab) -> u64 {
    lab.proxies
        .iter()
        .map(|proxy| proxy.resident_kib())
        .max()
        .unwrap_or_default()
}

/// The same writes beside the prefix take as much of the machine, but concern no proxy: what differs is the proxies' doing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_writes_fails_no_request_and_its_last_state_is_served_at_once() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    write_routes(&keys).await;
    let lab = Lab::start(&keys, &[etcd.endpoint()]).await;
    let duration = scale::lasting(30);
    let mut resident = vec![resident_kib(&lab)];
    for _ in 0..scale::pairs() {
        let (quiet, ()) = measure(&lab, tokio::time::sleep(duration)).await;
        let (beside, _) = measure(&lab, storm(&keys.elsewhere(), duration)).await;
        let (under, writes) = measure(&lab, storm(&keys, duration)).await;
        let last = lab.edit(&keys).await;
        resident.push(resident_kib(&lab));
        println!(
            "{} routes, {:.0} writes/s; quiet: {quiet}; writes beside the prefix: {beside}; writes under it: {under}; last state \
             served in {last:.0?}; resident {resident:?} KiB",
            scale::routes(),
            writes as f64 / duration.as_secs_f64(),
        );
        assert!(
            last < scale::bar_ms(100),
            "the last state is served after {last:?}"
        );
    }
    assert_flat(&resident);
    lab.finish("a storm of writes", &keys).await;
}

/// What the first storm needed is enough for the others.
fn assert_flat(resident: &[u64]) {
    if let [_, first, .., last] = resident {
        assert!(
            *last < first + first / 10 + 8 * 1024,
            "memory grows: {resident:?} KiB"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_change_among_many_routes_is_served_at_once() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    write_routes(&keys).await;
    let lab = Lab::start(&keys, &[etcd.endpoint()]).await;
    let mut took = Vec::new();
    for _ in 0..scale::samples() {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(60..150))).await;
        took.push(lab.edit(&keys).await);
    }
    took.sort_unstable();
    let median = took[took.len() / 2];
    println!(
        "{} routes, one change: written to served by both, median {median:.1?}, longest {:.1?}",
        scale::routes(),
        took[took.len() - 1]
    );
    assert!(median < scale::bar_ms(50), "median {median:?}");
    lab.finish("single changes", &keys).await;
}
