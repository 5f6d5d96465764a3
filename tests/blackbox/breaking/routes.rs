//! The breaker of a route: it goes by what became of the route's own requests.

use std::time::Duration;

use serde_json::Value as Json;

use super::PATIENCE;
use crate::objects::{assert_refused, one_cluster};
use crate::support::{Backend, Gateway, Reply, eventually};

const THREE: &str = "breaker: { consecutive_failures: 3, rejecting_for: 1m }";

/// Fails `/bad`, and is well otherwise.
async fn half_bad() -> Backend {
    Backend::start(|request| match request.target.as_str() {
        "/bad" => Reply::new(500, "bad"),
        _ => Reply::new(200, "well"),
    })
    .await
}

/// The route `r` takes `/bad` and has this breaker, `other` takes the rest, and both go to one cluster.
async fn two_routes(backends: &[&Backend], breaker: &str, cluster: &str) -> Gateway {
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address()).collect();
    let route = format!("match: {{ path: /bad }}, {breaker}");
    let other = "- { id: other, match: { path: /* }, to: [{ cluster: c }] }\n";
    Gateway::start(&(one_cluster(&addresses, cluster, &route) + other)).await
}

/// What `/status` says of the breaker of the route `r`.
async fn breaker(gateway: &Gateway) -> Json {
    let status = gateway.status().await;
    let routes = status["routes"].as_array().unwrap();
    routes.iter().find(|route| route["id"] == "r").unwrap()["breaker"].clone()
}

async fn until(gateway: &Gateway, state: &str) {
    eventually(&format!("the route is {state}"), PATIENCE, || async {
        breaker(gateway).await["state"] == state
    })
    .await;
}

#[tokio::test]
async fn a_route_trips_on_its_own_failures_and_other_routes_to_the_cluster_go_on() {
    let backend = half_bad().await;
    let gateway = two_routes(&[&backend], THREE, "").await;
    for _ in 0..3 {
        assert_eq!(gateway.get("/bad").await.status, 500);
        assert_eq!(gateway.get("/good").await.status, 200);
    }
    until(&gateway, "rejecting").await;
    let mut client = gateway.client().await;
    for _ in 0..10 {
        let answer = client.get("/bad").await;
        assert_refused(&answer, 503, "breaker");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((50..=66).contains(&wait), "{wait}");
        assert_eq!(client.get("/good").await.status, 200);
    }
    assert_eq!(
        backend
            .requests()
            .iter()
            .filter(|request| request.target == "/bad")
            .count(),
        3
    );
    assert_eq!(breaker(&gateway).await["refused"], 10);
}

#[tokio::test]
async fn a_route_does_not_trip_on_the_failures_of_other_routes() {
    let backend = Backend::start(|request| match request.target.as_str() {
        "/bad" => Reply::new(200, "well after all"),
        _ => Reply::new(500, ""),
    })
    .await;
    let gateway = two_routes(&[&backend], THREE, "").await;
    for _ in 0..10 {
        assert_eq!(gateway.get("/x").await.status, 500);
    }
    assert_eq!(gateway.get("/bad").await.status, 200);
    assert_eq!(breaker(&gateway).await["transitions"]["rejecting"], 0);
}

#[tokio::test]
async fn a_route_does_not_trip_on_failures_that_a_retry_made_good() {
    let (bad, good) = (half_bad().await, Backend::text("good").await);
    let retry = "retry: { attempts: 2, on: [500], budget_percent: 100 }";
    let gateway = two_routes(&[&bad, &good], THREE, retry).await;
    for _ in 0..10 {
        assert_eq!(gateway.get("/bad").await.status, 200);
    }
    assert!(bad.count() >= 5);
    assert_eq!(breaker(&gateway).await["transitions"]["rejecting"], 0);
}

#[tokio::test]
async fn a_route_trips_on_what_the_gateway_says_for_its_servers() {
    let trouble = [Reply::reset(), Reply::garbage(), Reply::hang()];
    for (reply, status) in trouble.into_iter().zip([502, 502, 504]) {
        let backend = Backend::start(move |_| reply.clone()).await;
        let gateway = two_routes(&[&backend], THREE, "timeout: { first_byte: 50ms }").await;
        for _ in 0..3 {
            assert_eq!(gateway.get("/bad").await.status, status);
        }
        until(&gateway, "rejecting").await;
    }
}

#[tokio::test]
async fn a_route_comes_back_by_probes() {
    let backend = half_bad().await;
    let rules =
        "breaker: { consecutive_failures: 1, rejecting_for: 200ms, probe_percent: 100, probe_successes: 2 }";
    let gateway = two_routes(&[&backend], rules, "").await;
    assert_eq!(gateway.get("/bad").await.status, 500);
    until(&gateway, "probing").await;
    backend.script(|_| Reply::new(200, "well"));
    for _ in 0..2 {
        assert_eq!(gateway.get("/bad").await.status, 200);
    }
    until(&gateway, "passing").await;
}

#[tokio::test]
async fn of_the_requests_to_a_route_probe_percent_go_through() {
    let backend = half_bad().await;
    let rules = "breaker: { consecutive_failures: 1, rejecting_for: 200ms, probe_percent: 20, probe_successes: 1000 }";
    let gateway = two_routes(&[&backend], rules, "").await;
    assert_eq!(gateway.get("/bad").await.status, 500);
    until(&gateway, "probing").await;
    backend.script(|_| Reply::new(200, "well"));
    backend.forget();
    let mut client = gateway.client().await;
    for _ in 0..1000 {
        client.get("/bad").await;
    }
    // 200 expected; five times the standard deviation of 12.6 either way.
    let found = backend.count();
    assert!((137..=263).contains(&found), "{found} of 1000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_recovers_after_clients_left_in_the_middle_of_its_probes() {
    let backend = half_bad().await;
    let rules = "breaker: { consecutive_failures: 1, rejecting_for: 200ms, probe_percent: 100, max_probes: 1, probe_successes: 1 }";
    let gateway = two_routes(&[&backend], rules, "").await;
    assert_eq!(gateway.get("/bad").await.status, 500);
    backend.script(|_| Reply::hang());
    until(&gateway, "probing").await;
    for n in 2..=21 {
        let mut client = gateway.client().await;
        client.send_request("GET", "/bad", &[], b"").await.unwrap();
        eventually("it arrives", PATIENCE, || async { backend.count() == n }).await;
        drop(client);
        eventually("its place is given back", PATIENCE, || async {
            breaker(&gateway).await["probes_in_flight"] == 0
        })
        .await;
    }
    backend.script(|_| Reply::new(200, "").after(Duration::from_millis(1)));
    assert_eq!(gateway.get("/bad").await.status, 200);
    until(&gateway, "passing").await;
}
