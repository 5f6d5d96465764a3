//! Both directions at once, and several requests at once on one connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{in_front_of, in_front_of_listener, read_head};
use crate::objects::{Counted, eventually_counted};
use crate::support::{Backend, Reply};

#[tokio::test]
async fn a_server_may_answer_piece_by_piece_while_it_reads() {
    const PIECES: usize = 100;
    let (gateway, listener) = in_front_of_listener().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (_, mut rest) = read_head(&mut stream).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", PIECES * 100);
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut echoed = 0;
        loop {
            stream.write_all(&rest).await.unwrap();
            echoed += rest.len();
            rest.clear();
            if echoed == PIECES * 100 {
                return stream;
            }
            assert!(stream.read_buf(&mut rest).await.unwrap() > 0);
        }
    });
    let mut client = TcpStream::connect(gateway.address()).await.unwrap();
    client.set_nodelay(true).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        PIECES * 100
    );
    client.write_all(head.as_bytes()).await.unwrap();
    read_head(&mut client).await;
    for n in 0..PIECES {
        let piece = [n as u8; 100];
        client.write_all(&piece).await.unwrap();
        let mut echo = [0; 100];
        let read = tokio::time::timeout(Duration::from_secs(10), client.read_exact(&mut echo)).await;
        read.unwrap_or_else(|_| panic!("piece {n} is held back")).unwrap();
        assert_eq!(echo, piece);
    }
    let _open = server.await.unwrap();
    eventually_counted(
        &gateway,
        Counted {
            successes: 1,
            ..Counted::default()
        },
    )
    .await;
}

#[tokio::test]
async fn small_pieces_are_passed_on_as_they_come() {
    let framings = ["Content-Length: 20", "Transfer-Encoding: chunked"];
    for framing in framings {
        let (gateway, listener) = in_front_of_listener().await;
        let mut client = TcpStream::connect(gateway.address()).await.unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        read_head(&mut server).await;
        server
            .write_all(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let (_, mut seen) = read_head(&mut client).await;
        for n in 0..10 {
            let piece = format!("{n}!");
            let sent = if framing.starts_with('T') {
                format!("2\r\n{piece}\r\n")
            } else {
                piece.clone()
            };
            server.write_all(sent.as_bytes()).await.unwrap();
            let arrives = async {
                while !String::from_utf8_lossy(&seen).contains(&piece) {
                    assert!(client.read_buf(&mut seen).await.unwrap() > 0);
                }
            };
            let waited = tokio::time::timeout(Duration::from_secs(10), arrives).await;
            waited.unwrap_or_else(|_| panic!("{framing}: piece {n} is held back"));
        }
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let backend = Backend::start(|request| {
        let pause = Duration::from_millis(if request.target.ends_with('0') { 60 } else { 0 });
        Reply::new(200, [request.target.as_bytes(), &request.body].concat()).after(pause)
    })
    .await;
    let gateway = in_front_of(&backend).await;
    for burst in [1, 2, 10] {
        let mut client = gateway.client().await;
        let mut bytes = String::new();
        for n in 0..burst {
            bytes.push_str(&match n % 3 {
                0 => format!("GET /{n} HTTP/1.1\r\nHost: x\r\n\r\n"),
                1 => format!("POST /{n} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"),
                _ => format!(
                    "PUT /{n} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
                ),
            });
        }
        client.send(bytes).await.unwrap();
        for n in 0..burst {
            let answer = client.read_response("GET").await;
            let answer = answer.unwrap_or_else(|error| panic!("{n} of {burst}: {error}"));
            let body = if n % 3 == 0 { "" } else { "body" };
            assert_eq!((answer.status, answer.text()), (200, format!("/{n}{body}")));
        }
        assert_eq!(client.get("/after").await.text(), "/after");
    }
}
