//! Filters, limit and breaker of the aggregation itself, which hold for its clients.

use super::{over, with_json};
use crate::objects::assert_refused;
use crate::support::{Backend, Reply, request};

async fn ones() -> Backend {
    Backend::start(|_| with_json("1")).await
}

#[tokio::test]
async fn filters_of_the_aggregation_change_its_answer() {
    let service = ones().await;
    let filters = "filters: [{ headers: { response: { set: { x-set: \"{path}\", cache-control: no-store }, remove: [x-gateway-nodes] } } }]";
    let gateway = over(service.address(), &[("a", ""), ("c", "")], filters).await;
    let response = gateway.get("/p").await;
    assert_eq!(
        (response.header("x-set"), response.header("cache-control")),
        (Some("/p"), Some("no-store"))
    );
    assert_eq!(response.header("x-gateway-nodes"), None);
    assert_eq!(response.text(), "{\"a\":1,\"c\":1}");
}

#[tokio::test]
async fn a_filter_of_the_aggregation_changes_what_nodes_see_of_the_request() {
    let service = Backend::echo().await;
    let filters = "filters: [{ headers: { request: { set: { x-a: set, cookie: c=1 } } } }]";
    let nodes = [
        ("a", "pass_headers: [x-a], url: \"/{header.x-a}\""),
        ("c", "pass_headers: [x-a]"),
    ];
    let gateway = over(service.address(), &nodes, filters).await;
    assert_eq!(gateway.get("/").await.status, 200);
    let calls = service.requests();
    assert!(calls.iter().any(|call| call.target == "/set"), "{calls:?}");
    assert!(
        calls
            .iter()
            .all(|call| call.header("x-a") == Some("set") && call.header("cookie") == Some("c=1")),
        "{calls:?}"
    );
}

#[tokio::test]
async fn access_is_decided_before_any_node_is_called() {
    let service = ones().await;
    let filters = "filters: [{ access: { deny: [127.0.0.0/8] } }]";
    let gateway = over(service.address(), &[("a", ""), ("c", "")], filters).await;
    assert_refused(&gateway.get("/").await, 403, "access_denied");
    assert_eq!(service.count(), 0);
}

#[tokio::test]
async fn the_aggregations_limit_counts_each_key_for_itself() {
    let service = ones().await;
    let limit = "limit: { rate: 1/h, burst: 1, key: header.x-user }";
    let gateway = over(service.address(), &[("a", ""), ("c", "")], limit).await;
    for user in ["ann", "bob"] {
        let fields = [("X-User", user)];
        let ask = || request(gateway.address(), "GET", "/", &fields, b"");
        assert_eq!(ask().await.status, 200);
        let refused = ask().await;
        assert_refused(&refused, 429, "rate_limited");
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((3500..=3600).contains(&wait), "{wait}");
        assert!(refused.header("ratelimit-policy").is_some() && refused.header("ratelimit").is_some());
    }
    assert_eq!(service.count(), 4);
}

#[tokio::test]
async fn the_aggregations_breaker_gives_all_its_nodes_a_pause() {
    let service = Backend::start(|_| Reply::new(500, "")).await;
    let breaker = "breaker: { consecutive_failures: 2, rejecting_for: 60s }";
    // The second reads the first, so that no call is still on its way when a request is refused.
    let nodes = [("a", ""), ("c", "url: \"/c/{node.a.id}\"")];
    let gateway = over(service.address(), &nodes, breaker).await;
    for _ in 0..2 {
        assert_eq!(gateway.get("/").await.status, 502);
    }
    service.forget();
    let refused = gateway.get("/").await;
    assert_refused(&refused, 503, "breaker");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(service.count(), 0);
}

#[tokio::test]
async fn what_clients_ask_for_wrongly_does_not_trip_the_aggregations_breaker() {
    let service = Backend::start(|_| Reply::new(404, "")).await;
    let breaker = "breaker: { consecutive_failures: 2, rejecting_for: 60s }";
    let gateway = over(service.address(), &[("a", ""), ("c", "")], breaker).await;
    for _ in 0..4 {
        assert_eq!(gateway.get("/").await.status, 502);
    }
}
