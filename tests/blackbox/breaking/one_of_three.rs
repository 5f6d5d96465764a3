//! One server of three fails: what clients notice of that, and when it gets its share again.

use std::time::{Duration, Instant};

use super::{PATIENCE, breaker, failing, guarding, revive, times};
use crate::support::{Backend, Gateway, Load, Plan, eventually};

const BREAKER: &str = "consecutive_failures: 5, rejecting_for: 200ms, max_rejecting_for: 300ms";

/// The first one fails.
async fn three(more: &str, cluster: &str) -> ([Backend; 3], Gateway) {
    let backends = [
        failing().await,
        Backend::text("b").await,
        Backend::text("c").await,
    ];
    let gateway = guarding(&backends.each_ref(), &format!("{BREAKER}{more}"), cluster).await;
    (backends, gateway)
}

async fn until_tripped(gateway: &Gateway, often: u64) {
    eventually(&format!("{often} trips"), PATIENCE, || async {
        times(gateway, "s0", "rejecting").await >= often
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_failures_reach_clients_and_none_in_the_pauses_and_trials_that_follow() {
    let (backends, gateway) = three("", "").await;
    let load = Load::start(Plan::get(gateway.address(), "/").rate(300).connections(1));
    until_tripped(&gateway, 5).await;
    let report = load.stop().await;
    assert_eq!(report.statuses[&500], 5, "{report:?}");
    assert!(
        report.errors.is_empty() && report.statuses.len() == 2,
        "{report:?}"
    );
    assert!(backends[0].count() >= 9, "each trial was a request to it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_failed_probe_of_many_clients_at_once_reaches_one_of_them() {
    let (_backends, gateway) = three(", probe_percent: 100", "").await;
    let load = Load::start(Plan::get(gateway.address(), "/").rate(600).connections(32));
    // Who was with the server when it tripped first has heard of it by its second time.
    until_tripped(&gateway, 2).await;
    let before = load.report().statuses[&500];
    until_tripped(&gateway, 6).await;
    let report = load.stop().await;
    assert_eq!(report.statuses[&500], before, "{report:?}");
    assert!(
        report.errors.is_empty() && report.statuses.len() == 2,
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_retry_no_failure_reaches_clients() {
    let retry = ", retry: { attempts: 2, on: [500], budget_percent: 100 }";
    let (_backends, gateway) = three("", retry).await;
    let load = Load::start(Plan::get(gateway.address(), "/").rate(300).connections(8));
    until_tripped(&gateway, 4).await;
    load.stop().await.assert_all(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revived_server_has_its_full_share_again_after_pause_and_ramp() {
    let (backends, gateway) = three(", probe_percent: 50, ramp: 300ms", "").await;
    let load = Load::start(Plan::get(gateway.address(), "/").rate(400).connections(4));
    until_tripped(&gateway, 3).await;
    revive(&backends[0], "a");
    let revived = Instant::now();
    eventually("it passes", PATIENCE, || async {
        let breaker = breaker(&gateway, "s0").await;
        breaker["state"] == "passing" && breaker["transitions"]["passing"] == 1
    })
    .await;
    // The longest pause with jitter, and a second for five probes on a busy machine.
    assert!(
        revived.elapsed() < Duration::from_millis(1330),
        "{:?}",
        revived.elapsed()
    );
    tokio::time::sleep(Duration::from_millis(301)).await;
    load.stop().await;
    let mut client = gateway.client().await;
    let mut first = 0;
    for _ in 0..90 {
        first += u32::from(client.get("/").await.text() == "a");
    }
    assert_eq!(first, 30);
}
