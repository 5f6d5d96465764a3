//! Many proxies on one etcd: a change reaches all, and what they cost etcd.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::lab::{store, write_objects};
use crate::scale;
use crate::support::{Backend, Etcd, Gateway, Reply, get, sum_of_samples};
use crate::traffic::{FIRST_STATE, Traffic, watched_route};

const PATIENCE: Duration = Duration::from_secs(30);

/// What etcd uses of one processor while this lasts, in percent, and how long that is.
async fn load_on(etcd: &Etcd, during: impl Future<Output = ()>) -> (f64, Duration) {
    let (start, before) = (Instant::now(), etcd.processor_time());
    during.await;
    let (used, elapsed) = (etcd.processor_time() - before, start.elapsed());
    (used.as_secs_f64() / elapsed.as_secs_f64() * 100.0, elapsed)
}

async fn watchers(etcd: &Etcd) -> f64 {
    let metrics = get(etcd.address(), "/metrics").await.text();
    sum_of_samples(&metrics, "etcd_debugging_mvcc_watcher_total", &[])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_reaches_every_proxy_of_many_at_once() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    let backend = Backend::start(|request| Reply::new(200, request.target.clone())).await;
    write_objects(&keys, &backend).await;
    let startup = format!("{}threads: 1\n", store(&[etcd.endpoint()]));
    let mut proxies = Vec::new();
    for _ in 0..scale::proxies() {
        proxies.push(Gateway::start_with(&startup, "").await);
    }
    let (idle, _) = load_on(&etcd, tokio::time::sleep(scale::lasting(10))).await;
    let watchers = watchers(&etcd).await;

    let written = Arc::new(AtomicU64::new(FIRST_STATE));
    let traffic: Vec<Traffic> = proxies
        .iter()
        .map(|proxy| Traffic::start(proxy.address(), 50, Arc::clone(&written)))
        .collect();
    let mut took = Vec::new();
    let edits = async {
        for _ in 0..scale::samples() {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(60..150))).await;
            let start = Instant::now();
            let state = written.fetch_add(1, Ordering::SeqCst) + 1;
            keys.put("routes/watched", watched_route(state)).await;
            let mut last = start;
            for traffic in &traffic {
                last = last.max(traffic.until_served(state, PATIENCE).await);
            }
            took.push(last - start);
        }
    };
    let (busy, elapsed) = load_on(&etcd, edits).await;
    took.sort_unstable();
    let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
    println!(
        "{} proxies: {watchers} watchers; etcd uses {idle:.1} % of a processor when nothing changes, {busy:.1} % with {:.0} changes/s; \
         a change is served by all after {median:.0?} (median), {longest:.0?} at most",
        proxies.len(),
        took.len() as f64 / elapsed.as_secs_f64(),
    );
    assert!(longest < scale::bar_ms(200), "served by all after {longest:?}");
    for traffic in traffic {
        traffic.stop().await;
    }
}
