//! Clients that go away: what was asked for them is given up, nothing stays behind, and nobody is blamed.

use std::time::Duration;

use super::manual::Manual;
use super::{over, with_json};
use crate::support::{Backend, Gateway, eventually};

const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until no request and no call is under way.
async fn idle(gateway: &Gateway) {
    eventually("nothing is under way", PATIENCE, || async {
        let metrics = gateway.metrics().await;
        let of = |name: &str| crate::support::sum_of_samples(&metrics, name, &[]);
        of("gateway_requests_in_flight") == 0.0
            && of("gateway_server_requests_in_flight") == 0.0
            && of("gateway_aggregation_calls_in_flight") == 0.0
            && of("gateway_aggregation_held_bytes") == 0.0
    })
    .await;
}

#[tokio::test]
async fn clients_that_go_away_take_their_calls_with_them() {
    let service = Manual::start().await;
    let gateway = over(
        service.address(),
        &[("a", ""), ("b", ""), ("after", "url: \"/after/{node.a}\"")],
        "",
    )
    .await;
    let mut clients = Vec::new();
    for _ in 0..1000 {
        let mut client = gateway.client().await;
        client.send_request("GET", "/", &[], b"").await.unwrap();
        clients.push(client);
    }
    service.until_waiting(2000).await;
    assert_eq!(
        gateway.metric("gateway_aggregation_calls_in_flight", &[]).await,
        2000.0
    );
    for (at, client) in clients.into_iter().enumerate() {
        if at % 2 == 0 {
            client.reset();
        }
    }
    for _ in 0..1000 {
        service.asked("/a").await.until_closed().await;
        service.asked("/b").await.until_closed().await;
    }
    idle(&gateway).await;
    assert_eq!(
        gateway
            .metric("gateway_server_requests_total", &[("result", "cancelled")])
            .await,
        2000.0
    );
    assert_eq!(
        gateway
            .metric("gateway_server_requests_total", &[("result", "failure")])
            .await,
        0.0
    );
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    service.asked("/a").await.answer("1").await;
    service.asked("/b").await.answer("2").await;
    service.asked("/after/1").await.answer("3").await;
    assert_eq!(
        client.read_response("GET").await.unwrap().text(),
        "{\"a\":1,\"b\":2,\"after\":3}"
    );
}

#[tokio::test]
async fn a_client_that_goes_away_while_answers_arrive_leaves_nothing_behind() {
    let service = Manual::start().await;
    let gateway = over(service.address(), &[("a", ""), ("b", "")], "").await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    let (mut a, b) = (service.asked("/a").await, service.asked("/b").await);
    a.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[1,").await;
    b.answer("2").await;
    drop(client);
    a.until_closed().await;
    idle(&gateway).await;
}

#[tokio::test]
async fn calls_of_a_method_that_changes_something_are_finished() {
    let service = Manual::start().await;
    let nodes = [("a", "method: POST"), ("b", "method: POST, when: node.a")];
    let gateway = over(service.address(), &nodes, "").await;
    let mut client = gateway.client().await;
    client.send_request("POST", "/", &[], b"").await.unwrap();
    let a = service.asked("/a").await;
    client.reset();
    a.answer("1").await;
    service.asked("/b").await.answer("2").await;
    idle(&gateway).await;
    assert_eq!(
        gateway
            .metric("gateway_server_requests_total", &[("result", "success")])
            .await,
        2.0
    );
}

#[tokio::test]
async fn a_client_that_pipelines_is_there() {
    let service = Backend::start(|_| with_json("1").after(Duration::from_millis(100))).await;
    let gateway = over(service.address(), &[("a", ""), ("b", "")], "").await;
    let mut client = gateway.client().await;
    client
        .send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..2 {
        assert_eq!(
            client.read_response("GET").await.unwrap().text(),
            "{\"a\":1,\"b\":1}"
        );
    }
}
