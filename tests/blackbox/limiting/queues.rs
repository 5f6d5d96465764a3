//! Waiting for a slot instead of being refused.

use std::time::{Duration, Instant};

use crate::objects::{assert_refused, one_cluster};
use crate::support::{Backend, Client, Gateway, Reply, eventually};

const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway with one slot and this queue at that level, in front of a backend that takes so long.
async fn queued(level: &str, queue: &str, pause: Duration) -> (Gateway, Backend) {
    let backend = Backend::start(move |_| Reply::new(200, "ok").after(pause)).await;
    let limit = format!("limit: {{ max_in_flight: 1, queue: {{ {queue} }} }}");
    (at_level(level, &limit, &backend).await, backend)
}

/// A gateway with this limit at that level.
async fn at_level(level: &str, limit: &str, backend: &Backend) -> Gateway {
    let at = |which: &str, after: &str| match which == level {
        true => format!("{limit}{after}"),
        false => String::new(),
    };
    let objects = one_cluster(&[backend.address()], &at("cluster", ""), &at("route", ""));
    let objects = objects.replace("- { id: s0,", &format!("- {{ id: s0, {}", at("server", ",")));
    Gateway::start_with(&at("proxy", "\n"), &objects).await
}

async fn sent(gateway: &Gateway) -> Client {
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    client
}

#[tokio::test]
async fn at_every_level_requests_wait_for_a_slot_one_after_the_other() {
    for level in ["server", "cluster", "route", "proxy"] {
        let (gateway, backend) = queued(level, "size: 10, wait: 5s", Duration::from_millis(40)).await;
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(sent(&gateway).await);
        }
        for client in &mut clients {
            assert_eq!(client.read_response("GET").await.unwrap().status, 200, "{level}");
        }
        assert_eq!(backend.count(), 5, "{level}");
    }
}

#[tokio::test]
async fn who_comes_when_the_queue_is_full_is_refused_at_once_and_counted_where_the_queue_is() {
    for (level, of) in [
        ("server", "servers"),
        ("cluster", "clusters"),
        ("route", "routes"),
    ] {
        full(level, of).await;
    }
}

async fn full(level: &str, of: &str) {
    let (gateway, backend) = queued(level, "size: 2, wait: 5s", Duration::from_millis(300)).await;
    let mut first = sent(&gateway).await;
    eventually("it has arrived", PATIENCE, || async { backend.count() == 1 }).await;
    let mut waiting = [sent(&gateway).await, sent(&gateway).await];
    eventually("both wait", PATIENCE, || async {
        gateway.status().await[of][0]["limit"]["waiting"] == 2
    })
    .await;
    assert_refused(&gateway.get("/").await, 429, "rate_limited");
    assert_eq!(gateway.status().await[of][0]["limit"]["refused"], 1, "{level}");
    assert_eq!(first.read_response("GET").await.unwrap().status, 200);
    for client in &mut waiting {
        assert_eq!(client.read_response("GET").await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_queue_of_a_limit_that_is_only_watched_holds_nobody_up() {
    for level in ["server", "cluster", "route", "proxy"] {
        let backend = Backend::start(|_| Reply::hang()).await;
        let limit = "limit: { max_in_flight: 1, mode: shadow, queue: { size: 5, wait: 20s } }";
        let gateway = at_level(level, limit, &backend).await;
        let _first = sent(&gateway).await;
        eventually("it has arrived", PATIENCE, || async { backend.count() == 1 }).await;
        backend.script(|_| Reply::new(200, "ok"));
        let start = Instant::now();
        assert_eq!(gateway.get("/").await.status, 200, "{level}");
        assert!(start.elapsed() < Duration::from_secs(5), "{level}");
    }
}

#[tokio::test]
async fn who_has_waited_long_enough_is_refused() {
    for level in ["server", "cluster", "route"] {
        let (gateway, _backend) = queued(level, "size: 2, wait: 100ms", Duration::from_secs(3)).await;
        let _first = sent(&gateway).await;
        eventually("the slot is taken", PATIENCE, || async {
            gateway.status().await["servers"][0]["in_flight"] == 1
        })
        .await;
        let start = Instant::now();
        assert_refused(&gateway.get("/").await, 429, "rate_limited");
        assert!(start.elapsed() >= Duration::from_millis(100), "{level}");
    }
}

#[tokio::test]
async fn nobody_waits_longer_than_the_whole_request_may_take() {
    let backend = Backend::start(|_| Reply::hang()).await;
    let cluster = "timeout: { total: 150ms }, limit: { max_in_flight: 1, queue: { size: 5, wait: 20s } }";
    let gateway = Gateway::start(&one_cluster(&[backend.address()], cluster, "")).await;
    let start = Instant::now();
    let mut clients = [sent(&gateway).await, sent(&gateway).await];
    for client in &mut clients {
        let status = client.read_response("GET").await.unwrap().status;
        assert!(matches!(status, 429 | 504), "{status}");
    }
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_waits_gives_its_place_up() {
    let (gateway, backend) = queued("cluster", "size: 1, wait: 20s", Duration::from_secs(2)).await;
    let mut first = sent(&gateway).await;
    eventually("it has arrived", PATIENCE, || async { backend.count() == 1 }).await;
    let waiting = async |expected: u64| {
        eventually("so many wait", PATIENCE, || async {
            gateway.status().await["clusters"][0]["limit"]["waiting"] == expected
        })
        .await;
    };
    for _ in 0..3 {
        let gone = sent(&gateway).await;
        waiting(1).await;
        drop(gone);
        waiting(0).await;
    }
    let mut last = sent(&gateway).await;
    assert_eq!(first.read_response("GET").await.unwrap().status, 200);
    assert_eq!(last.read_response("GET").await.unwrap().status, 200);
    assert_eq!(backend.count(), 2);
}
