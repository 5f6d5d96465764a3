//! Answers that come before the request has ended.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{in_front_of, in_front_of_listener, read_head};
use crate::objects::{Counted, counted, eventually_counted};
use crate::support::{Backend, Reply, Step};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_during_the_upload_reaches_the_client() {
    for framing in ["Content-Length: 16777216", "Transfer-Encoding: chunked"] {
        let (gateway, listener) = in_front_of_listener().await;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await;
            stream
                .write_all(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 8\r\n\r\ntoo much")
                .await
                .unwrap();
            stream.shutdown().await.ok();
            // Open for a while, as who closes with care does, so that a reset does not overtake the answer.
            tokio::time::timeout(Duration::from_secs(2), drain(&mut stream))
                .await
                .ok();
        });
        let (read, mut write) = TcpStream::connect(gateway.address()).await.unwrap().into_split();
        let upload = tokio::spawn(async move {
            let head = format!("POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n");
            write.write_all(head.as_bytes()).await.unwrap();
            let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
            // Until the gateway has had enough of it.
            for _ in 0..1000 {
                if write.write_all(&chunk).await.is_err() {
                    break;
                }
            }
            write
        });
        let mut answer = Vec::new();
        let mut read = read;
        let until_body = async {
            use tokio::io::AsyncReadExt;
            while !answer.ends_with(b"too much") {
                if read.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                    break;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), until_body)
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            text.starts_with("HTTP/1.1 413") && text.ends_with("too much"),
            "{framing}: {text}"
        );
        assert!(text.to_lowercase().contains("connection: close"), "{text}");
        upload.await.unwrap();
        server.await.unwrap();
        eventually_counted(
            &gateway,
            Counted {
                successes: 1,
                ..Counted::default()
            },
        )
        .await;
    }
}

async fn drain(stream: &mut TcpStream) {
    use tokio::io::AsyncReadExt;
    let mut part = vec![0; 65_536];
    while matches!(stream.read(&mut part).await, Ok(1..)) {}
}

#[tokio::test]
async fn an_answer_before_the_body_is_delivered_at_once() {
    let backend = Backend::text("early").await;
    backend.answer_early();
    let gateway = in_front_of(&backend).await;
    let mut client = gateway.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.read_response("POST").await.unwrap().text(), "early");
}

#[tokio::test]
async fn an_early_answer_and_close_without_reading_is_delivered() {
    let backend = Backend::start(|_| Reply::new(403, "no").then(Step::Close)).await;
    backend.answer_early();
    let gateway = in_front_of(&backend).await;
    for length in [5, 100_000] {
        let mut client = gateway.client().await;
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\nab"
            ))
            .await
            .unwrap();
        let answer = client.read_response("POST").await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    }
    assert_eq!(counted(&gateway, "s0").await.failures, 0);
}

#[tokio::test]
async fn what_is_left_of_an_upload_is_never_taken_for_the_next_request() {
    let backend = Backend::start(|request| Reply::new(200, request.target.clone())).await;
    backend.answer_early();
    let gateway = in_front_of(&backend).await;
    let hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";
    let body = hidden.repeat(20);
    let mut client = gateway.client().await;
    let head = format!(
        "POST /shown HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.send(head).await.unwrap();
    assert_eq!(client.read_response("POST").await.unwrap().text(), "/shown");
    client.send(&body).await.ok();
    let rest = client.read_to_end().await.unwrap_or_default();
    assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    assert_eq!(gateway.get("/other").await.text(), "/other");
    let targets: Vec<_> = backend
        .requests()
        .into_iter()
        .map(|request| request.target)
        .collect();
    assert_eq!(targets, ["/shown", "/other"]);
}
