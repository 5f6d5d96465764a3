//! Answers that are kept for a while, of a route as of a node: given out without a call, no longer than both sides allow.

use std::time::Duration;

use super::aggregation;
use crate::support::{Backend, Gateway, Reply, Response, clusters, eventually, request};

const PATIENCE: Duration = Duration::from_secs(20);

/// A service that numbers its answers and says this in each.
pub(super) async fn counting(fields: &'static [(&'static str, &'static str)]) -> Backend {
    let count = std::sync::atomic::AtomicU64::new(0);
    Backend::start(move |_| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        Reply::with_headers(200, fields, n.to_string())
    })
    .await
}

pub(super) fn of_route(service: &Backend, rule: &str) -> String {
    format!(
        "{}routes:\n- {{ id: r, to: [{{ cluster: b }}], {rule} }}\n",
        clusters(&[("b", service.address())])
    )
}

pub(super) fn of_node(service: &Backend, rule: &str) -> String {
    let node = format!("url: \"/x?q={{query.q}}\", pass_headers: [x-tenant], {rule}");
    clusters(&[("b", service.address())]) + &aggregation(&[("n", &node)], "merge: list")
}

/// A gateway with a route and one with a node that have this rule.
pub(super) async fn gateways(service: &Backend, rule: &str) -> [Gateway; 2] {
    [
        Gateway::start(&of_route(service, rule)).await,
        Gateway::start(&of_node(service, rule)).await,
    ]
}

pub(super) type Fields<'a> = &'a [(&'a str, &'a str)];

pub(super) async fn ask(gateway: &Gateway, target: &str, fields: Fields<'_>) -> Response {
    request(gateway.address(), "GET", target, fields, b"").await
}

/// How many calls two requests, one after the other, make.
pub(super) async fn two_make(
    service: &Backend,
    gateway: &Gateway,
    first: (&str, Fields<'_>),
    second: (&str, Fields<'_>),
) -> u64 {
    let before = service.count();
    for (target, fields) in [first, second] {
        let response = ask(gateway, target, fields).await;
        assert_eq!(response.status, 200, "{response:?}");
    }
    service.count() - before
}

#[tokio::test]
async fn the_second_client_is_answered_without_a_call() {
    let service = counting(&[]).await;
    for gateway in gateways(&service, "cache: { ttl: 60s }").await {
        let first = ask(&gateway, "/x?q=1", &[]).await;
        let called = service.count();
        let second = ask(&gateway, "/x?q=1", &[]).await;
        assert_eq!((second.status, second.text()), (200, first.text()));
        assert_eq!(service.count(), called);
        let metrics = gateway.metrics().await;
        for line in [
            "gateway_cache_lookups_total{result=\"hit\"} 1",
            "gateway_cache_lookups_total{result=\"miss\"} 1",
            "gateway_cache_entries 1",
        ] {
            assert!(metrics.lines().any(|other| other == line), "{line}\n{metrics}");
        }
        assert!(gateway.metric("gateway_cache_bytes", &[]).await > 0.0);
    }
}

#[tokio::test]
async fn a_routes_kept_answer_says_how_old_it_is_and_where_it_comes_from() {
    let service = counting(&[("x-own", "1"), ("age", "7")]).await;
    let gateway = Gateway::start(&of_route(&service, "cache: { ttl: 60s }")).await;
    let first = ask(&gateway, "/", &[]).await;
    let status = first.header("cache-status").unwrap().to_owned();
    assert!(status.contains("fwd=") && !status.contains("hit"), "{status}");
    let second = ask(&gateway, "/", &[]).await;
    assert!(
        second.header("cache-status").unwrap().contains("hit"),
        "{second:?}"
    );
    assert_eq!(second.header("x-own"), Some("1"));
    let age: u64 = second.header("age").unwrap().parse().unwrap();
    assert!((7..20).contains(&age), "{age}");
}

#[tokio::test]
async fn a_nodes_kept_answer_is_told_of() {
    let service = counting(&[]).await;
    let gateway = Gateway::start(&of_node(&service, "cache: { ttl: 60s }")).await;
    assert_eq!(super::told(&ask(&gateway, "/", &[]).await), "n;status=200");
    assert_eq!(
        super::told(&ask(&gateway, "/", &[]).await),
        "n;status=200;from=cached"
    );
}

#[tokio::test]
async fn an_answer_is_kept_no_longer_than_its_ttl() {
    let service = counting(&[("cache-control", "max-age=3600")]).await;
    for gateway in gateways(&service, "cache: { ttl: 200ms }").await {
        let first = ask(&gateway, "/", &[]).await.text();
        eventually("it is asked anew", PATIENCE, || async {
            ask(&gateway, "/", &[]).await.text() != first
        })
        .await;
    }
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let service = Backend::start(|_| Reply::new(500, "")).await;
    for gateway in gateways(&service, "cache: { ttl: 60s }").await {
        let before = service.count();
        for _ in 0..2 {
            assert!(ask(&gateway, "/", &[]).await.status >= 500);
        }
        assert_eq!(service.count() - before, 2);
    }
}

#[tokio::test]
async fn an_old_answer_stands_in_when_the_service_fails() {
    let mut service = counting(&[]).await;
    for gateway in gateways(&service, "cache: { ttl: 1ms, stale_if_error: 60s }").await {
        service.restart();
        let kept = ask(&gateway, "/", &[]).await.text();
        service.stop().await;
        let stale = ask(&gateway, "/", &[]).await;
        assert_eq!((stale.status, stale.text()), (200, kept), "{stale:?}");
        assert_eq!(stale.header("x-gateway-complete"), None);
        if !super::told(&stale).is_empty() {
            assert_eq!(super::told(&stale), "n;status=200;from=stale");
        }
    }
}

#[tokio::test]
async fn without_that_rule_a_failing_service_is_a_failure() {
    let mut service = counting(&[]).await;
    for gateway in gateways(&service, "cache: { ttl: 1ms }").await {
        service.restart();
        ask(&gateway, "/", &[]).await;
        service.stop().await;
        eventually("it fails", PATIENCE, || async {
            ask(&gateway, "/", &[]).await.status == 502
        })
        .await;
    }
}

#[tokio::test]
async fn a_single_node_that_is_passed_on_is_kept_too() {
    let service = counting(&[("x-own", "1")]).await;
    let objects = clusters(&[("b", service.address())]) + &aggregation(&[("n", "cache: { ttl: 60s }")], "");
    let gateway = Gateway::start(&objects).await;
    let first = ask(&gateway, "/", &[]).await;
    let second = ask(&gateway, "/", &[]).await;
    assert_eq!((second.text(), service.count()), (first.text(), 1));
    assert_eq!(second.header("x-own"), Some("1"));
    assert_eq!(super::told(&second).split(';').next(), Some("n"));
}

#[tokio::test]
async fn the_cache_has_no_more_bytes_than_it_may() {
    let service = Backend::start(|_| Reply::new(200, "x".repeat(50_000))).await;
    let objects = of_route(&service, "cache: { ttl: 60s }");
    let gateway = Gateway::start_with("cache: { max_bytes: 1048576 }\n", &objects).await;
    let mut client = gateway.client().await;
    for n in 0..60 {
        assert_eq!(client.get(&format!("/{n}")).await.body.len(), 50_000);
    }
    let bytes = gateway.metric("gateway_cache_bytes", &[]).await;
    assert!(bytes > 0.0 && bytes <= 1_048_576.0, "{bytes}");
}
