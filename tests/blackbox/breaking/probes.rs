//! Probes as the server sees them: how many, what share, and whose outcome counts.

use std::time::Duration;

use super::{PATIENCE, breaker, failing, guarding, revive, times, trip, until};
use crate::objects::assert_refused;
use crate::support::{Backend, Reply, eventually};

const ONCE: &str = "consecutive_failures: 1, rejecting_for: 200ms, max_rejecting_for: 200ms";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_max_probes_are_at_the_server_at_once() {
    let backend = failing().await;
    let gateway = guarding(
        &[&backend],
        &format!("{ONCE}, probe_percent: 100, max_probes: 3"),
        "",
    )
    .await;
    trip(&gateway, "s0").await;
    backend.script(|_| Reply::hang());
    until(&gateway, "s0", "probing").await;
    backend.forget();
    let mut probes = Vec::new();
    for n in 1..=3 {
        let mut client = gateway.client().await;
        client.send_request("GET", "/", &[], b"").await.unwrap();
        eventually("it arrives", PATIENCE, || async { backend.count() == n }).await;
        probes.push(client);
    }
    for _ in 0..50 {
        assert_refused(&gateway.get("/").await, 503, "breaker");
    }
    assert_eq!(backend.count(), 3);
    assert_eq!(breaker(&gateway, "s0").await["probes_in_flight"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_requests_that_would_go_to_one_of_ten_servers_probe_percent_reach_it() {
    let mut backends = vec![failing().await];
    for _ in 0..9 {
        backends.push(Backend::text("well").await);
    }
    let rules = format!("{ONCE}, probe_percent: 20, probe_successes: 1000");
    let all: Vec<_> = backends.iter().collect();
    let gateway = guarding(&all, &rules, ", load_balance: random").await;
    let mut client = gateway.client().await;
    while client.get("/").await.status != 500 {}
    eventually("it trips", PATIENCE, || async {
        times(&gateway, "s0", "rejecting").await == 1
    })
    .await;
    revive(&backends[0], "well");
    until(&gateway, "s0", "probing").await;
    backends[0].forget();
    for _ in 0..2000 {
        assert_eq!(client.get("/").await.status, 200);
    }
    // 40 of 200 expected; a request it refuses may be offered to it again.
    let found = backends[0].count();
    assert!((10..=80).contains(&found), "{found} of 2000");
}

/// Has a request sent before the trip answered so while the breaker is probing, and tells how it stands afterwards.
async fn late_answer(status: u16) -> serde_json::Value {
    let backend = Backend::start(move |request| match request.target.as_str() {
        "/late" => Reply::new(status, "late").after(Duration::from_millis(600)),
        _ => Reply::new(500, ""),
    })
    .await;
    let gateway = guarding(&[&backend], &format!("{ONCE}, probe_successes: 1"), "").await;
    let mut late = gateway.client().await;
    late.send_request("GET", "/late", &[], b"").await.unwrap();
    eventually("it arrives", PATIENCE, || async { backend.count() == 1 }).await;
    trip(&gateway, "s0").await;
    until(&gateway, "s0", "probing").await;
    assert_eq!(late.read_response("GET").await.unwrap().status, status);
    eventually("it is counted", PATIENCE, || async {
        crate::objects::counted(&gateway, "s0").await.in_flight == 0
    })
    .await;
    breaker(&gateway, "s0").await
}

#[tokio::test]
async fn a_success_from_before_the_trip_that_arrives_late_does_not_close_the_breaker() {
    let breaker = late_answer(200).await;
    assert_eq!(
        (&breaker["state"], &breaker["probe_successes"]),
        (&"probing".into(), &0.into())
    );
}

#[tokio::test]
async fn a_failure_from_before_the_trip_that_arrives_late_does_not_trip_it_again() {
    let breaker = late_answer(500).await;
    assert_eq!(
        (&breaker["state"], &breaker["transitions"]["rejecting"]),
        (&"probing".into(), &1.into())
    );
}

#[tokio::test]
async fn so_many_successes_in_a_row_end_the_trial_and_not_one_less() {
    let backend = failing().await;
    let gateway = guarding(
        &[&backend],
        &format!("{ONCE}, probe_percent: 100, probe_successes: 4"),
        "",
    )
    .await;
    trip(&gateway, "s0").await;
    revive(&backend, "well");
    until(&gateway, "s0", "probing").await;
    for n in 1..=3 {
        assert_eq!(gateway.get("/").await.status, 200);
        eventually("it is counted", PATIENCE, || async {
            breaker(&gateway, "s0").await["probe_successes"] == n
        })
        .await;
    }
    assert_eq!(breaker(&gateway, "s0").await["state"], "probing");
    assert_eq!(gateway.get("/").await.status, 200);
    until(&gateway, "s0", "passing").await;
}

#[tokio::test]
async fn one_failed_probe_begins_the_next_pause_whatever_succeeded_before() {
    let backend = failing().await;
    let gateway = guarding(
        &[&backend],
        &format!("{ONCE}, probe_percent: 100, probe_successes: 4"),
        "",
    )
    .await;
    trip(&gateway, "s0").await;
    revive(&backend, "well");
    until(&gateway, "s0", "probing").await;
    for _ in 0..3 {
        assert_eq!(gateway.get("/").await.status, 200);
    }
    backend.script(|_| Reply::new(500, ""));
    assert_eq!(gateway.get("/").await.status, 500);
    eventually("it trips again", PATIENCE, || async {
        times(&gateway, "s0", "rejecting").await == 2
    })
    .await;
    until(&gateway, "s0", "probing").await;
    assert_eq!(breaker(&gateway, "s0").await["probe_successes"], 0);
    assert_eq!(times(&gateway, "s0", "passing").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_requests_for_the_only_server_probe_percent_reach_it_and_each_refusal_counts_once() {
    let backend = failing().await;
    let rules = format!("{ONCE}, probe_percent: 20, probe_successes: 1000");
    let gateway = guarding(&[&backend], &rules, "").await;
    trip(&gateway, "s0").await;
    revive(&backend, "well");
    until(&gateway, "s0", "probing").await;
    backend.forget();
    let before = breaker(&gateway, "s0").await["refused"].as_u64().unwrap();
    let mut client = gateway.client().await;
    for _ in 0..1000 {
        client.get("/").await;
    }
    // 200 expected; five times the standard deviation of 12.6 either way.
    let found = backend.count();
    assert!((137..=263).contains(&found), "{found} of 1000");
    let refused = breaker(&gateway, "s0").await["refused"].as_u64().unwrap() - before;
    assert_eq!(refused, 1000 - found);
}
