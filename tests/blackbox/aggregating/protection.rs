//! Nodes go through their clusters: limits, breakers, retries and timeouts hold for them as for everybody.

use std::time::{Duration, Instant};

use super::manual::Manual;
use super::{aggregation, assert_answer, assert_failed, over, with_json};
use crate::support::{Backend, Gateway, Reply};

/// Servers `s0`, `s1`, … in the cluster `b` with further members, and an aggregation.
fn cluster(servers: &[&Backend], members: &str, aggregation: &str) -> String {
    let addresses: Vec<_> = servers.iter().map(|server| server.address()).collect();
    let all: Vec<_> = (0..servers.len()).collect();
    format!(
        "{}clusters:\n- {{ id: b, servers: {}, {members} }}\n{aggregation}",
        crate::objects::servers(&addresses),
        crate::objects::bindings(&all)
    )
}

async fn ones() -> Backend {
    Backend::start(|_| with_json("1")).await
}

#[tokio::test]
async fn a_clusters_limit_holds_for_nodes() {
    let service = ones().await;
    let nodes = [
        ("a", "url: \"/a/{query.q}\""),
        ("c", "required: false, when: node.a"),
    ];
    let objects = cluster(
        &[&service],
        "limit: { rate: 1/h, burst: 1 }",
        &aggregation(&nodes, ""),
    );
    let gateway = Gateway::start(&objects).await;
    let response = gateway.get("/").await;
    assert_answer(
        &response,
        200,
        "{\"a\":1,\"c\":null}",
        "a;status=200, c;error=rate_limited",
    );
    assert_failed(
        &gateway.get("/").await,
        502,
        "node_failed",
        "a;error=rate_limited, c;error=cancelled",
    );
    assert_eq!(service.count(), 1);
}

#[tokio::test]
async fn a_clusters_bound_on_requests_in_flight_holds_for_nodes_and_is_given_back() {
    let service = Manual::start().await;
    let objects = format!(
        "servers:\n- {{ id: s0, address: \"{}\" }}\nclusters:\n- {{ id: b, servers: [s0], limit: {{ max_in_flight: 1 }} }}\n{}",
        service.address(),
        aggregation(&[("a", ""), ("c", "required: false")], "merge: list")
    );
    let gateway = Gateway::start(&objects).await;
    for _ in 0..3 {
        let mut client = gateway.client().await;
        client.send_request("GET", "/", &[], b"").await.unwrap();
        service.asked("/a").await.answer("1").await;
        let response = client.read_response("GET").await.unwrap();
        assert_answer(&response, 200, "[1,null]", "a;status=200, c;error=rate_limited");
    }
}

#[tokio::test]
async fn a_servers_breaker_holds_for_nodes_and_counts_their_failures() {
    let service = Backend::start(|_| Reply::new(500, "")).await;
    let breaker = "breaker: { consecutive_failures: 2, rejecting_for: 60s, max_rejecting_percent: 100 }";
    let nodes = [("a", "required: false")];
    let gateway = Gateway::start(&cluster(
        &[&service],
        breaker,
        &aggregation(&nodes, "merge: list"),
    ))
    .await;
    for _ in 0..2 {
        assert_answer(&gateway.get("/").await, 200, "[null]", "a;status=500");
    }
    assert_answer(&gateway.get("/").await, 200, "[null]", "a;error=breaker");
    assert_eq!(service.count(), 2);
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_after_its_head_is_a_failure_of_the_server() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[1,";
    let service = Backend::start(move |_| Reply::raw(head).then(crate::support::Step::Close)).await;
    let gateway = Gateway::start(&cluster(
        &[&service],
        "",
        &aggregation(&[("a", ""), ("c", "")], ""),
    ))
    .await;
    assert_eq!(gateway.get("/").await.status, 502);
    let failures = gateway
        .metric("gateway_server_requests_total", &[("result", "failure")])
        .await;
    assert!(failures >= 1.0, "{failures}");
}

#[tokio::test]
async fn a_node_is_retried_on_another_server() {
    let (bad, good) = (Backend::start(|_| Reply::new(503, "")).await, ones().await);
    let rule = "retry: { attempts: 2, on: [503], budget_percent: 100 }";
    for (of_cluster, of_node) in [(rule, ""), ("load_balance: round_robin", rule)] {
        bad.forget();
        let objects = cluster(
            &[&bad, &good],
            of_cluster,
            &aggregation(
                &[
                    ("a", of_node),
                    (
                        "c",
                        &format!("{of_node}{}url: /c", if of_node.is_empty() { "" } else { ", " }),
                    ),
                ],
                "",
            ),
        );
        let gateway = Gateway::start(&objects).await;
        for _ in 0..4 {
            assert_answer(
                &gateway.get("/").await,
                200,
                "{\"a\":1,\"c\":1}",
                "a;status=200, c;status=200",
            );
        }
        assert!(bad.count() > 0);
        assert_eq!(
            gateway.metric("gateway_retries_total", &[("cluster", "b")]).await,
            bad.count() as f64
        );
    }
}

#[tokio::test]
async fn a_node_that_changes_something_is_not_retried() {
    let bad = Backend::start(|_| Reply::new(503, "")).await;
    let rule = "retry: { attempts: 3, on: [503], budget_percent: 100 }";
    let objects = cluster(
        &[&bad],
        rule,
        &aggregation(&[("a", "method: POST, body: { x: 1 }")], "merge: list"),
    );
    let gateway = Gateway::start(&objects).await;
    assert_eq!(gateway.get("/").await.status, 502);
    assert_eq!(bad.count(), 1);
}

#[tokio::test]
async fn a_nodes_timeout_ends_its_call_and_not_the_whole() {
    let service = Backend::start(|request| match request.target.as_str() {
        "/hangs" => Reply::hang(),
        _ => with_json("1").after(Duration::from_millis(300)),
    })
    .await;
    let nodes = [
        ("hangs", "timeout: 50ms, required: false, fallback: late"),
        ("slow", ""),
    ];
    let gateway = over(service.address(), &nodes, "").await;
    let response = gateway.get("/").await;
    assert_answer(
        &response,
        200,
        "{\"hangs\":\"late\",\"slow\":1}",
        "hangs;error=timeout, slow;status=200",
    );
}

#[tokio::test]
async fn the_timeout_of_the_whole_ends_every_call() {
    let service = Backend::start(|_| Reply::hang()).await;
    for (members, status) in [
        ("timeout: 60s", 504),
        ("", 504),
        ("required: false, fallback: 0", 200),
    ] {
        let gateway = over(
            service.address(),
            &[("a", members)],
            "timeout: 200ms, merge: list",
        )
        .await;
        let start = Instant::now();
        let response = gateway.get("/").await;
        assert_eq!(
            (response.status, super::told(&response).as_str()),
            (status, "a;error=timeout")
        );
        assert!(start.elapsed() >= Duration::from_millis(200) && start.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test]
async fn a_chain_has_no_more_time_than_the_whole() {
    let service = Backend::start(|_| with_json("1").after(Duration::from_millis(150))).await;
    let nodes = [
        ("a", ""),
        ("c", "when: node.a"),
        ("d", "when: node.c, timeout: 10s"),
    ];
    let gateway = over(service.address(), &nodes, "timeout: 350ms").await;
    assert_failed(
        &gateway.get("/").await,
        504,
        "timeout",
        "a;status=200, c;status=200, d;error=timeout",
    );
}

#[tokio::test]
async fn the_clusters_timeouts_hold_for_nodes() {
    let service = Backend::start(|_| Reply::hang()).await;
    let objects = cluster(
        &[&service],
        "timeout: { first_byte: 100ms }",
        &aggregation(&[("a", ""), ("c", "")], ""),
    );
    let response = Gateway::start(&objects).await.get("/").await;
    assert_eq!(
        (response.status, response.header("x-gateway-refusal")),
        (504, Some("timeout"))
    );
}
