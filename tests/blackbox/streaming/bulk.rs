//! Large bodies stream: memory stays flat, and whoever is slow slows the other side down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{in_front_of, in_front_of_listener, read_head};
use crate::support::{Backend, Gateway, Reply, eventually};

const MIB: usize = 1024 * 1024;
/// By how much the gateway's memory may grow, whatever the size of a body.
const FLAT_KIB: u64 = 24 * 1024;

/// The most memory the process ever had.
fn peak_kib(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// A block in which every offset looks different from its neighbours; bodies are repetitions of it.
fn block() -> Arc<[u8]> {
    (0..64 * 1021).map(|n: u32| (n % 1021 * 7) as u8).collect()
}

async fn send_blocks(stream: &mut TcpStream, length: usize, sent: &AtomicU64) {
    let block = block();
    let mut left = length;
    while left > 0 {
        let part = &block[..left.min(block.len())];
        stream.write_all(part).await.unwrap();
        sent.fetch_add(part.len() as u64, Relaxed);
        left -= part.len();
    }
}

/// Reads this many bytes, of which some are here already, and compares them.
async fn receive_blocks(stream: &mut TcpStream, here: Vec<u8>, length: usize) {
    let block = block();
    let mut got = 0;
    let mut buffer = vec![0; 64 * 1024];
    let mut part = here.as_slice();
    let mut count;
    loop {
        while !part.is_empty() {
            let at = got % block.len();
            let same = part.len().min(block.len() - at);
            assert!(part[..same] == block[at..at + same], "differs after {got} bytes");
            got += same;
            part = &part[same..];
        }
        if got == length {
            return;
        }
        count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "closed after {got} of {length} bytes");
        part = &buffer[..count];
    }
}

async fn connect(gateway: &Gateway) -> TcpStream {
    TcpStream::connect(gateway.address()).await.unwrap()
}

async fn download(length: usize) {
    let (gateway, listener) = in_front_of_listener().await;
    let before = peak_kib(&gateway);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        send_blocks(&mut stream, length, &AtomicU64::new(0)).await;
    });
    let mut client = connect(&gateway).await;
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let (head, rest) = read_head(&mut client).await;
    assert!(
        head.to_lowercase()
            .contains(&format!("content-length: {length}\r\n")),
        "{head}"
    );
    receive_blocks(&mut client, rest, length).await;
    server.await.unwrap();
    let grown = peak_kib(&gateway) - before;
    assert!(grown < FLAT_KIB, "memory grew by {grown} KiB");
}

async fn upload(length: usize) {
    let (gateway, listener) = in_front_of_listener().await;
    let before = peak_kib(&gateway);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (head, rest) = read_head(&mut stream).await;
        assert!(
            head.to_lowercase()
                .contains(&format!("content-length: {length}\r\n")),
            "{head}"
        );
        receive_blocks(&mut stream, rest, length).await;
        stream
            .write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
    });
    let mut client = connect(&gateway).await;
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    send_blocks(&mut client, length, &AtomicU64::new(0)).await;
    let (head, _) = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 201"), "{head}");
    server.await.unwrap();
    let grown = peak_kib(&gateway) - before;
    assert!(grown < FLAT_KIB, "memory grew by {grown} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_of_16_mib_holds_memory_flat() {
    download(16 * MIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_of_256_mib_holds_memory_flat() {
    download(256 * MIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_16_mib_holds_memory_flat() {
    upload(16 * MIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_256_mib_holds_memory_flat() {
    upload(256 * MIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunked_bodies_of_16_mib_pass_intact_both_ways() {
    let body: Arc<[u8]> = block().iter().copied().cycle().take(16 * MIB).collect();
    let expected = Arc::clone(&body);
    let backend = Backend::start(move |request| {
        assert!(request.body == *expected, "another body arrived");
        let chunks: Vec<&[u8]> = expected.chunks(50_000).collect();
        Reply::chunked(200, &[], &chunks, Duration::ZERO)
    })
    .await;
    let gateway = in_front_of(&backend).await;
    let before = peak_kib(&gateway);
    let mut client = gateway.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    for chunk in body.chunks(33_333) {
        client.send(format!("{:X}\r\n", chunk.len())).await.unwrap();
        client.send(chunk).await.unwrap();
        client.send("\r\n").await.unwrap();
    }
    client.send("0\r\n\r\n").await.unwrap();
    let answer = client.read_response("POST").await.unwrap();
    assert!(answer.status == 200 && answer.body == *body);
    assert_eq!(backend.last().header("transfer-encoding"), Some("chunked"));
    let grown = peak_kib(&gateway) - before;
    assert!(grown < FLAT_KIB, "memory grew by {grown} KiB");
}

/// Waits until a side that could send more does not get rid of it, and says how much it sent.
async fn until_stuck(sent: &AtomicU64) -> u64 {
    let mut last = (u64::MAX, 0);
    eventually("the sender is held back", Duration::from_secs(10), || {
        let now = sent.load(Relaxed);
        last = if now == last.0 {
            (now, last.1 + 1)
        } else {
            (now, 0)
        };
        let stuck = last.1 > 60 && now > 0;
        async move { stuck }
    })
    .await;
    last.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_holds_the_server_back_and_not_our_memory() {
    const LENGTH: usize = 100 * MIB;
    let (gateway, listener) = in_front_of_listener().await;
    let before = peak_kib(&gateway);
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        send_blocks(&mut stream, LENGTH, &counter).await;
    });
    let mut client = connect(&gateway).await;
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let stuck = until_stuck(&sent).await;
    assert!(stuck < 50 * MIB as u64, "{stuck} bytes were taken off the server");
    let (_, rest) = read_head(&mut client).await;
    receive_blocks(&mut client, rest, LENGTH).await;
    server.await.unwrap();
    let grown = peak_kib(&gateway) - before;
    assert!(grown < FLAT_KIB, "memory grew by {grown} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_read_holds_the_client_back_and_not_our_memory() {
    const LENGTH: usize = 100 * MIB;
    let (gateway, listener) = in_front_of_listener().await;
    let before = peak_kib(&gateway);
    let sent = Arc::new(AtomicU64::new(0));
    let (mut client, counter) = (connect(&gateway).await, Arc::clone(&sent));
    let uploading = tokio::spawn(async move {
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {LENGTH}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        send_blocks(&mut client, LENGTH, &counter).await;
        read_head(&mut client).await.0
    });
    let (mut server, _) = accept(&listener).await;
    let (_, rest) = read_head(&mut server).await;
    let stuck = until_stuck(&sent).await;
    assert!(stuck < 50 * MIB as u64, "{stuck} bytes were taken off the client");
    receive_blocks(&mut server, rest, LENGTH).await;
    server
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    assert!(uploading.await.unwrap().starts_with("HTTP/1.1 200"));
    let grown = peak_kib(&gateway) - before;
    assert!(grown < FLAT_KIB, "memory grew by {grown} KiB");
}

async fn accept(listener: &TcpListener) -> (TcpStream, std::net::SocketAddr) {
    tokio::time::timeout(Duration::from_secs(10), listener.accept())
        .await
        .unwrap()
        .unwrap()
}
