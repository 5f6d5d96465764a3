//! The order of calls: a node is asked as soon as those it reads are done, all others at once, and nobody waits for strangers.

use std::time::{Duration, Instant};

use super::manual::Manual;
use super::{assert_answer, item, over, with_json};
use crate::support::{Backend, Client, Gateway, Reply, clusters};

#[tokio::test]
async fn nodes_that_read_no_other_are_asked_at_the_same_time() {
    let service = Manual::start().await;
    let names: Vec<String> = (0..32).map(|n| format!("n{n}")).collect();
    let nodes: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let gateway = over(service.address(), &nodes, "").await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    service.until_waiting(32).await;
    for name in names.iter().rev() {
        service
            .asked(&format!("/{name}"))
            .await
            .answer(&format!("{{\"is\":\"{name}\"}}"))
            .await;
    }
    let response = client.read_response("GET").await.unwrap();
    let members: Vec<_> = names
        .iter()
        .map(|name| format!("\"{name}\":{{\"is\":\"{name}\"}}"))
        .collect();
    assert_eq!(response.text(), format!("{{{}}}", members.join(",")));
}

/// `second` reads `first` by these members; it has to be asked for `target` once `first` is done, while `other` is not.
async fn second_waits_for_first(second: &str, method: &str, target: &str) {
    let service = Manual::start().await;
    // The one that waits is listed first: the order of calls is not that of the list.
    let nodes = [("second", second), ("other", ""), ("first", "")];
    let gateway = over(service.address(), &nodes, "").await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    let first = service.asked("/first").await;
    let other = service.asked("/other").await;
    assert_eq!(service.waiting(), [""; 0], "{second}");
    first.answer("{\"n\":7}").await;
    let asked = service.asked(target).await;
    assert!(asked.head.starts_with(method), "{second}: {}", asked.head);
    asked.answer("2").await;
    other.answer("3").await;
    let response = client.read_response("GET").await.unwrap();
    let all = "second;status=200, other;status=200, first;status=200";
    assert_answer(
        &response,
        200,
        "{\"second\":2,\"other\":3,\"first\":{\"n\":7}}",
        all,
    );
}

#[tokio::test]
async fn a_node_is_asked_as_soon_as_the_one_its_url_reads_is_done() {
    second_waits_for_first("url: \"/n/{node.first.n}\"", "GET", "/n/7").await;
}

#[tokio::test]
async fn a_node_is_asked_as_soon_as_the_one_its_headers_read_is_done() {
    second_waits_for_first("headers: { x-n: \"{node.first.n}\" }", "GET", "/second").await;
}

#[tokio::test]
async fn a_node_is_asked_as_soon_as_the_one_its_body_reads_is_done() {
    second_waits_for_first("method: POST, body: { n: \"{node.first.n}\" }", "POST", "/second").await;
}

#[tokio::test]
async fn a_node_is_asked_as_soon_as_the_one_its_condition_reads_is_done() {
    second_waits_for_first("when: node.first.n == 7", "GET", "/second").await;
}

#[tokio::test]
async fn a_node_that_reads_two_waits_for_both() {
    let service = Manual::start().await;
    let nodes = [
        ("a", ""),
        ("b", "url: \"/b/{node.a}\""),
        ("c", "url: \"/c/{node.a}\""),
        ("d", "url: \"/d/{node.b}/{node.c}\""),
    ];
    let gateway = over(service.address(), &nodes, "merge: list").await;
    for (early, late) in [("b", "c"), ("c", "b")] {
        let mut client = gateway.client().await;
        client.send_request("GET", "/", &[], b"").await.unwrap();
        service.asked("/a").await.answer("1").await;
        let late = service.asked(&format!("/{late}/1")).await;
        service.asked(&format!("/{early}/1")).await.answer("2").await;
        assert_eq!(service.waiting(), [""; 0]);
        late.answer("2").await;
        service.asked("/d/2/2").await.answer("3").await;
        assert_eq!(client.read_response("GET").await.unwrap().text(), "[1,2,2,3]");
    }
}

/// A service that answers `/N` with N after so many milliseconds.
async fn taking_its_time() -> Backend {
    Backend::start(|request| {
        let ms: u64 = request.target[1..].parse().unwrap();
        with_json(&ms.to_string()).after(Duration::from_millis(ms))
    })
    .await
}

async fn time(gateway: &Gateway) -> Duration {
    assert_eq!(gateway.get("/").await.status, 200);
    let start = Instant::now();
    assert_eq!(gateway.get("/").await.text(), "[100,200,300]");
    start.elapsed()
}

#[tokio::test]
async fn independent_nodes_take_as_long_as_the_slowest() {
    let service = taking_its_time().await;
    let nodes = [("a", "url: /100"), ("b", "url: /200"), ("c", "url: /300")];
    let gateway = over(service.address(), &nodes, "merge: list").await;
    let took = time(&gateway).await;
    assert!(
        took >= Duration::from_millis(300) && took < Duration::from_millis(550),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_chain_takes_as_long_as_its_nodes_together() {
    let service = taking_its_time().await;
    let nodes = [
        ("a", "url: /100"),
        ("b", "url: /200, when: node.a == 100"),
        ("c", "url: /300, when: node.b == 200"),
    ];
    let gateway = over(service.address(), &nodes, "merge: list").await;
    let took = time(&gateway).await;
    assert!(
        took >= Duration::from_millis(600) && took < Duration::from_millis(1000),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_thousand_aggregations_that_wait_do_not_delay_another_one() {
    let (slow, fast) = (Manual::start().await, Backend::start(|_| with_json("1")).await);
    let objects = clusters(&[("slow", slow.address()), ("fast", fast.address())])
        + "aggregations:\n"
        + &item(
            "slow",
            &[("s", "cluster: slow"), ("f", "cluster: fast")],
            "match: { path: /slow }",
        )
        + &item(
            "fast",
            &[("f", "cluster: fast"), ("g", "cluster: fast")],
            "match: { path: /fast }",
        );
    let gateway = Gateway::start(&objects).await;
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..1000 {
        let mut client = gateway.client().await;
        client.send_request("GET", "/slow", &[], b"").await.unwrap();
        clients.push(client);
    }
    slow.until_waiting(1000).await;
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(gateway.get("/fast").await.text(), "{\"f\":1,\"g\":1}");
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    for _ in 0..clients.len() {
        slow.asked("/s").await.answer("0").await;
    }
    for client in &mut clients {
        assert_eq!(
            client.read_response("GET").await.unwrap().text(),
            "{\"s\":0,\"f\":1}"
        );
    }
}

#[tokio::test]
async fn one_request_after_the_other_uses_the_same_connections() {
    let service = Backend::start(|_| Reply::new(200, "1")).await;
    let gateway = over(service.address(), &[("x", ""), ("y", "")], "").await;
    for _ in 0..20 {
        assert_eq!(gateway.get("/").await.text(), "{\"x\":1,\"y\":1}");
    }
    assert_eq!(
        (service.count(), service.connections() <= 3),
        (40, true),
        "{}",
        service.connections()
    );
}
