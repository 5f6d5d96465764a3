//! Which connections are kept, for how long, and what looking at them costs.

use std::time::Duration;

use futures::FutureExt;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::wire::{Far, Near, wire};
use crate::exchange::{Connection, Idleness, Pool, Progress, RequestBody};

fn pool(most: usize, seconds: u64) -> Pool<Near> {
    Pool::new(
        4,
        Idleness {
            most,
            longest: Duration::from_secs(seconds),
        },
    )
}

/// A connection with one exchange behind it.
fn used(fields: &str) -> (Connection<Near>, Far) {
    let (near, far) = wire();
    let mut connection = Connection::new(near);
    connection
        .start(&Method::GET, b"/", RequestBody::None, |_| Ok(()))
        .unwrap();
    far.send(format!("HTTP/1.1 204 No Content\r\n{fields}\r\n"));
    assert!(matches!(
        connection.progress().now_or_never(),
        Some(Ok(Progress::Answer(_)))
    ));
    far.written();
    (connection, far)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn the_last_one_put_back_is_taken_first() {
    let pool = pool(8, 10);
    let now = Instant::now();
    let (older, _far) = used("");
    let (newer, newer_far) = used("");
    pool.put(older, now);
    pool.put(newer, now);
    let mut taken = pool.take(now).unwrap();
    taken
        .start(&Method::GET, b"/", RequestBody::None, |_| Ok(()))
        .unwrap();
    assert!(taken.progress().now_or_never().is_none());
    assert!(!newer_far.written().is_empty());
    assert_eq!(pool.idle(), 1);
}

#[test]
fn no_more_are_kept_than_allowed() {
    let pool = pool(2, 10);
    let now = Instant::now();
    let fars: Vec<_> = (0..3)
        .map(|_| {
            let (connection, far) = used("");
            pool.put(connection, now);
            far
        })
        .collect();
    assert_eq!(pool.idle(), 2);
    assert!(fars[2].dropped() && !fars[0].dropped());
}

#[test]
fn a_connection_is_kept_until_its_time_and_no_longer() {
    let now = Instant::now();
    let cases = [
        ("", 10),
        ("Keep-Alive: timeout=5\r\n", 4),
        ("keep-alive: max=3, timeout=60\r\n", 10),
        ("Keep-Alive: x\r\n", 10),
    ];
    for (fields, kept) in cases {
        for swept in [false, true] {
            let pool = pool(8, 10);
            let (connection, far) = used(fields);
            pool.put(connection, now);
            pool.sweep(now + seconds(kept) - Duration::from_millis(1));
            assert_eq!(pool.idle(), 1, "{fields}");
            if swept {
                pool.sweep(now + seconds(kept));
            } else {
                assert!(pool.take(now + seconds(kept)).is_none());
            }
            assert!(pool.idle() == 0 && far.dropped(), "{fields}");
        }
    }
    let pool = pool(8, 10);
    pool.put(used("Keep-Alive: timeout=1\r\n").0, now);
    assert_eq!(pool.idle(), 0);
}

#[test]
fn a_request_that_must_not_be_sent_twice_gets_a_young_connection_of_a_patient_server() {
    let now = Instant::now();
    let pool = pool(8, 100);
    let (old, _old_far) = used("");
    pool.put(old, now);
    assert!(pool.take_sure(now + Duration::from_millis(1001)).is_none());
    assert_eq!(pool.idle(), 1, "it is kept for others");
    assert!(pool.take_sure(now + Duration::from_millis(999)).is_some());

    let (closed, far) = used("");
    let (open, _open_far) = used("");
    pool.put(open, now);
    pool.put(closed, now);
    far.end();
    assert!(
        pool.take_sure(now + Duration::from_millis(10)).is_some(),
        "the other one"
    );
    let (open, _open_far) = used("");
    pool.put(open, now + seconds(59));
    assert!(
        pool.take_sure(now + seconds(59)).is_none(),
        "the server was hasty"
    );
    assert!(
        pool.take_sure(now + Duration::from_millis(60_011)).is_none(),
        "too old by then"
    );
    assert!(pool.take(now + seconds(60)).is_some());
    let (open, _open_far) = used("");
    pool.put(open, now + seconds(61));
    assert!(pool.take_sure(now + seconds(61)).is_some(), "that is forgotten");
}

#[test]
fn closed_reset_and_talkative_connections_are_passed_over() {
    let now = Instant::now();
    let faults: [fn(&Far); 3] = [
        |far| far.end(),
        |far| far.reset(),
        |far| far.send("HTTP/1.1 408 x\r\n"),
    ];
    for fault in faults {
        for swept in [false, true] {
            let pool = pool(8, 10);
            let (good, _good_far) = used("");
            let (bad, bad_far) = used("");
            pool.put(good, now);
            pool.put(bad, now);
            fault(&bad_far);
            if swept {
                pool.sweep(now);
                assert_eq!(pool.idle(), 1);
            }
            assert!(pool.take(now).is_some() && pool.take(now).is_none());
            assert!(bad_far.dropped() && pool.idle() == 0);
        }
    }
}

#[test]
fn what_must_not_serve_again_is_not_kept() {
    let now = Instant::now();
    let pool = pool(8, 10);
    pool.put(used("Connection: close\r\n").0, now);
    pool.put(Connection::new(wire().0), now);
    let (mut unfinished, _far) = used("");
    unfinished
        .start(&Method::GET, b"/", RequestBody::None, |_| Ok(()))
        .unwrap();
    pool.put(unfinished, now);
    assert_eq!(pool.idle(), 0);
}

#[test]
fn clearing_drops_all() {
    let pool = pool(8, 10);
    let (connection, far) = used("");
    pool.put(connection, Instant::now());
    pool.clear();
    assert!(pool.idle() == 0 && far.dropped());
}

#[test]
fn every_thread_finds_what_another_put_back_unless_it_wants_its_own_only() {
    let pool = pool(8, 10);
    let now = Instant::now();
    let (connection, _far) = used("");
    std::thread::scope(|scope| {
        // Sixteen threads start in a row, so no two neighbours share one of the four shards.
        scope.spawn(|| pool.put(connection, now)).join().unwrap();
        let (own, any) = scope
            .spawn(|| (pool.take_own(now).is_some(), pool.take(now).is_some()))
            .join()
            .unwrap();
        assert!(own || any);
    });
    assert_eq!(pool.idle(), 0);
}

#[test]
fn many_threads_neither_lose_nor_double_a_connection() {
    let pool = pool(64, 1000);
    let now = Instant::now();
    let fars: Vec<_> = (0..32)
        .map(|_| {
            let (connection, far) = used("");
            pool.put(connection, now);
            far
        })
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    if let Some(connection) = pool.take(now) {
                        pool.put(connection, now);
                    }
                }
            });
        }
        scope.spawn(|| (0..200).for_each(|_| pool.sweep(now)));
    });
    // On contention on every shard a connection may be dropped, never more.
    let alive = fars.iter().filter(|far| !far.dropped()).count();
    assert_eq!(pool.idle(), alive);
    assert!(std::iter::from_fn(|| pool.take(now)).count() == alive && pool.idle() == 0);
}

/// A server that answers every request the same, and then does as told.
async fn serve(listener: TcpListener, answer: &'static [u8]) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = [0; 1024];
    assert!(stream.read(&mut request).await.unwrap() > 0);
    stream.write_all(answer).await.unwrap();
    stream
}

async fn exchanged(answer: &'static [u8]) -> (Connection<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, answer));
    let mut connection = Connection::new(TcpStream::connect(address).await.unwrap());
    connection
        .start(&Method::GET, b"/", RequestBody::None, |_| Ok(()))
        .unwrap();
    assert!(matches!(
        connection.progress().await.unwrap(),
        Progress::Answer(_)
    ));
    while connection.chunk().await.unwrap().is_some() {}
    (connection, server.await.unwrap())
}

/// Tokio asks the kernel only while a socket is marked readable, so "not marked" is "no system call".
fn marked_readable(connection: &Connection<TcpStream>) -> bool {
    connection
        .stream()
        .ready(Interest::READABLE)
        .now_or_never()
        .is_some()
}

#[tokio::test]
async fn looking_at_an_idle_connection_costs_no_system_call() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ] {
        let (mut connection, _server) = exchanged(answer).await;
        assert!(!marked_readable(&connection));
        assert!(connection.quiet());
        assert!(!marked_readable(&connection));
    }
}

#[tokio::test]
async fn a_real_connection_that_closed_or_spoke_is_not_quiet() {
    for speaks in [false, true] {
        let (mut connection, mut server) = exchanged(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(connection.quiet());
        if speaks {
            server.write_all(b"x").await.unwrap();
        } else {
            drop(server);
        }
        connection.stream().readable().await.unwrap();
        assert!(!connection.quiet() && !connection.reusable());
    }
}

#[tokio::test]
async fn a_task_that_used_up_its_turn_still_sees_that_a_connection_closed() {
    let (mut connection, server) = exchanged(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    drop(server);
    connection.stream().readable().await.unwrap();
    while tokio::task::coop::has_budget_remaining() {
        tokio::task::coop::consume_budget().now_or_never();
    }
    assert!(!connection.quiet());
}
