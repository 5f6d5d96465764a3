//! The pause of a breaker: how long it is, what is answered in it, and that it ends by itself.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{PATIENCE, assert_rejects, breaker, failing, guarding, revive, trip, until};
use crate::objects::assert_refused;
use crate::support::{Backend, Load, Plan, Reply, eventually};

#[tokio::test]
async fn the_only_server_in_its_pause_is_left_alone_and_clients_are_told() {
    let backend = failing().await;
    let gateway = guarding(&[&backend], "consecutive_failures: 1, rejecting_for: 20s", "").await;
    trip(&gateway, "s0").await;
    let mut client = gateway.client().await;
    for method in ["GET", "HEAD", "POST"] {
        let body: &[u8] = if method == "POST" { b"x" } else { b"" };
        let answer = client.request(method, "/", &[], body).await.unwrap();
        assert_eq!(
            (answer.status, answer.header("x-gateway-refusal")),
            (503, Some("breaker"))
        );
        assert!(answer.keeps_alive(), "{method}");
    }
    assert_refused(&client.get("/").await, 503, "breaker");
    assert_eq!(backend.count(), 1);
}

#[tokio::test]
async fn retry_after_is_the_rest_of_the_pause_rounded_up() {
    let backend = failing().await;
    let gateway = guarding(&[&backend], "consecutive_failures: 1, rejecting_for: 2500ms", "").await;
    trip(&gateway, "s0").await;
    let rest = || async { breaker(&gateway, "s0").await["rejecting_for_ms"].as_u64() };
    let mut seen = 0;
    // Until the rest of the pause may be over between two looks at it.
    while let Some(before @ 100..) = rest().await {
        let answer = gateway.get("/").await;
        let Some(after) = rest().await else { break };
        let told: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(
            (after.div_ceil(1000)..=before.div_ceil(1000)).contains(&told),
            "{told} s between {before} and {after} ms"
        );
        seen += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(seen > 20, "{seen}");
}

/// When requests came to a server that fails them all, under steady load, until there were so many.
async fn arrivals(breaker: &str, count: usize) -> Vec<Instant> {
    let times = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&times);
    let backend = Backend::start(move |_| {
        noted.lock().unwrap().push(Instant::now());
        Reply::new(500, "")
    })
    .await;
    let breaker = format!("consecutive_failures: 1, probe_percent: 100, max_probes: 1, {breaker}");
    let gateway = guarding(&[&backend], &breaker, "").await;
    let load = Load::start(Plan::get(gateway.address(), "/").rate(400).connections(1));
    eventually("enough probes", PATIENCE, || async {
        times.lock().unwrap().len() >= count
    })
    .await;
    load.stop().await;
    let times = times.lock().unwrap();
    times[..count].to_vec()
}

/// Asserts that the pauses between these were as long, by 10 % and a little for the next request to come.
fn assert_pauses(arrivals: &[Instant], expected_ms: &[u64]) {
    let found: Vec<_> = arrivals.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(found.len(), expected_ms.len());
    for (pause, expected) in found.iter().zip(expected_ms) {
        // The gateway counts in whole milliseconds.
        let least = Duration::from_millis(expected * 9 / 10 - 1);
        let most = Duration::from_millis(expected * 11 / 10 + 150);
        assert!(
            (least..most).contains(pause),
            "{found:?} instead of {expected_ms:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_pause_is_served_whole_and_each_in_a_row_is_twice_as_long() {
    let arrivals = arrivals("rejecting_for: 200ms, max_rejecting_for: 1h", 5).await;
    assert_pauses(&arrivals, &[200, 400, 800, 1600]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pause_is_longer_than_the_longest_allowed() {
    let arrivals = arrivals("rejecting_for: 100ms, max_rejecting_for: 250ms", 7).await;
    assert_pauses(&arrivals, &[100, 200, 250, 250, 250, 250]);
}

#[tokio::test]
async fn pauses_begin_at_the_first_again_once_the_server_has_passed() {
    let backend = failing().await;
    let rules = "consecutive_failures: 1, rejecting_for: 200ms, probe_percent: 100, probe_successes: 1";
    let gateway = guarding(&[&backend], rules, "").await;
    trip(&gateway, "s0").await;
    until(&gateway, "s0", "probing").await;
    assert_eq!(gateway.get("/").await.status, 500);
    until(&gateway, "s0", "rejecting").await;
    assert_eq!(breaker(&gateway, "s0").await["trips_in_a_row"], 2);
    revive(&backend, "well");
    until(&gateway, "s0", "probing").await;
    assert_eq!(gateway.get("/").await.status, 200);
    until(&gateway, "s0", "passing").await;
    backend.script(|_| Reply::new(500, ""));
    assert_eq!(gateway.get("/").await.status, 500);
    until(&gateway, "s0", "rejecting").await;
    let breaker = breaker(&gateway, "s0").await;
    assert_eq!(breaker["trips_in_a_row"], 1);
    assert!(breaker["rejecting_for_ms"].as_u64() <= Some(220), "{breaker}");
}

#[tokio::test]
async fn a_pause_ends_without_traffic() {
    let backend = failing().await;
    let gateway = guarding(&[&backend], "consecutive_failures: 1, rejecting_for: 200ms", "").await;
    trip(&gateway, "s0").await;
    assert_rejects(&gateway).await;
    eventually("the end of the pause is logged", PATIENCE, || async {
        gateway
            .stderr()
            .contains("server s0: breaker rejecting → probing")
    })
    .await;
    assert_eq!(breaker(&gateway, "s0").await["state"], "probing");
    assert_eq!(backend.count(), 1);
}

#[tokio::test]
async fn a_server_that_is_well_again_passes_after_its_pause_without_any_other_help() {
    let backend = failing().await;
    let rules = "consecutive_failures: 1, rejecting_for: 200ms, probe_percent: 100, probe_successes: 3";
    let gateway = guarding(&[&backend], rules, "").await;
    trip(&gateway, "s0").await;
    revive(&backend, "well");
    until(&gateway, "s0", "probing").await;
    for _ in 0..3 {
        assert_eq!(gateway.get("/").await.status, 200);
    }
    until(&gateway, "s0", "passing").await;
}
