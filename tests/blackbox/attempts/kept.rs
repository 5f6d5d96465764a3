//! Backends that close idle connections, which they may at any moment and without a word.

use std::collections::HashSet;
use std::time::Duration;

use crate::objects::{assert_refused, one_cluster};
use crate::support::{Backend, Gateway, Load, Plan, Reply, Report};

/// Mixed GETs and POSTs, each with a target of its own; POSTs carry a body.
async fn mixed(gateway: &Gateway, requests: u64, connections: u32) -> Report {
    let plan = Plan::new(gateway.address(), |n| {
        if n % 2 == 0 {
            format!("GET /{n} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes()
        } else {
            format!("POST /{n} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").into_bytes()
        }
    });
    let load = Load::start(plan.rate(3000).connections(connections));
    while load.report().sent < requests {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    load.stop().await
}

fn assert_no_post_twice(backend: &Backend) {
    let mut seen = HashSet::new();
    for request in backend.requests() {
        let first = seen.insert(request.target.clone());
        assert!(first || request.method == "GET", "{} came twice", request.target);
        assert!(request.method == "GET" || request.body == b"hello", "{request:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_and_no_post_comes_twice_when_idle_connections_are_closed_at_random() {
    let backend = Backend::text("ok").await;
    backend.close_idle(0.5, Duration::from_millis(10));
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", "")).await;
    let report = mixed(&gateway, 4000, 16).await;
    report.assert_all(200);
    assert_no_post_twice(&backend);
    assert!(backend.connections() > 200, "{}", backend.connections());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_when_every_connection_is_closed_right_after_its_answer() {
    let backend = Backend::text("ok").await;
    backend.close_after(1);
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", "")).await;
    // Of a server not known to do that, the very first POST on a kept connection can be lost to it, and is not sent twice.
    let mut client = gateway.client().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let report = mixed(&gateway, 1500, 4).await;
    report.assert_all(200);
    assert_no_post_twice(&backend);
}

#[tokio::test]
async fn a_post_that_arrived_is_not_sent_again_whatever_the_backend_does_with_the_connection() {
    for drop in [Reply::close(), Reply::reset()] {
        let backend = Backend::start(move |request| match request.method.as_str() {
            "GET" => Reply::new(200, "ok"),
            _ => drop.clone(),
        })
        .await;
        let gateway = Gateway::start(&one_cluster(&[backend.address()], "retry: {}", "")).await;
        let mut client = gateway.client().await;
        for round in 1..=20 {
            client.get("/").await;
            let answer = client.request("POST", "/", &[], b"hello").await.unwrap();
            assert_refused(&answer, 502, "bad_answer");
            assert_eq!(backend.count(), 2 * round);
        }
    }
}

#[tokio::test]
async fn an_idle_connection_is_used_again() {
    let backend = Backend::text("ok").await;
    let gateway = Gateway::start_with("threads: 1\n", &one_cluster(&[backend.address()], "", "")).await;
    let mut client = gateway.client().await;
    for _ in 0..50 {
        client.get("/").await;
    }
    assert_eq!((backend.count(), backend.connections()), (50, 1));
}
