//! Bounds: what answers may take of memory, and how many calls may be under way.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::manual::Manual;
use super::{aggregation, over, with_json};
use crate::support::{Backend, Gateway, clusters};

/// A service whose every answer goes on for as long as it is read.
async fn endless() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let chunk = [b"4000\r\n".as_slice(), &[b'1'; 0x4000], b"\r\n"].concat();
                let mut sent = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                    .await;
                while sent.is_ok() {
                    sent = stream.write_all(&chunk).await;
                }
            });
        }
    });
    address
}

/// The most memory the process has had, in MiB.
fn peak_mib(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() / 1024
}

/// Fifty clients at once ask for answers that never end; all are refused and the memory stays within the bound.
async fn fifty_endless_answers(startup: &str, members: &str, words: &[&str]) {
    let service = endless().await;
    let objects = clusters(&[("b", service)]) + &aggregation(&[("a", ""), ("b", "url: /2")], members);
    let gateway = Gateway::start_with(startup, &objects).await;
    let clients = (0..50).map(|_| gateway.get("/"));
    for response in futures::future::join_all(clients).await {
        let told = super::told(&response);
        assert_eq!(response.status, 502, "{response:?}");
        assert!(
            words.iter().any(|word| told.contains(&format!("error={word}"))),
            "{told}"
        );
    }
    assert!(peak_mib(&gateway) < 150, "{} MiB", peak_mib(&gateway));
    assert_eq!(gateway.metric("gateway_aggregation_held_bytes", &[]).await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_answers_take_no_more_memory_than_a_node_may() {
    fifty_endless_answers("", "max_bytes: 524288", &["too_large"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_answers_take_no_more_memory_than_all_aggregations_may() {
    let startup = "aggregation: { max_bytes: 33554432 }\n";
    fifty_endless_answers(startup, "", &["overloaded", "too_large"]).await;
}

#[tokio::test]
async fn the_bytes_of_all_nodes_together_are_bounded() {
    let service = Backend::start(|request| {
        let length: usize = request.target[1..].parse().unwrap();
        with_json(&format!("\"{}\"", "x".repeat(length - 2)))
    })
    .await;
    for (a, b, members, told) in [
        (
            "url: /600",
            "url: /400",
            "max_bytes: 1000",
            "a;status=200, b;status=200",
        ),
        (
            "url: /600",
            "url: /401, required: false, when: node.a",
            "max_bytes: 1000",
            "a;status=200, b;error=too_large",
        ),
        (
            "url: /600",
            "url: /101, required: false, max_bytes: 100",
            "",
            "a;status=200, b;error=too_large",
        ),
        (
            "url: /600",
            "url: /100, required: false, max_bytes: 100",
            "",
            "a;status=200, b;status=200",
        ),
    ] {
        let gateway = over(service.address(), &[("a", a), ("b", b)], members).await;
        let response = gateway.get("/").await;
        assert_eq!((response.status, super::told(&response).as_str()), (200, told));
    }
}

#[tokio::test]
async fn calls_under_way_are_bounded_for_all_aggregations_together() {
    let service = Manual::start().await;
    let objects = clusters(&[("b", service.address())]) + &aggregation(&[("a", ""), ("c", "")], "");
    let gateway = Gateway::start_with("aggregation: { max_calls: 2 }\n", &objects).await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    service.until_waiting(2).await;
    let response = gateway.get("/").await;
    assert_eq!(response.status, 502);
    assert!(
        super::told(&response).contains("error=overloaded"),
        "{response:?}"
    );
    service.asked("/a").await.answer("1").await;
    service.asked("/c").await.answer("2").await;
    assert_eq!(
        client.read_response("GET").await.unwrap().text(),
        "{\"a\":1,\"c\":2}"
    );
}
