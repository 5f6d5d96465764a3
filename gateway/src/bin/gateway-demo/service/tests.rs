//! A service as its clients see it: over a socket.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Everything a fresh service of this kind sends for these bytes, until it closes.
async fn conversation(kind: Kind, bytes: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let service = Arc::new(Service::new(kind, "127.0.0.1:9001".parse().unwrap()));
    let stream = listener.accept().await.unwrap().0;
    tokio::spawn(async move { service.converse(stream).await });
    client.write_all(bytes.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(kind: Kind, target: &str) -> String {
    conversation(kind, &format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).await
}

#[tokio::test]
async fn each_service_answers_its_records_and_says_who_it_is() {
    for (kind, target, part) in [
        (Kind::Users, "/users", r#""name":"Grace""#),
        (Kind::Users, "/users/1", r#""level":5"#),
        (Kind::Orders, "/orders?user=1", r#""total":58.0"#),
        (Kind::Orders, "/orders/1003", r#""name":"keyboard""#),
        (Kind::Logistics, "/shipments/1002", r#""carrier":"Penny Post""#),
        (Kind::Logistics, "/health", "\r\n\r\nOK"),
    ] {
        let answer = get(kind, target).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(part),
            "{target}: {answer}"
        );
        let signature = format!("x-demo-service: {}@127.0.0.1:9001\r\n", kind.name());
        assert!(answer.contains(&signature), "{answer}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_404_and_what_cannot_be_done_a_405() {
    for target in ["/", "/users/99", "/users/x", "/usersx", "/orders"] {
        assert!(
            get(Kind::Users, target)
                .await
                .starts_with("HTTP/1.1 404 Not Found\r\n"),
            "{target}"
        );
    }
    let answer = conversation(Kind::Users, "DELETE /users/1 HTTP/1.1\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_request_names_its_behaviour_in_query_or_header() {
    assert!(
        get(Kind::Users, "/users?demo=fail:503")
            .await
            .starts_with("HTTP/1.1 503 ")
    );
    assert!(
        get(Kind::Users, "/users?demo=fail%3A502")
            .await
            .starts_with("HTTP/1.1 502 ")
    );
    assert!(
        get(Kind::Users, "/users?demo=slow:1ms")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    assert!(
        get(Kind::Users, "/users?demo=bored")
            .await
            .starts_with("HTTP/1.1 400 ")
    );
    assert_eq!(get(Kind::Users, "/users?demo=close").await, "");
    assert_eq!(get(Kind::Users, "/users?demo=hang").await, "");
    assert!(!get(Kind::Users, "/users?demo=garbage").await.starts_with("HTTP"));
    let answer = conversation(Kind::Users, "GET /users HTTP/1.1\r\nX-Demo: fail:500\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
}

#[tokio::test]
async fn the_whole_process_is_told_over_demo_and_can_be_told_back() {
    let put = |text: &str| {
        let body = format!(r#"{{"behaviour":"{text}"}}"#);
        format!(
            "PUT /demo HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let health = "GET /health HTTP/1.1\r\n\r\n";
    let bytes = format!(
        "{}{health}{}{health}{}",
        put("fail:503"),
        put("normal"),
        put("odd")
    );
    let answers = conversation(Kind::Orders, &bytes).await;
    let statuses: Vec<_> = answers
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &answers[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "503", "200", "200", "400"], "{answers}");
}

#[tokio::test]
async fn head_has_the_length_and_not_the_body() {
    let answer = conversation(Kind::Users, "HEAD /health HTTP/1.1\r\n\r\n").await;
    assert!(
        answer.contains("content-length: 2\r\n") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_posted_body_is_read_and_counted() {
    let bytes = "POST /orders HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let answer = conversation(Kind::Orders, bytes).await;
    assert!(
        answer.contains(" 201 ") && answer.contains(r#""bytes":3"#),
        "{answer}"
    );
}
