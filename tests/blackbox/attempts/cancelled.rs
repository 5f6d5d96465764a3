//! A client that goes away takes its request with it, and no server is blamed or praised for that.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::objects::{Counted, counted, eventually_counted, one_cluster};
use crate::support::{Client, Gateway, eventually};

const PATIENCE: Duration = Duration::from_secs(10);
const CANCELLED: Counted = Counted {
    in_flight: 0,
    successes: 0,
    failures: 0,
    cancelled: 1,
};

/// A backend under the test's own control, a gateway in front of it, and a client that has sent these bytes.
async fn begun(request: &str) -> (Gateway, Client, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = Gateway::start(&one_cluster(&[listener.local_addr().unwrap()], "", "")).await;
    let mut client = gateway.client().await;
    client.send(request).await.unwrap();
    let (mut upstream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        upstream.read_buf(&mut head).await.unwrap();
    }
    (gateway, client, upstream)
}

/// Reads until the gateway ends the connection.
async fn until_closed(upstream: &mut TcpStream) {
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, upstream.read_to_end(&mut rest)).await;
    // A reset is an end as well.
    let _ = end.expect("the upstream connection is closed");
}

#[tokio::test]
async fn a_client_gone_while_the_server_thinks_ends_the_upstream_request() {
    let (gateway, client, mut upstream) = begun("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(counted(&gateway, "s0").await.in_flight, 1);
    drop(client);
    until_closed(&mut upstream).await;
    eventually_counted(&gateway, CANCELLED).await;
}

#[tokio::test]
async fn a_client_that_resets_ends_the_upstream_request() {
    let (gateway, client, mut upstream) = begun("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.reset();
    until_closed(&mut upstream).await;
    eventually_counted(&gateway, CANCELLED).await;
}

#[tokio::test]
async fn a_client_gone_during_its_upload_ends_the_upstream_request() {
    for head in [
        "Content-Length: 100\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let (gateway, client, mut upstream) = begun(&format!("POST / HTTP/1.1\r\nHost: x\r\n{head}")).await;
        drop(client);
        until_closed(&mut upstream).await;
        eventually_counted(&gateway, CANCELLED).await;
    }
}

#[tokio::test]
async fn a_client_gone_in_the_middle_of_the_answer_ends_the_upstream_request() {
    let (gateway, mut client, mut upstream) = begun("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    upstream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc")
        .await
        .unwrap();
    assert_eq!(client.read_head("GET").await.unwrap().status, 200);
    drop(client);
    until_closed(&mut upstream).await;
    eventually_counted(&gateway, CANCELLED).await;
}

#[tokio::test]
async fn a_client_gone_during_an_endless_answer_ends_the_upstream_request() {
    let (gateway, mut client, mut upstream) = begun("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    upstream
        .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.read_head("GET").await.unwrap().status, 200);
    let endless = tokio::spawn(async move {
        let chunk = [b"1000\r\n".as_slice(), &[b'x'; 4096], b"\r\n"].concat();
        while upstream.write_all(&chunk).await.is_ok() {}
    });
    client.reset();
    tokio::time::timeout(PATIENCE, endless)
        .await
        .expect("the upstream connection ends")
        .unwrap();
    eventually_counted(&gateway, CANCELLED).await;
}

#[tokio::test]
async fn a_cancelled_request_is_no_request_that_got_an_answer() {
    let (gateway, client, mut upstream) = begun("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    drop(client);
    until_closed(&mut upstream).await;
    eventually("counted", PATIENCE, || async {
        gateway
            .metric("gateway_requests_total", &[("route", "r"), ("code", "none")])
            .await
            == 1.0
    })
    .await;
    assert_eq!(gateway.metric("gateway_requests_in_flight", &[]).await, 0.0);
}
