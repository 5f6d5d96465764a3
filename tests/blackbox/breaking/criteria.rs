//! What counts as a failure, and how many trip a breaker.

use std::time::Duration;

use super::{PATIENCE, breaker, failing, guarding, times, until};
use crate::objects::counted;
use crate::support::{Backend, Gateway, Reply, Step, eventually};

const THREE: &str = "consecutive_failures: 3, rejecting_for: 1m";

/// Sends so many requests one after the other, whatever comes of them, and waits until the server was counted for them.
async fn send(gateway: &Gateway, count: u64) {
    let ended = || async {
        let counted = counted(gateway, "s0").await;
        counted.successes + counted.failures
    };
    let before = ended().await;
    for _ in 0..count {
        // An answer that is cut short is an error here.
        gateway.client().await.request("GET", "/", &[], b"").await.ok();
    }
    eventually("all are counted", PATIENCE, || async {
        ended().await == before + count
    })
    .await;
}

/// Asserts that the third of such answers trips a breaker that goes by three failures in a row, and none before.
async fn the_third_trips(what: &str, backend: &Backend, cluster: &str) {
    let gateway = guarding(&[backend], THREE, cluster).await;
    send(&gateway, 2).await;
    assert_eq!(breaker(&gateway, "s0").await["state"], "passing", "{what}");
    send(&gateway, 1).await;
    assert_eq!(breaker(&gateway, "s0").await["state"], "rejecting", "{what}");
}

#[tokio::test]
async fn each_way_to_fail_is_a_failure() {
    let short = Reply::raw(*b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc");
    let chunks = Reply::raw(*b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n");
    for (what, reply) in [
        ("500", Reply::new(500, "")),
        ("502", Reply::new(502, "")),
        ("503", Reply::new(503, "")),
        ("504", Reply::new(504, "")),
        ("a close", Reply::close()),
        ("a reset", Reply::reset()),
        ("no answer in time", Reply::hang()),
        ("an answer that is no HTTP", Reply::garbage()),
        ("a body cut short", short.clone().then(Step::Close)),
        ("a body reset", short.clone().then(Step::Reset)),
        ("a body that does not go on in time", short.then(Step::Hang)),
        ("a body that is malformed", chunks),
    ] {
        let backend = Backend::start(move |_| reply.clone()).await;
        the_third_trips(what, &backend, ", timeout: { first_byte: 50ms, idle: 50ms }").await;
    }
}

#[tokio::test]
async fn a_refused_connection_is_a_failure() {
    the_third_trips("refused", &Backend::refusing().await, "").await;
}

#[tokio::test]
async fn failure_status_replaces_the_statuses_that_are_failures() {
    let backend = failing().await;
    let gateway = guarding(&[&backend], &format!("{THREE}, failure_status: [418, 503]"), "").await;
    send(&gateway, 9).await;
    assert_eq!(times(&gateway, "s0", "rejecting").await, 0);
    backend.script(|_| Reply::new(418, ""));
    send(&gateway, 3).await;
    assert_eq!(breaker(&gateway, "s0").await["state"], "rejecting");
}

#[tokio::test]
async fn a_success_in_between_begins_the_row_again() {
    let backend = Backend::start(|request| match request.target.as_str() {
        "/well" => Reply::new(200, ""),
        _ => Reply::new(500, ""),
    })
    .await;
    let gateway = guarding(&[&backend], THREE, "").await;
    for _ in 0..4 {
        send(&gateway, 2).await;
        let before = counted(&gateway, "s0").await.successes;
        assert_eq!(gateway.get("/well").await.status, 200);
        eventually("it is counted", PATIENCE, || async {
            counted(&gateway, "s0").await.successes > before
        })
        .await;
    }
    assert_eq!(times(&gateway, "s0", "rejecting").await, 0);
    send(&gateway, 3).await;
    assert_eq!(breaker(&gateway, "s0").await["state"], "rejecting");
}

#[tokio::test]
async fn a_share_of_failures_counts_from_min_requests_on() {
    let backend = Backend::text("well").await;
    let rules = "failure_percent: 40, min_requests: 10, rejecting_for: 1m";
    let gateway = guarding(&[&backend], rules, "").await;
    backend.script(|_| Reply::new(500, ""));
    send(&gateway, 4).await;
    backend.script(|_| Reply::new(200, ""));
    send(&gateway, 5).await;
    assert_eq!(breaker(&gateway, "s0").await["state"], "passing");
    // 5 of 10 failed.
    backend.script(|_| Reply::new(500, ""));
    send(&gateway, 1).await;
    assert_eq!(breaker(&gateway, "s0").await["state"], "rejecting");
}

#[tokio::test]
async fn failures_older_than_the_window_do_not_count() {
    let backend = failing().await;
    let gateway = guarding(&[&backend], &format!("{THREE}, window: 200ms"), "").await;
    for _ in 0..3 {
        send(&gateway, 2).await;
        // It is time itself that is tested.
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(times(&gateway, "s0", "rejecting").await, 0);
}

#[tokio::test]
async fn slow_calls_trip() {
    let backend = Backend::start(|_| Reply::new(200, "").after(Duration::from_millis(60))).await;
    let rules = "slow_call: 50ms, slow_percent: 50, min_requests: 4, rejecting_for: 1m";
    let gateway = guarding(&[&backend], rules, "").await;
    send(&gateway, 3).await;
    assert_eq!(breaker(&gateway, "s0").await["state"], "passing");
    send(&gateway, 1).await;
    assert_eq!(breaker(&gateway, "s0").await["state"], "rejecting");
    assert!(gateway.stderr().contains("too large a share of slow calls"));
}

#[tokio::test]
async fn a_slow_probe_begins_the_next_pause() {
    let backend = Backend::start(|_| Reply::new(200, "").after(Duration::from_millis(60))).await;
    let rules = "slow_call: 50ms, min_requests: 2, rejecting_for: 200ms, probe_percent: 100";
    let gateway = guarding(&[&backend], rules, "").await;
    send(&gateway, 2).await;
    until(&gateway, "s0", "probing").await;
    assert_eq!(gateway.get("/").await.status, 200);
    eventually("it trips again", PATIENCE, || async {
        times(&gateway, "s0", "rejecting").await == 2
    })
    .await;
}
