//! Traffic by the second, of one server and of the whole proxy, on the manage listener.

use std::time::Duration;

use serde_json::Value;

use crate::objects::one_cluster;
use crate::support::{Backend, Gateway, Reply, eventually, get};

const PATIENCE: Duration = Duration::from_secs(10);

async fn stats(gateway: &Gateway, path: &str) -> Value {
    get(gateway.manage(), path).await.json()["statistics"].clone()
}

/// Waits until the window of the last minute counts so many requests, and gives all that is said.
async fn counted(gateway: &Gateway, path: &str, requests: u64) -> Value {
    let path = format!("{path}?seconds=60");
    eventually("the seconds are over", PATIENCE, || async {
        stats(gateway, &path).await["window"]["requests"] == requests
    })
    .await;
    stats(gateway, &path).await
}

fn sum(column: &Value) -> u64 {
    column
        .as_array()
        .unwrap()
        .iter()
        .map(|count| count.as_u64().unwrap())
        .sum()
}

#[tokio::test]
async fn requests_failures_and_latencies_are_told_by_the_second() {
    let backend = Backend::start(|request| match request.target.as_str() {
        "/bad" => Reply::new(500, "no"),
        _ => Reply::new(200, "ok").after(Duration::from_millis(30)),
    })
    .await;
    let objects = one_cluster(&[backend.address()], "", "match: { path: \"/*\" }");
    let objects = objects
        + "- { id: closed, match: { path: /closed }, limit: { rate: 1/1h, burst: 1 }, filters: [{ reply: { body: x } }] }\n";
    let gateway = Gateway::start(&objects).await;
    let mut client = gateway.client().await;
    for target in ["/good", "/good", "/good", "/bad", "/closed", "/closed"] {
        client.get(target).await;
    }
    let server = counted(&gateway, "/servers/s0/stats", 4).await;
    let window = &server["window"];
    for (key, expected) in [
        ("successes", 3),
        ("failures", 1),
        ("cancelled", 0),
        ("refusals", 0),
    ] {
        assert_eq!(window[key], expected, "{key}: {window}");
        assert_eq!(sum(&server["series"][key]), expected, "{key}");
    }
    let latency = |key: &str| window["latency_ms"][key].as_f64().unwrap();
    assert!(
        latency("minimum") < 30.0 && latency("maximum") >= 30.0,
        "{window}"
    );
    assert!(
        latency("p99") >= 30.0 * 0.98 && latency("p99") <= latency("maximum"),
        "{window}"
    );
    assert!((latency("minimum")..latency("maximum")).contains(&latency("average")));
    // The proxy as a whole: what it answered itself is in there, what it refused is told apart.
    let proxy = counted(&gateway, "/stats", 5).await;
    let window = &proxy["window"];
    let of = |key: &str| window[key].as_u64().unwrap();
    assert_eq!(
        (of("successes"), of("failures"), of("refusals")),
        (4, 1, 1),
        "{window}"
    );
}

#[tokio::test]
async fn seconds_without_requests_have_no_latency() {
    let backend = Backend::text("ok").await;
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", "")).await;
    assert_eq!(gateway.get("/").await.status, 200);
    let server = counted(&gateway, "/servers/s0/stats", 1).await;
    let series = &server["series"];
    let requests = series["requests"].as_array().unwrap();
    let p50 = series["p50_ms"].as_array().unwrap();
    assert_eq!(requests.len(), p50.len());
    for (requests, p50) in requests.iter().zip(p50) {
        assert_eq!(*requests == 0, p50.is_null(), "{series}");
    }
    assert_eq!(series["step_seconds"], 1);
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_with_what_can() {
    let gateway = Gateway::start("{}\n").await;
    for query in ["seconds=0", "seconds=901", "seconds=x", "seconds=-1"] {
        let answer = get(gateway.manage(), &format!("/stats?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains("from 1 to 900"), "{}", answer.text());
    }
    let answer = get(gateway.manage(), "/servers/nobody/stats").await;
    assert_eq!(answer.status, 404);
    assert_eq!(get(gateway.manage(), "/stats?seconds=900").await.status, 200);
}
