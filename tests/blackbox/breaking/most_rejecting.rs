//! `max_rejecting_percent`: when all servers of a cluster fail, most of them go on getting traffic.

use std::time::{Duration, Instant};

use super::{PATIENCE, failing, guarding};
use crate::support::{Gateway, Load, Plan, eventually};

/// How many of the cluster's servers do not pass, by two ways of telling.
async fn tripped(gateway: &Gateway) -> u64 {
    let status = gateway.status().await;
    status["clusters"][0]["tripped"].as_u64().unwrap()
}

/// Of four servers that all fail at least and at most so many have no pause at any time.
async fn at_most(percent: &str, most: u64) {
    let backends = [failing().await, failing().await, failing().await, failing().await];
    let breaker = format!("consecutive_failures: 2, rejecting_for: 200ms, max_rejecting_for: 200ms{percent}");
    let gateway = guarding(&backends.each_ref(), &breaker, "").await;
    let load = Load::start(Plan::get(gateway.address(), "/").rate(800).connections(16));
    eventually("so many are tripped", PATIENCE, || async {
        tripped(&gateway).await == most
    })
    .await;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        let found = tripped(&gateway).await;
        assert!(found <= most, "{found} instead of {most} at most");
    }
    let report = load.stop().await;
    assert!(report.errors.is_empty(), "{report:?}");
    // The others go on taking requests, so nobody is refused.
    assert_eq!(report.statuses.contains_key(&503), most == 4, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_four_servers_that_all_fail_never_more_than_two_do_not_pass() {
    at_most("", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_five_percent_of_four_servers_are_one() {
    at_most(", max_rejecting_percent: 25", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_may_always_reject_however_small_its_share() {
    at_most(", max_rejecting_percent: 1", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_percent_of_four_servers_are_all() {
    at_most(", max_rejecting_percent: 100", 4).await;
}
