//! Every kind of framing, towards every kind of client.

use std::time::Duration;

use super::in_front_of;
use crate::support::{Backend, Client, Gateway, Reply, Step};

async fn raw(answer: &'static str) -> (Backend, Gateway) {
    let backend = Backend::start(move |_| Reply::raw(answer)).await;
    let gateway = in_front_of(&backend).await;
    (backend, gateway)
}

/// Sends these bytes and gives everything that comes until the gateway closes.
async fn conversation(gateway: &Gateway, bytes: &str) -> String {
    let mut client = gateway.client().await;
    client.send(bytes).await.unwrap();
    String::from_utf8(client.read_to_end().await.unwrap()).unwrap()
}

#[tokio::test]
async fn head_is_answered_with_the_length_and_without_the_body() {
    let (_backend, gateway) = raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
    let mut client = gateway.client().await;
    for _ in 0..3 {
        let answer = client.request("HEAD", "/", &[], b"").await.unwrap();
        assert_eq!(
            (answer.status, answer.header("content-length")),
            (200, Some("1000"))
        );
        assert!(answer.keeps_alive());
    }
}

#[tokio::test]
async fn head_of_a_chunked_answer_ends_with_its_head() {
    let (_backend, gateway) = raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut client = gateway.client().await;
    for _ in 0..3 {
        let answer = client.request("HEAD", "/", &[], b"").await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-length").is_none());
    }
}

#[tokio::test]
async fn no_content_and_not_modified_have_no_body_and_keep_the_connection() {
    for answer in [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let (backend, gateway) = raw(answer).await;
        let mut client = gateway.client().await;
        for _ in 0..3 {
            let got = client.get("/").await;
            assert_eq!(
                Some(got.status.to_string().as_str()),
                answer.split(' ').nth(1),
                "{answer}"
            );
            assert!(got.body.is_empty() && got.keeps_alive(), "{answer}: {got:?}");
        }
        assert_eq!(backend.connections(), 1, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_chunked_for_the_client() {
    let backend = Backend::start(|_| Reply::raw("HTTP/1.1 200 OK\r\n\r\nhello").then(Step::Close)).await;
    let gateway = in_front_of(&backend).await;
    let mut client = gateway.client().await;
    for _ in 0..3 {
        let answer = client.get("/").await;
        assert_eq!(
            (answer.text().as_str(), answer.header("transfer-encoding")),
            ("hello", Some("chunked"))
        );
    }
    assert_eq!(backend.connections(), 3);
}

#[tokio::test]
async fn an_http_1_0_answer_is_passed_on() {
    let backend =
        Backend::start(|_| Reply::raw("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello").then(Step::Close))
            .await;
    let gateway = in_front_of(&backend).await;
    let mut client = gateway.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.text(), "hello");
    }
}

#[tokio::test]
async fn an_http_1_0_client_gets_no_chunks_and_its_connection_is_closed() {
    for reply in [
        Reply::chunked(200, &[], &[b"hello", b" world"], Duration::ZERO),
        Reply::raw("HTTP/1.1 200 OK\r\n\r\nhello world").then(Step::Close),
        Reply::new(200, "hello world"),
    ] {
        let backend = Backend::start(move |_| reply.clone()).await;
        let gateway = in_front_of(&backend).await;
        for more in ["", "Host: x\r\n"] {
            let text = conversation(&gateway, &format!("GET / HTTP/1.0\r\n{more}\r\n")).await;
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(!head.to_lowercase().contains("transfer-encoding"), "{text}");
            assert!(!head.to_lowercase().contains("keep-alive"), "{text}");
            assert_eq!(body, "hello world");
        }
    }
}

#[tokio::test]
async fn an_http_1_0_client_may_keep_its_connection_where_the_length_is_known() {
    let backend = Backend::text("hello").await;
    let gateway = in_front_of(&backend).await;
    let mut client = gateway.client().await;
    for _ in 0..3 {
        client
            .send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(client.read_response("GET").await.unwrap().text(), "hello");
    }
}

#[tokio::test]
async fn a_client_that_asks_to_close_gets_its_answer_and_the_close() {
    let backend = Backend::text("hello").await;
    let gateway = in_front_of(&backend).await;
    let text = conversation(&gateway, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(
        text.ends_with("\r\n\r\nhello") && text.to_lowercase().contains("connection: close"),
        "{text}"
    );
    // The client's wish is about its own connection.
    gateway.get("/").await;
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn trailers_do_no_harm() {
    let backend = Backend::start(|request| {
        Reply::raw(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n{:x}\r\n{}\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n",
            request.body.len(),
            String::from_utf8_lossy(&request.body),
        ))
    })
    .await;
    let gateway = in_front_of(&backend).await;
    let mut client = gateway.client().await;
    for _ in 0..3 {
        client
            .send(
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Mine\r\n\r\n\
                 5\r\nhello\r\n0\r\nX-Mine: 1\r\nX-Other: 2\r\n\r\n",
            )
            .await
            .unwrap();
        assert_eq!(client.read_response("POST").await.unwrap().text(), "hello");
    }
    assert_eq!((backend.connections(), backend.faults()), (1, vec![]));
}

#[tokio::test]
async fn chunk_extensions_and_odd_chunk_sizes_do_no_harm() {
    let backend = Backend::echo().await;
    let gateway = in_front_of(&backend).await;
    let mut client = gateway.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0005;a=b\r\nhello\r\nA\r\n0123456789\r\n000\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(
        client.read_response("POST").await.unwrap().json()["body"],
        "hello0123456789"
    );
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn a_get_may_have_a_body_and_a_post_none() {
    let backend = Backend::echo().await;
    let gateway = in_front_of(&backend).await;
    let mut client = gateway.client().await;
    let answer = client.request("GET", "/", &[], b"asked").await.unwrap();
    assert_eq!(answer.json()["body"], "asked");
    for length in [&[][..], &[("Content-Length", "0")]] {
        assert_eq!(
            client.request("POST", "/", length, b"").await.unwrap().json()["body"],
            ""
        );
        // RFC 9110 §8.6: a method that has a meaning for content says so even when there is none.
        assert_eq!(backend.last().header("transfer-encoding"), None);
    }
}

#[tokio::test]
async fn a_body_cut_short_by_its_client_is_never_passed_on_as_whole() {
    let backend = Backend::echo().await;
    let gateway = in_front_of(&backend).await;
    for head in [
        "Content-Length: 10\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let mut client: Client = gateway.client().await;
        client
            .send(format!("POST / HTTP/1.1\r\nHost: x\r\n{head}"))
            .await
            .unwrap();
        client.finish_sending().await;
        assert!(client.closed().await, "{head}");
    }
    assert!(backend.requests().is_empty(), "{:?}", backend.requests());
}
