//! A budget bounds what retries add to the load of a cluster in trouble.

use std::time::Duration;

use crate::objects::one_cluster;
use crate::support::{Backend, Gateway, Load, Plan, Reply};

/// Sends for two seconds to three servers that all fail; how many requests were sent, how many arrived, and for how many seconds.
async fn storm(retry: &str) -> (u64, u64, f64) {
    let mut backends = Vec::new();
    for _ in 0..3 {
        backends.push(Backend::start(|_| Reply::new(503, "busy")).await);
    }
    let addresses: Vec<_> = backends.iter().map(Backend::address).collect();
    let gateway = Gateway::start(&one_cluster(&addresses, retry, "")).await;
    let plan = Plan::get(gateway.address(), "/").rate(300).connections(8);
    let report = Load::run_for(plan, Duration::from_secs(2)).await;
    report.assert_all(503);
    let arrived = backends.iter().map(Backend::count).sum();
    (report.sent, arrived, report.elapsed.as_secs_f64())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_add_no_more_than_their_share_of_the_traffic() {
    let (sent, arrived, seconds) = storm("retry: { attempts: 3, budget_percent: 20 }").await;
    let bound = sent as f64 * 1.2 + 3.0 * (seconds + 1.0);
    assert!(arrived as f64 <= bound, "{arrived} of {sent} in {seconds} s");
    assert!(
        arrived as f64 >= sent as f64 * 1.15,
        "{arrived} of {sent}: the budget is there to be used"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_of_nothing_leaves_three_retries_a_second() {
    let (sent, arrived, seconds) = storm("retry: { attempts: 3, budget_percent: 0 }").await;
    let retries = arrived - sent;
    assert!(
        (4.0..=3.0 * (seconds + 1.0)).contains(&(retries as f64)),
        "{retries} in {seconds} s"
    );
}
