//! What an exchange costs beside its system calls: writing a head, reading an answer, both over a stream that never waits.

#![allow(missing_docs, reason = "criterion writes public functions")]

use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use criterion::{Criterion, criterion_group, criterion_main};
use gateway::exchange::{Connection, HeadWriter, Idleness, Pool, Progress, RequestBody};
use http::Method;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

const FIELDS: [(&str, &str); 8] = [
    ("host", "orders.internal:8080"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
    ("accept", "application/json"),
    ("accept-encoding", "gzip, deflate, br"),
    ("x-forwarded-for", "192.0.2.17"),
    ("x-forwarded-proto", "https"),
    ("x-request-id", "0f3b2c4d5e6f708192a3b4c5d6e7f809"),
    ("cookie", "session=0123456789abcdef0123456789abcdef"),
];

const SMALL: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n\
    {\"id\":17,\"state\":\"shipped\"}";

const ORDINARY: &str = "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 01 Jul 2025 10:00:00 GMT\r\n\
    Content-Type: application/json; charset=utf-8\r\nConnection: keep-alive\r\nCache-Control: no-cache\r\n\
    ETag: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"\r\nVary: Accept-Encoding\r\n\
    X-Request-Id: 0f3b2c4d5e6f708192a3b4c5d6e7f809\r\nContent-Length: 27\r\n\r\n\
    {\"id\":17,\"state\":\"shipped\"}";

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
    1b\r\n{\"id\":17,\"state\":\"shipped\"}\r\n0\r\n\r\n";

/// Answers every request with the same bytes, and waits in between like a socket.
struct Echo {
    answer: &'static [u8],
    asked: bool,
}

impl AsyncRead for Echo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !std::mem::take(&mut self.asked) {
            return Poll::Pending;
        }
        buffer.put_slice(self.answer);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Echo {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.asked = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn write_fields(head: &mut HeadWriter<'_>) {
    for (name, value) in FIELDS {
        head.header(name.as_bytes(), value.as_bytes())
            .expect("a plain field");
    }
}

fn exchange(mut connection: Box<Connection<Echo>>) -> Box<Connection<Echo>> {
    let started = connection.start(&Method::GET, b"/orders/17?full=1", RequestBody::None, |head| {
        write_fields(head);
        Ok(())
    });
    started.expect("a connection that may serve again");
    let mut cx = Context::from_waker(Waker::noop());
    match connection.poll_progress(&mut cx) {
        Poll::Ready(Ok(Progress::Answer(head))) => _ = black_box(head),
        other => unreachable!("{other:?}"),
    }
    while let Ok(Some(piece)) = connection.ready_chunk() {
        black_box(piece);
    }
    connection
}

fn benches(c: &mut Criterion) {
    c.bench_function("exchange/head of 8 fields", |b| {
        let mut out = BytesMut::new();
        b.iter(|| {
            out.clear();
            let mut head =
                HeadWriter::begin(&mut out, &Method::GET, b"/orders/17?full=1").expect("a plain target");
            write_fields(&mut head);
            black_box(head.finish(RequestBody::None));
        });
    });
    for (name, answer) in [("small", SMALL), ("ordinary", ORDINARY), ("chunked", CHUNKED)] {
        c.bench_function(&format!("exchange/whole, {name} answer"), |b| {
            let pool = Pool::new(1, Idleness::default());
            let now = Instant::now();
            pool.put(
                exchange(Box::new(Connection::new(Echo {
                    answer: answer.as_bytes(),
                    asked: false,
                }))),
                now,
            );
            b.iter(|| pool.put(exchange(pool.take(now).expect("the one put back")), now));
        });
    }
}

criterion_group!(all, benches);
criterion_main!(all);
