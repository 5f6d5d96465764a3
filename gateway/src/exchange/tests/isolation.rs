//! The one property that everything else serves: no byte of one answer ever reaches another request.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::Method;
use proptest::prelude::*;
use tokio::time::Instant;

use super::wire::{Far, Near, wire};
use crate::exchange::{Connection, ExchangeError, Idleness, Pool, Progress, RequestBody};

/// What a server does with one request.
#[derive(Debug, Clone)]
struct Server {
    framing: Framing,
    length: usize,
    /// Sizes of the pieces its bytes arrive in.
    pieces: Vec<usize>,
    fault: Fault,
    method: Method,
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    Length,
    Chunks,
    ToEnd,
    NoContent,
    Ambiguous,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    /// Another answer right behind this one, as to a request nobody sent.
    Surplus,
    /// The same, a moment after the connection was put back.
    Late,
    /// Part of the answer, then the end.
    Short,
    /// The end after the answer.
    Ends,
    /// The answer before the request body is complete.
    Early,
}

fn server() -> impl Strategy<Value = Server> {
    use Fault::*;
    let framing = prop::sample::select(vec![
        Framing::Length,
        Framing::Length,
        Framing::Chunks,
        Framing::Chunks,
        Framing::ToEnd,
        Framing::NoContent,
        Framing::Ambiguous,
    ]);
    let fault = prop::sample::select(vec![None, None, None, Surplus, Late, Short, Ends, Early]);
    let method = prop::sample::select(vec![Method::GET, Method::GET, Method::POST, Method::HEAD]);
    (
        framing,
        0usize..20_000,
        prop::collection::vec(1usize..9000, 1..5),
        fault,
        method,
    )
        .prop_map(|(framing, length, pieces, fault, method)| Server {
            framing,
            length,
            pieces,
            fault,
            method,
        })
}

/// The answer to request `number`: its content is that number over and over.
fn answer(number: usize, server: &Server) -> Vec<u8> {
    let content: String = format!("{number:04}.").repeat(server.length / 5);
    let to_head = server.method == Method::HEAD;
    let text = match server.framing {
        Framing::Length => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", content.len()),
        Framing::Chunks => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".into(),
        Framing::ToEnd => "HTTP/1.1 200 OK\r\n\r\n".into(),
        Framing::NoContent => return b"HTTP/1.1 204 No Content\r\n\r\n".into(),
        Framing::Ambiguous => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n".into(),
    };
    let content = match server.framing {
        _ if to_head => String::new(),
        Framing::Chunks if content.is_empty() => "0\r\n\r\n".into(),
        Framing::Chunks => format!("{:x}\r\n{content}\r\n0\r\n\r\n", content.len()),
        _ => content,
    };
    (text + &content).into_bytes()
}

/// Runs one exchange and returns the content if it completed.
fn exchange(number: usize, server: &Server, pool: &Pool<Near>, wires: &mut Vec<Far>) -> Option<Vec<u8>> {
    let now = Instant::now();
    let kept = pool.take(now);
    let mut connection = kept.unwrap_or_else(|| {
        let (near, far) = wire();
        wires.push(far);
        Box::new(Connection::new(near))
    });
    let body = match server.method {
        Method::POST => RequestBody::Length(10),
        _ => RequestBody::None,
    };
    let target = format!("/{number}");
    connection
        .start(&server.method, target.as_bytes(), body, |_| Ok(()))
        .unwrap();
    if body != RequestBody::None {
        let announced = if matches!(server.fault, Fault::Early) {
            5
        } else {
            10
        };
        connection.queue_body(Bytes::from(vec![b'x'; announced])).unwrap();
    }
    let first = connection.progress().now_or_never();
    assert!(
        matches!(first, None | Some(Ok(Progress::Room))),
        "an answer nobody gave: {first:?}"
    );
    let far = wires
        .iter()
        .find(|far| !far.written().is_empty())
        .unwrap()
        .clone();

    let mut text = answer(number, server);
    let mut ended = matches!(server.framing, Framing::ToEnd);
    match server.fault {
        // Up to the end of the connection there is no surplus.
        Fault::Surplus if !ended => text.extend(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nEVIL."),
        Fault::Short => (text.truncate(text.len() / 2), ended = true).0,
        Fault::Ends => ended = true,
        _ => {}
    }
    let mut rest = Bytes::from(text);
    for size in server.pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        far.send(rest.split_to((*size).min(rest.len())));
    }
    if ended {
        far.end();
    }
    let content = collect(&mut connection).ok();
    pool.put(connection, now);
    if matches!(server.fault, Fault::Late) {
        far.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nEVIL.");
    }
    content
}

fn collect(connection: &mut Connection<Near>) -> Result<Vec<u8>, ExchangeError> {
    let mut content = Vec::new();
    loop {
        match connection
            .progress()
            .now_or_never()
            .expect("everything has arrived")?
        {
            Progress::Piece(piece) => content.extend(piece),
            Progress::End => return Ok(content),
            Progress::Answer(_) | Progress::Interim(_) | Progress::Room => {}
        }
    }
}

proptest! {
    #[test]
    fn no_byte_of_one_answer_reaches_another_request(
        servers in prop::collection::vec(server(), 1..30),
    ) {
        let idleness = Idleness { most: 8, longest: Duration::from_secs(10) };
        let pool = Pool::new(2, idleness);
        let mut wires = Vec::new();
        for (number, server) in servers.iter().enumerate() {
            let Some(content) = exchange(number, server, &pool, &mut wires) else { continue };
            prop_assert!(!matches!(server.framing, Framing::Ambiguous), "an ambiguous answer passed on");
            let wanted = format!("{number:04}.").into_bytes().repeat(content.len() / 5 + 1);
            prop_assert!(wanted.starts_with(&content));
        }
        prop_assert!(pool.idle() <= 1);
    }
}

#[test]
fn after_anything_but_a_clean_answer_the_connection_is_closed() {
    let pool = Pool::new(1, Idleness::default());
    let clean = Server {
        framing: Framing::Length,
        length: 50,
        pieces: vec![1000],
        fault: Fault::None,
        method: Method::POST,
    };
    let unclean = [
        Server {
            framing: Framing::Ambiguous,
            ..clean.clone()
        },
        Server {
            framing: Framing::ToEnd,
            ..clean.clone()
        },
        Server {
            fault: Fault::Surplus,
            ..clean.clone()
        },
        Server {
            fault: Fault::Short,
            ..clean.clone()
        },
        Server {
            fault: Fault::Early,
            ..clean.clone()
        },
    ];
    for server in unclean {
        let mut wires = Vec::new();
        assert!(exchange(1, &clean, &pool, &mut wires).is_some());
        assert_eq!((pool.idle(), wires[0].dropped()), (1, false));
        exchange(2, &server, &pool, &mut wires);
        assert_eq!(wires.len(), 1, "the second request used the kept connection");
        assert!(pool.idle() == 0 && wires[0].dropped(), "{server:?}");
    }
}
