//! When a request is sent again, and when never.

use std::time::Duration;

use crate::objects::{assert_refused, one_cluster};
use crate::support::{Backend, Gateway, Received, Reply};

const IDEMPOTENT: [&str; 5] = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"];
const RETRY: &str = "timeout: { first_byte: 100ms }, retry: { attempts: 2, budget_percent: 100 }";

/// What goes wrong, and what the client hears if that is the last word.
fn troubles() -> [(&'static str, Reply, u16); 6] {
    [
        ("503", Reply::new(503, "busy"), 503),
        ("502", Reply::new(502, "gone"), 502),
        ("reset", Reply::reset(), 502),
        ("close", Reply::close(), 502),
        ("garbage", Reply::garbage(), 502),
        ("timeout", Reply::hang(), 504),
    ]
}

/// One server that does this, and one that is well.
async fn bad_and_good(reply: Reply) -> [Backend; 2] {
    [
        Backend::start(move |_| reply.clone()).await,
        Backend::text("good").await,
    ]
}

async fn gateway_for(backends: &[Backend], cluster: &str, route: &str) -> Gateway {
    let addresses: Vec<_> = backends.iter().map(Backend::address).collect();
    Gateway::start(&one_cluster(&addresses, cluster, route)).await
}

fn arrived(backends: &[Backend]) -> u64 {
    backends.iter().map(Backend::count).sum()
}

#[tokio::test]
async fn an_idempotent_request_that_fails_goes_to_another_server() {
    for (trouble, reply, _) in troubles() {
        let backends = bad_and_good(reply).await;
        let gateway = gateway_for(&backends, RETRY, "").await;
        let mut client = gateway.client().await;
        for method in IDEMPOTENT {
            for _ in 0..2 {
                let answer = client.request(method, "/", &[], b"").await.unwrap();
                assert_eq!(answer.status, 200, "{method} after {trouble}");
            }
        }
        assert_eq!(backends[1].count(), 10, "{trouble}");
        assert_eq!(backends[0].count(), 5, "{trouble}");
    }
}

#[tokio::test]
async fn a_post_or_patch_is_never_sent_twice() {
    for (trouble, reply, status) in troubles() {
        let backends = bad_and_good(reply).await;
        let gateway = gateway_for(&backends, RETRY, "").await;
        let mut client = gateway.client().await;
        for method in ["POST", "PATCH"] {
            let mut statuses = Vec::new();
            for _ in 0..2 {
                statuses.push(client.request(method, "/", &[], b"x").await.unwrap().status);
            }
            statuses.sort_unstable();
            assert_eq!(statuses, [200, status], "{method} after {trouble}");
        }
        assert_eq!(arrived(&backends), 4, "{trouble}");
    }
}

#[tokio::test]
async fn other_methods_are_sent_again_where_the_configuration_says_so() {
    let retry = "timeout: { first_byte: 100ms }, retry: { budget_percent: 100, methods: [POST] }";
    for (trouble, reply, status) in troubles() {
        let backends = bad_and_good(reply).await;
        let gateway = gateway_for(&backends, retry, "").await;
        let mut client = gateway.client().await;
        for _ in 0..2 {
            let answer = client.request("POST", "/", &[], b"x").await.unwrap();
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (200, "good"),
                "{trouble}"
            );
        }
        let mut statuses = Vec::new();
        for _ in 0..2 {
            statuses.push(client.request("PATCH", "/", &[], b"x").await.unwrap().status);
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, status], "{trouble}");
    }
}

#[tokio::test]
async fn a_post_of_which_nothing_was_sent_goes_to_another_server() {
    let backends = [Backend::refusing().await, Backend::text("good").await];
    let gateway = gateway_for(&backends, "retry: { budget_percent: 100 }", "").await;
    for _ in 0..4 {
        let answer = gateway
            .client()
            .await
            .request("POST", "/", &[], b"x")
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
    }
    assert_eq!(backends[1].count(), 4);
}

#[tokio::test]
async fn only_what_is_listed_is_followed_by_another_attempt() {
    let lists = [
        ("connect", "none"),
        ("timeout", "timeout"),
        ("503", "503"),
        ("502", "502 reset close garbage"),
    ];
    for (on, covered) in lists {
        for (trouble, reply, _) in troubles() {
            let backends = bad_and_good(reply).await;
            let cluster =
                format!("timeout: {{ first_byte: 100ms }}, retry: {{ on: [{on}], budget_percent: 100 }}");
            let gateway = gateway_for(&backends, &cluster, "").await;
            let mut client = gateway.client().await;
            let mut good = 0;
            for _ in 0..2 {
                good += u32::from(client.get("/").await.status == 200);
            }
            let expected = if covered.split(' ').any(|word| word == trouble) {
                2
            } else {
                1
            };
            assert_eq!(good, expected, "on: [{on}] and {trouble}");
        }
    }
}

#[tokio::test]
async fn without_a_rule_a_request_is_sent_once() {
    for (trouble, reply, status) in troubles() {
        let backends = bad_and_good(reply).await;
        let gateway = gateway_for(&backends, "timeout: { first_byte: 100ms }", "").await;
        let mut statuses = Vec::new();
        for _ in 0..2 {
            statuses.push(gateway.get("/").await.status);
        }
        statuses.sort_unstable();
        assert_eq!(
            (statuses, arrived(&backends)),
            (vec![200, status], 2),
            "{trouble}"
        );
    }
}

#[tokio::test]
async fn no_server_is_tried_twice_while_another_is_left() {
    for balance in ["round_robin", "random", "least_request", "ip_hash"] {
        let mut backends = Vec::new();
        for _ in 0..4 {
            backends.push(Backend::start(|_| Reply::new(503, "busy")).await);
        }
        let cluster = format!("load_balance: {balance}, retry: {{ attempts: 4, budget_percent: 100 }}");
        let gateway = gateway_for(&backends, &cluster, "").await;
        assert_eq!(
            gateway.get("/").await.text(),
            "busy",
            "the last answer is passed on"
        );
        let counts: Vec<_> = backends.iter().map(Backend::count).collect();
        assert_eq!(counts, [1; 4], "{balance}");
    }
}

#[tokio::test]
async fn when_every_server_was_tried_attempts_go_on_until_they_are_used_up() {
    let backends = bad_and_good(Reply::new(503, "busy")).await;
    backends[1].script(|_| Reply::reset());
    let gateway = gateway_for(&backends, "retry: { attempts: 5, budget_percent: 100 }", "").await;
    // Three retries a second are free of the budget, the fourth is its hundred percent of one request.
    let status = gateway.get("/").await.status;
    assert!([502, 503].contains(&status), "{status}");
    assert!((4..=5).contains(&arrived(&backends)), "{}", arrived(&backends));
}

#[tokio::test]
async fn when_no_attempt_is_left_the_last_failure_is_told() {
    let backends = [Backend::refusing().await, Backend::refusing().await];
    let gateway = gateway_for(&backends, "retry: { attempts: 3 }", "").await;
    assert_refused(&gateway.get("/").await, 502, "connect_failed");
}

/// The first request at either backend gets a 503, all others an echo.
async fn fails_once() -> [Backend; 2] {
    let first = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let script = move |request: &Received| {
        if first.swap(false, std::sync::atomic::Ordering::Relaxed) {
            Reply::new(503, "busy")
        } else {
            Reply::new(200, request.body.clone())
        }
    };
    [Backend::start(script.clone()).await, Backend::start(script).await]
}

#[tokio::test]
async fn bodies_up_to_64_kib_are_replayed_intact() {
    for length in [1, 4096, 65_535, 65_536] {
        let body: Vec<u8> = (0..length).map(|_| fastrand::u8(..)).collect();
        let backends = fails_once().await;
        let gateway = gateway_for(&backends, RETRY, "").await;
        let answer = gateway
            .client()
            .await
            .request("PUT", "/", &[], &body)
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{length}");
        assert!(answer.body == body, "{length}");
        for backend in &backends {
            assert!(backend.last().body == body, "{length}");
            assert!(backend.faults().is_empty());
        }
    }
}

#[tokio::test]
async fn chunked_bodies_are_replayed_intact() {
    let backends = fails_once().await;
    let gateway = gateway_for(&backends, RETRY, "").await;
    let mut client = gateway.client().await;
    client
        .send("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.read_response("PUT").await.unwrap().text(), "hello world");
    assert_eq!(arrived(&backends), 2);
}

#[tokio::test]
async fn larger_bodies_are_not_sent_again() {
    let body = vec![b'x'; 65_537];
    let backends = fails_once().await;
    let gateway = gateway_for(&backends, RETRY, "").await;
    let answer = gateway
        .client()
        .await
        .request("PUT", "/", &[], &body)
        .await
        .unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (503, "busy"));
    assert_eq!(arrived(&backends), 1);
}

#[tokio::test]
async fn the_routes_rule_replaces_the_clusters() {
    let backends = bad_and_good(Reply::new(503, "busy")).await;
    let gateway = gateway_for(&backends, "", "retry: { budget_percent: 100 }").await;
    for _ in 0..4 {
        assert_eq!(gateway.get("/").await.status, 200);
    }
    let gateway = gateway_for(&backends, RETRY, "retry: { on: [connect] }").await;
    let mut statuses = Vec::new();
    for _ in 0..2 {
        statuses.push(gateway.get("/").await.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
}

#[tokio::test]
async fn a_retried_request_is_the_same_request() {
    let backends = fails_once().await;
    backends[0].script(|_| Reply::new(503, "busy"));
    backends[1].script(Reply::echo);
    let gateway = gateway_for(&backends, RETRY, "").await;
    let headers = [("X-A", "1"), ("X-Request-Id", "one-and-the-same")];
    let mut client = gateway.client().await;
    while backends[0].count() == 0 {
        client
            .request("PUT", "/a%20b?c=d", &headers, b"body")
            .await
            .unwrap();
    }
    let (first, second) = (backends[0].last(), backends[1].last());
    assert_eq!(
        (&first.target, &first.headers, &first.body),
        (&second.target, &second.headers, &second.body)
    );
    tokio::time::timeout(Duration::from_secs(5), client.get("/"))
        .await
        .unwrap();
}
