//! Checks over real sockets.

#![allow(clippy::unwrap_used)]

use std::{
    net::SocketAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    runtime::Handle,
    sync::mpsc,
    time::timeout,
};

use crate::{
    clock::Moment,
    cluster::{NetworkProber, Prober, Registry, Target, Tried},
};

/// A backend that says `answer` to every connection and keeps it open or not; what it was sent arrives at the
/// receiver.
async fn backend(answer: Vec<u8>, then: Then) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, (heard, hears)) = (listener.local_addr().unwrap(), mpsc::unbounded_channel());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or(0);
            let _ = heard.send(String::from_utf8_lossy(&request[..length]).into_owned());
            let _ = stream.write_all(&answer).await;
            match then {
                Then::Close => drop(stream),
                Then::Hang => open.push(stream),
            }
        }
    });
    (address, hears)
}

#[derive(Clone, Copy)]
enum Then {
    Close,
    Hang,
}

/// The result of one check, with the deadline that its caller has.
async fn probe(address: SocketAddr, check: Value) -> Result<(), String> {
    static PROBER: LazyLock<NetworkProber> = LazyLock::new(NetworkProber::default);
    let check = Arc::new(serde_json::from_value(check).unwrap());
    let target = Target {
        address,
        host: "users.test:9001".into(),
        check,
    };
    let result = timeout(Duration::from_millis(500), PROBER.probe(&target)).await;
    result.unwrap_or_else(|_| Err("timeout".into()))
}

fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_healthy_server_without_an_expected_body_is_healthy() {
    let (address, _) = backend(answer("200 OK", b"whatever"), Then::Hang).await;
    assert_eq!(probe(address, json!({})).await, Ok(()));
    let (address, _) = backend(answer("200 OK", b""), Then::Hang).await;
    assert_eq!(probe(address, json!({})).await, Ok(()));
}

#[tokio::test]
async fn the_status_must_be_one_of_the_list() {
    let (address, _) = backend(answer("204 No Content", b""), Then::Hang).await;
    assert_eq!(probe(address, json!({})).await.unwrap_err(), "it answered 204");
    assert_eq!(probe(address, json!({"status": [200, 204]})).await, Ok(()));
    let (address, _) = backend(answer("500 Oops", b""), Then::Hang).await;
    assert_eq!(
        probe(address, json!({"status": [200, 204]})).await.unwrap_err(),
        "it answered 500"
    );
}

#[tokio::test]
async fn the_body_must_contain_what_is_expected() {
    let (address, _) = backend(answer("200 OK", b"{\"state\": \"UP\"}"), Then::Hang).await;
    assert_eq!(probe(address, json!({"body": "UP"})).await, Ok(()));
    assert_eq!(
        probe(address, json!({"body": "DOWN"})).await.unwrap_err(),
        "its body does not contain \"DOWN\""
    );
}

#[tokio::test]
async fn the_request_names_path_and_host() {
    let (address, mut hears) = backend(answer("200 OK", b""), Then::Hang).await;
    probe(
        address,
        json!({"path": "/health?deep=1", "host": "users.internal"}),
    )
    .await
    .unwrap();
    let request = hears.recv().await.unwrap().to_ascii_lowercase();
    assert!(
        request.starts_with("get /health?deep=1 http/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("\r\nhost: users.internal\r\n"), "{request}");
    probe(address, json!({})).await.unwrap();
    let request = hears.recv().await.unwrap().to_ascii_lowercase();
    assert!(request.starts_with("get / http/1.1\r\n") && request.contains("\r\nhost: users.test:9001\r\n"));
}

#[tokio::test]
async fn a_server_that_hangs_anywhere_fails_at_the_deadline() {
    let mut cut_body = answer("200 OK", b"0123456789");
    cut_body.truncate(cut_body.len() - 5);
    for said in [b"".to_vec(), b"HTTP/1.1 200".to_vec(), cut_body] {
        let (address, _) = backend(said, Then::Hang).await;
        assert_eq!(probe(address, json!({})).await.unwrap_err(), "timeout");
    }
}

#[tokio::test]
async fn a_server_that_refuses_closes_or_talks_garbage_fails_at_once() {
    // No port the system gives away, so no other test listens there.
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    for check in [json!({}), json!({"type": "tcp"})] {
        let reason = probe(nobody, check).await.unwrap_err();
        assert!(reason.contains("refused"), "{reason}");
    }
    for said in [
        b"".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec(),
        b"SSH-2.0-x\r\n\r\n".to_vec(),
    ] {
        let (address, _) = backend(said, Then::Close).await;
        let reason = probe(address, json!({})).await.unwrap_err();
        assert!(reason != "timeout", "{reason}");
    }
}

#[tokio::test]
async fn of_a_huge_body_only_the_first_64_kib_are_read() {
    let mut body = vec![b'.'; 8 << 20];
    body[60_000..60_005].copy_from_slice(b"early");
    body[70_000..70_004].copy_from_slice(b"late");
    let (address, _) = backend(answer("200 OK", &body), Then::Hang).await;
    assert_eq!(probe(address, json!({})).await, Ok(()));
    assert_eq!(probe(address, json!({"body": "early"})).await, Ok(()));
    assert!(probe(address, json!({"body": "late"})).await.is_err());
    let endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"
        .iter()
        .copied()
        .chain(body)
        .collect();
    let (address, _) = backend(endless, Then::Hang).await;
    assert_eq!(
        probe(address, json!({})).await,
        Ok(()),
        "it does not wait for the rest"
    );
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let said = [
        b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec(),
        answer("200 OK", b"UP"),
    ]
    .concat();
    let (address, _) = backend(said, Then::Hang).await;
    assert_eq!(probe(address, json!({"body": "UP"})).await, Ok(()));
}

#[tokio::test]
async fn a_tcp_check_only_connects() {
    let (address, mut hears) = backend(Vec::new(), Then::Hang).await;
    assert_eq!(probe(address, json!({"type": "tcp"})).await, Ok(()));
    assert_eq!(hears.recv().await.unwrap(), "");
}

#[tokio::test]
async fn each_check_is_a_connection_of_its_own() {
    let (address, mut hears) = backend(answer("200 OK", b"UP"), Then::Hang).await;
    for _ in 0..3 {
        probe(address, json!({})).await.unwrap();
        assert!(hears.recv().await.unwrap().starts_with("GET / "));
    }
}

#[tokio::test]
async fn a_server_that_goes_down_and_comes_back_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let up = Arc::new(AtomicBool::new(false));
    let is_up = Arc::clone(&up);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            if is_up.load(Relaxed) {
                let _ = stream.write_all(&answer("200 OK", b"UP")).await;
            }
        }
    });
    let registry = Registry::new(Handle::current());
    let server = json!({"id": "a", "address": address.to_string()});
    let check = json!({"path": "/health", "interval": "100ms", "timeout": "1s"});
    let cluster = json!({"id": "c", "servers": ["a"], "health_check": check});
    let servers = [Arc::new(serde_json::from_value(server).unwrap())];
    let clusters = registry.apply(&servers, &[Arc::new(serde_json::from_value(cluster).unwrap())]);
    let becomes = async |usable| {
        while clusters["c"].usable() != usable {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), becomes(0)).await.unwrap();
    up.store(true, Relaxed);
    timeout(Duration::from_secs(10), becomes(1)).await.unwrap();
    assert_eq!(
        clusters["c"]
            .pick(Moment::now(), || 0, &mut Tried::new())
            .ok()
            .unwrap()
            .endpoint
            .address,
        address
    );
}
