//! What a breaker keeps over changes of the configuration, and what it does not.

use super::{PATIENCE, assert_rejects, breaker, failing, until};
use crate::objects::counted;
use crate::support::{Backend, Gateway, edit_and_wait, eventually, request};

const RULES: &str = "consecutive_failures: 5, rejecting_for: 1m";

/// Revision `n` of objects with the server `s0` and this breaker: servers, clusters and routes around it come, go and change.
fn objects(backend: &Backend, breaker: &str, weight: u32, n: usize) -> String {
    let address = backend.address();
    let more: String = (0..n % 4)
        .map(|i| format!("- {{ id: more{i}, address: \"127.0.0.1:1\" }}\n"))
        .collect();
    format!(
        "servers:\n- {{ id: s0, address: \"{address}\", weight: {weight} }}\n- {{ id: x, address: \"127.0.0.1:1\" }}\n{more}\
         clusters:\n- {{ id: c, servers: [{{ id: s0, weight: {} }}], {breaker} timeout: {{ total: {}s }} }}\n\
         - {{ id: d{}, servers: [x] }}\n\
         routes:\n- {{ id: r, priority: {n}, match: {{ path: /* }}, to: [{{ cluster: c }}] }}\n\
         - {{ id: q, match: {{ path: /q{n} }}, to: [{{ cluster: d{} }}] }}\n",
        n % 7 + 1,
        n + 1,
        n % 3,
        n % 3
    )
}

async fn fail(gateway: &Gateway, count: u64) {
    let before = counted(gateway, "s0").await.failures;
    for _ in 0..count {
        assert_eq!(gateway.get("/").await.status, 500);
    }
    eventually("all are counted", PATIENCE, || async {
        counted(gateway, "s0").await.failures == before + count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_and_all_counters_outlive_a_hundred_edits_around_the_server_and_one_of_its_weight() {
    let backend = failing().await;
    let rules = format!("breaker: {{ {RULES} }},");
    let gateway = Gateway::start(&objects(&backend, &rules, 1, 0)).await;
    fail(&gateway, 5).await;
    until(&gateway, "s0", "rejecting").await;
    assert_rejects(&gateway).await;
    let (before, counters) = (breaker(&gateway, "s0").await, counted(&gateway, "s0").await);
    for n in 1..=100 {
        edit_and_wait(&gateway, &objects(&backend, &rules, 1, n)).await;
    }
    edit_and_wait(&gateway, &objects(&backend, &rules, 50, 101)).await;
    let after = breaker(&gateway, "s0").await;
    for key in ["state", "trips_in_a_row", "refused", "transitions"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    // Both moments are told by a clock that starts with the process, so they may differ by the rounding.
    let since = |told: &serde_json::Value| told["since_unix_ms"].as_u64().unwrap();
    assert!(since(&after).abs_diff(since(&before)) <= 2, "{before} {after}");
    assert!(after["rejecting_for_ms"].as_u64() < before["rejecting_for_ms"].as_u64());
    assert_eq!(counted(&gateway, "s0").await, counters);
    assert_rejects(&gateway).await;
    assert_eq!(backend.count(), 5);
}

#[tokio::test]
async fn failures_before_an_edit_count_together_with_those_after_it() {
    let backend = failing().await;
    let rules = format!("breaker: {{ {RULES} }},");
    let gateway = Gateway::start(&objects(&backend, &rules, 1, 0)).await;
    for n in 1..=4 {
        fail(&gateway, 1).await;
        edit_and_wait(&gateway, &objects(&backend, &rules, n, n as usize)).await;
        assert_eq!(breaker(&gateway, "s0").await["state"], "passing");
    }
    fail(&gateway, 1).await;
    until(&gateway, "s0", "rejecting").await;
}

#[tokio::test]
async fn a_force_outlives_an_edit() {
    let backend = failing().await;
    let gateway = Gateway::start(&objects(&backend, "", 1, 0)).await;
    let json = [("Content-Type", "application/json")];
    let order = b"{\"state\": \"rejecting\"}";
    let told = request(gateway.manage(), "POST", "/servers/s0/breaker", &json, order).await;
    assert_eq!(told.status, 200);
    for n in 1..=3 {
        let rules = if n == 2 { "breaker: {}," } else { "" };
        edit_and_wait(&gateway, &objects(&backend, rules, n, n as usize)).await;
        assert_rejects(&gateway).await;
    }
    assert_eq!(backend.count(), 0);
}

#[tokio::test]
async fn removing_the_breaker_ends_its_pause() {
    let backend = failing().await;
    let rules = format!("breaker: {{ {RULES} }},");
    let gateway = Gateway::start(&objects(&backend, &rules, 1, 0)).await;
    fail(&gateway, 5).await;
    until(&gateway, "s0", "rejecting").await;
    edit_and_wait(&gateway, &objects(&backend, "", 1, 0)).await;
    fail(&gateway, 10).await;
    assert_eq!(breaker(&gateway, "s0").await["state"], "passing");
    // Added again it begins anew.
    edit_and_wait(&gateway, &objects(&backend, &rules, 1, 0)).await;
    fail(&gateway, 5).await;
    until(&gateway, "s0", "rejecting").await;
}

#[tokio::test]
async fn a_changed_rule_counts_from_the_next_request_on() {
    let backend = failing().await;
    let rules = |most: u32| format!("breaker: {{ consecutive_failures: {most}, rejecting_for: 1m }},");
    let gateway = Gateway::start(&objects(&backend, &rules(1000), 1, 0)).await;
    fail(&gateway, 9).await;
    assert_eq!(breaker(&gateway, "s0").await["state"], "passing");
    edit_and_wait(&gateway, &objects(&backend, &rules(10), 1, 0)).await;
    fail(&gateway, 1).await;
    until(&gateway, "s0", "rejecting").await;
}
