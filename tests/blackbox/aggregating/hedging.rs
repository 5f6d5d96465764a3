//! A second call to another server where the first one takes long.

use std::time::{Duration, Instant};

use super::{aggregation, assert_answer, with_json};
use crate::objects::{bindings, servers};
use crate::support::{Backend, Gateway, Reply, eventually};

/// Servers `s0`, `s1`, … in the cluster `b`, and an aggregation with the node `n` that has these members.
async fn over(servers_: &[&Backend], balance: &str, node: &str) -> Gateway {
    let addresses: Vec<_> = servers_.iter().map(|server| server.address()).collect();
    let all: Vec<_> = (0..addresses.len()).collect();
    let objects = format!(
        "{}clusters:\n- {{ id: b, load_balance: {balance}, servers: {} }}\n{}",
        servers(&addresses),
        bindings(&all),
        aggregation(&[("n", node)], "merge: list")
    );
    Gateway::start(&objects).await
}

#[tokio::test]
async fn with_one_of_three_servers_hanging_no_request_takes_long() {
    let hanging = Backend::start(|_| Reply::hang()).await;
    let (one, two) = (
        Backend::start(|_| with_json("1")).await,
        Backend::start(|_| with_json("1")).await,
    );
    for balance in ["least_request", "round_robin"] {
        hanging.forget();
        let gateway = over(
            &[&hanging, &one, &two],
            balance,
            "hedge: { after: 50ms, budget_percent: 100 }, timeout: 8s",
        )
        .await;
        for _ in 0..30 {
            let start = Instant::now();
            assert_answer(&gateway.get("/").await, 200, "[1]", "n;status=200");
            assert!(
                start.elapsed() < Duration::from_secs(2),
                "{balance}: {:?}",
                start.elapsed()
            );
        }
        let hedged = gateway
            .metric(
                "gateway_node_hedges_total",
                &[("aggregation", "a"), ("node", "n")],
            )
            .await;
        assert_eq!(hedged, hanging.count() as f64, "{balance}");
        assert!(hedged > 0.0);
        eventually(
            "the calls that lost are given up",
            Duration::from_secs(10),
            || async { gateway.metric("gateway_server_requests_in_flight", &[]).await == 0.0 },
        )
        .await;
    }
}

#[tokio::test]
async fn a_fast_answer_is_not_asked_for_twice() {
    let (one, two) = (
        Backend::start(|_| with_json("1")).await,
        Backend::start(|_| with_json("1")).await,
    );
    let gateway = over(
        &[&one, &two],
        "round_robin",
        "hedge: { after: 1s, budget_percent: 100 }",
    )
    .await;
    for _ in 0..20 {
        assert_eq!(gateway.get("/").await.status, 200);
    }
    assert_eq!(one.count() + two.count(), 20);
}

#[tokio::test]
async fn second_calls_stay_within_their_budget() {
    let slow = || Backend::start(|_| with_json("1").after(Duration::from_millis(120)));
    let (one, two) = (slow().await, slow().await);
    let gateway = over(
        &[&one, &two],
        "round_robin",
        "hedge: { after: 10ms, budget_percent: 10 }",
    )
    .await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(gateway.get("/"));
    }
    for response in futures::future::join_all(clients).await {
        assert_eq!(response.status, 200);
    }
    let hedged = gateway.metric("gateway_node_hedges_total", &[]).await;
    assert!(
        hedged > 0.0 && hedged <= 20.0,
        "more than a tenth of 200: {hedged}"
    );
    assert_eq!(one.count() + two.count(), 200 + hedged as u64);
}

#[tokio::test]
async fn with_one_server_there_is_no_second_call() {
    let slow = Backend::start(|_| with_json("1").after(Duration::from_millis(150))).await;
    let gateway = over(
        &[&slow],
        "round_robin",
        "hedge: { after: 10ms, budget_percent: 100 }",
    )
    .await;
    assert_answer(&gateway.get("/").await, 200, "[1]", "n;status=200");
    assert_eq!(slow.count(), 1);
}

#[tokio::test]
async fn a_second_call_that_fails_does_not_spoil_the_first() {
    let slow = Backend::start(|_| with_json("1").after(Duration::from_millis(300))).await;
    let failing = Backend::start(|_| Reply::new(500, "")).await;
    let gateway = over(
        &[&slow, &failing],
        "round_robin",
        "hedge: { after: 50ms, budget_percent: 100 }, status: [200]",
    )
    .await;
    eventually("the slow one was first", Duration::from_secs(10), || async {
        let response = gateway.get("/").await;
        response.status == 200
    })
    .await;
    assert!(gateway.metric("gateway_node_hedges_total", &[]).await >= 1.0);
}
