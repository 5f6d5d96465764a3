//! One exchange step by step: what is written and read when, and what each failure is called.

use bytes::Bytes;
use futures::FutureExt;
use http::Method;

use super::wire::{Far, Near, wire};
use crate::exchange::{
    AnswerBody, AnswerHead, Connection, Ending, ExchangeError, Malformed, Part, Progress, RequestBody,
    RequestFault,
};

fn started(body: RequestBody) -> (Connection<Near>, Far) {
    let (near, far) = wire();
    let mut connection = Connection::new(near);
    start(&mut connection, body).unwrap();
    (connection, far)
}

fn start(connection: &mut Connection<Near>, body: RequestBody) -> Result<(), RequestFault> {
    connection.start(&Method::POST, b"/", body, |head| head.header(b"host", b"a"))
}

/// The next step if it needs no waiting.
fn step(connection: &mut Connection<Near>) -> Option<Result<Progress, ExchangeError>> {
    connection.progress().now_or_never()
}

fn waits(connection: &mut Connection<Near>) -> bool {
    step(connection).is_none()
}

fn room(connection: &mut Connection<Near>) -> bool {
    matches!(step(connection), Some(Ok(Progress::Room)))
}

fn answer(connection: &mut Connection<Near>) -> AnswerHead {
    match step(connection) {
        Some(Ok(Progress::Answer(head))) => head,
        other => panic!("no answer: {other:?}"),
    }
}

fn failure(connection: &mut Connection<Near>) -> ExchangeError {
    match step(connection) {
        Some(Err(error)) => error,
        other => panic!("no failure: {other:?}"),
    }
}

fn chunk(connection: &mut Connection<Near>) -> Option<Result<Option<Bytes>, ExchangeError>> {
    connection.chunk().now_or_never()
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const HEAD: &str = "POST / HTTP/1.1\r\nhost: a\r\n";

#[test]
fn an_ordinary_exchange_is_one_write_and_one_read() {
    let (mut connection, far) = started(RequestBody::Length(5));
    connection.queue_body(Bytes::from_static(b"hello")).unwrap();
    assert!(waits(&mut connection));
    assert_eq!(
        far.written(),
        format!("{HEAD}content-length: 5\r\n\r\nhello").as_bytes()
    );
    far.send(OK);
    assert_eq!(answer(&mut connection).body, AnswerBody::Length(2));
    assert_eq!(connection.ready_chunk().unwrap().unwrap(), "ok");
    assert!(connection.is_complete() && connection.reusable() && connection.quiet());
    assert_eq!(far.calls(), (1, 1));
}

#[test]
fn an_answer_as_long_as_the_one_before_it_is_one_read_and_one_piece() {
    let (mut connection, far) = started(RequestBody::None);
    for (exchange, length) in [18 * 1024, 18 * 1024, 18 * 1024, 100, 100]
        .into_iter()
        .enumerate()
    {
        if exchange > 0 {
            connection
                .start(&Method::GET, b"/", RequestBody::None, |_| Ok(()))
                .unwrap();
        }
        let before = far.calls().1;
        far.send(
            [
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes(),
                &vec![7; length],
            ]
            .concat(),
        );
        answer(&mut connection);
        let mut pieces = 0;
        while let Some(piece) = chunk(&mut connection).unwrap().unwrap() {
            pieces += usize::from(!piece.is_empty());
        }
        assert!(connection.is_complete() && connection.reusable());
        let read_at_once = (far.calls().1 - before, pieces) == (1, 1);
        assert_eq!(read_at_once, exchange > 0, "{exchange}");
    }
}

#[test]
fn the_last_chunk_of_a_small_body_says_that_it_is_the_last() {
    let (mut connection, far) = started(RequestBody::None);
    far.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\nx: y\r\n\r\n");
    answer(&mut connection);
    assert_eq!(connection.ready_chunk().unwrap().unwrap(), "ok");
    assert!(!connection.is_complete());
    assert_eq!(connection.ready_chunk().unwrap().unwrap(), "!");
    assert!(connection.is_complete() && connection.reusable());
    assert_eq!(connection.trailers().unwrap()["x"], "y");
    assert!(connection.ready_chunk().unwrap().is_none());
    assert!(chunk(&mut connection).unwrap().unwrap().is_none());
}

#[test]
fn an_answer_without_content_is_complete_with_its_head() {
    for text in [
        "204 No Content\r\n\r\n",
        "304 Not Modified\r\n\r\n",
        "200 OK\r\ncontent-length: 0\r\n\r\n",
    ] {
        let (mut connection, far) = started(RequestBody::None);
        far.send(format!("HTTP/1.1 {text}"));
        assert_eq!(answer(&mut connection).body, AnswerBody::Empty);
        assert!(connection.is_complete() && connection.reusable(), "{text}");
    }
}

#[test]
fn a_reason_of_the_servers_own_is_kept_and_the_usual_one_is_not() {
    for (line, reason) in [
        ("404 Not Found", None),
        ("404 Gone Fishing", Some("Gone Fishing")),
        ("200 ", None),
    ] {
        let (mut connection, far) = started(RequestBody::None);
        far.send(format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n"));
        assert_eq!(
            answer(&mut connection).reason.as_deref(),
            reason.map(str::as_bytes)
        );
    }
}

#[test]
fn values_and_content_are_slices_of_what_was_read() {
    let (mut connection, far) = started(RequestBody::None);
    far.send("HTTP/1.1 200 OK\r\nx: 12345678\r\ncontent-length: 8\r\n\r\nabcdefgh");
    let head = answer(&mut connection);
    let content = connection.ready_chunk().unwrap().unwrap();
    let distance = content.as_ptr() as usize - head.headers["x"].as_bytes().as_ptr() as usize;
    assert_eq!(distance, "12345678\r\ncontent-length: 8\r\n\r\n".len());
}

#[test]
fn room_is_told_once_for_each_time_all_is_written() {
    let (mut connection, far) = started(RequestBody::Chunked);
    assert!(room(&mut connection));
    assert!(waits(&mut connection));
    connection.queue_body(Bytes::from_static(b"ab")).unwrap();
    assert!(room(&mut connection));
    assert!(waits(&mut connection));
    connection.queue_body(Bytes::from(vec![b'x'; 5000])).unwrap();
    connection.queue_body(Bytes::from_static(b"")).unwrap();
    connection.finish_body().unwrap();
    assert!(waits(&mut connection));
    let large = "x".repeat(5000);
    let text = format!("{HEAD}transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1388\r\n{large}\r\n0\r\n\r\n");
    assert_eq!(String::from_utf8(far.written()).unwrap(), text);
    assert_eq!(far.calls().0, 3);
}

#[test]
fn an_empty_piece_adds_nothing_and_asks_for_room_again() {
    for body in [RequestBody::Chunked, RequestBody::Length(1)] {
        let (mut connection, far) = started(body);
        assert!(room(&mut connection));
        far.written();
        connection.queue_body(Bytes::new()).unwrap();
        assert!(room(&mut connection) && far.written().is_empty());
    }
    let (mut connection, _far) = started(RequestBody::None);
    connection.queue_body(Bytes::new()).unwrap();
    assert!(waits(&mut connection));
}

#[test]
fn a_body_of_any_pieces_through_any_window_arrives_in_order() {
    for (window, plain) in [(1, false), (7, true), (100, false), (3000, false), (3000, true)] {
        let (mut connection, far) = started(RequestBody::Length(20_000));
        far.allow(0);
        if plain {
            far.take_one_slice_at_a_time();
        }
        let body: Vec<u8> = (0..20_000u32).map(|at| at as u8).collect();
        for piece in body.chunks(3333) {
            connection.queue_body(Bytes::copy_from_slice(piece)).unwrap();
        }
        let head = format!("{HEAD}content-length: 20000\r\n\r\n").len();
        let mut written = Vec::new();
        while written.len() < head + 20_000 {
            assert!(waits(&mut connection));
            far.allow(window);
            assert!(waits(&mut connection));
            written.extend(far.written());
        }
        assert!(written.ends_with(&body), "window {window}");
    }
}

#[test]
fn no_more_is_queued_than_the_bound_while_nothing_is_written() {
    let (mut connection, far) = started(RequestBody::Chunked);
    far.allow(0);
    let mut queued = 0;
    while connection.can_queue() {
        connection.queue_body(Bytes::from(vec![0; 10_000])).unwrap();
        queued += 10_000;
    }
    assert!((60_000..80_000).contains(&queued));
    assert!(waits(&mut connection));
    far.allow(usize::MAX);
    assert!(room(&mut connection) && connection.can_queue());
}

#[test]
fn a_body_other_than_announced_is_an_error_and_ends_the_connection() {
    let (mut connection, _far) = started(RequestBody::Length(3));
    assert_eq!(
        connection.queue_body(Bytes::from_static(b"four")),
        Err(RequestFault::BodyTooLong)
    );
    assert!(!connection.reusable() && start(&mut connection, RequestBody::None).is_err());

    let (mut connection, far) = started(RequestBody::Length(3));
    connection.queue_body(Bytes::from_static(b"tw")).unwrap();
    assert_eq!(connection.finish_body(), Err(RequestFault::BodyTooShort));
    far.send(OK);
    assert!(!connection.reusable());

    let (mut connection, _far) = started(RequestBody::None);
    assert_eq!(
        connection.queue_body(Bytes::from_static(b"x")),
        Err(RequestFault::BodyTooLong)
    );
}

#[test]
fn a_head_that_must_not_be_sent_leaves_the_connection_as_it_was() {
    let (near, far) = wire();
    let mut connection = Connection::new(near);
    let refused = connection.start(&Method::GET, b"/", RequestBody::None, |head| {
        head.header(b"a", b"\n")
    });
    assert_eq!(refused, Err(RequestFault::FieldValue));
    assert!(connection.reusable());
    start(&mut connection, RequestBody::None).unwrap();
    assert!(waits(&mut connection));
    assert_eq!(
        far.written(),
        format!("{HEAD}content-length: 0\r\n\r\n").as_bytes()
    );
}

#[test]
fn an_early_answer_is_delivered_while_the_body_is_still_written() {
    let (mut connection, far) = started(RequestBody::Length(100_000));
    far.allow(50);
    connection.queue_body(Bytes::from(vec![0; 60_000])).unwrap();
    far.send("HTTP/1.1 413 Payload Too Large\r\ncontent-length: 2\r\n\r\nno");
    assert_eq!(answer(&mut connection).status, 413);
    assert_eq!(connection.ready_chunk().unwrap().unwrap(), "no");
    assert!(connection.is_complete() && !connection.reusable());
}

#[test]
fn an_early_answer_does_not_cost_the_connection_when_the_request_is_completed_all_the_same() {
    let (mut connection, far) = started(RequestBody::Length(4));
    far.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nec");
    answer(&mut connection);
    assert!(connection.can_queue());
    connection.queue_body(Bytes::from_static(b"echo")).unwrap();
    assert_eq!(chunk(&mut connection).unwrap().unwrap().unwrap(), "ec");
    far.send("ho");
    assert_eq!(chunk(&mut connection).unwrap().unwrap().unwrap(), "ho");
    assert!(far.written().ends_with(b"echo"));
    assert!(connection.reusable());
}

#[test]
fn an_answer_is_delivered_though_writing_fails() {
    let (mut connection, far) = started(RequestBody::Length(100_000));
    assert!(room(&mut connection));
    connection.queue_body(Bytes::from(vec![0; 50_000])).unwrap();
    far.break_writes();
    assert!(waits(&mut connection));
    // What the client still sends has nowhere to go and does no harm.
    connection.queue_body(Bytes::from(vec![0; 50_000])).unwrap();
    connection.finish_body().unwrap();
    far.send("HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\n\r\ntoo much");
    far.end();
    assert_eq!(answer(&mut connection).status, 413);
    assert_eq!(chunk(&mut connection).unwrap().unwrap().unwrap(), "too much");
    assert!(chunk(&mut connection).unwrap().unwrap().is_none());
    assert!(!connection.reusable());
}

#[test]
fn a_failed_write_without_an_answer_is_an_unanswered_request() {
    let (mut connection, far) = started(RequestBody::None);
    far.break_writes();
    far.reset();
    let error = failure(&mut connection);
    assert!(matches!(
        error,
        ExchangeError::Unanswered {
            reused: false,
            written: 0,
            how: Ending::Reset
        }
    ));
    assert!(error.nothing_sent() && !error.stale());
}

#[test]
fn a_kept_connection_that_ends_before_any_byte_is_stale_and_a_fresh_one_is_not() {
    for (reset, how) in [(false, Ending::Closed), (true, Ending::Reset)] {
        let (mut connection, far) = started(RequestBody::None);
        far.send(OK);
        answer(&mut connection);
        connection.ready_chunk().unwrap();
        start(&mut connection, RequestBody::None).unwrap();
        if reset {
            far.reset()
        } else {
            far.end()
        }
        let error = failure(&mut connection);
        assert!(error.stale() && !error.nothing_sent(), "{error}");
        assert!(matches!(error, ExchangeError::Unanswered { written: 47, how: h, .. } if h == how));
        assert!(!connection.reusable());

        let (mut connection, far) = started(RequestBody::None);
        far.end();
        assert!(!failure(&mut connection).stale());
    }
}

#[test]
fn an_end_inside_the_answer_says_in_which_part() {
    let cases = [
        ("HTTP/1.1 200 OK\r\n", Part::Head),
        ("HTTP/1.1 100 Continue\r\n\r\n", Part::Head),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", Part::Body),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
            Part::Body,
        ),
    ];
    for (text, wanted) in cases {
        let (mut connection, far) = started(RequestBody::None);
        far.send(text);
        far.reset();
        let error = loop {
            if let Err(error) = step(&mut connection).unwrap() {
                break error;
            }
        };
        assert!(matches!(error, ExchangeError::Truncated { part, how: Ending::Reset } if part == wanted));
        assert!(!error.stale() && !connection.reusable());
    }
}

#[test]
fn a_body_to_the_end_of_the_connection_is_not_complete_by_a_reset() {
    let (mut connection, far) = started(RequestBody::None);
    far.send("HTTP/1.1 200 OK\r\n\r\nhalf");
    far.reset();
    assert_eq!(answer(&mut connection).body, AnswerBody::UntilClose);
    assert_eq!(chunk(&mut connection).unwrap().unwrap().unwrap(), "half");
    assert!(matches!(
        chunk(&mut connection),
        Some(Err(ExchangeError::Truncated { part: Part::Body, .. }))
    ));
}

#[test]
fn interim_answers_come_one_by_one_before_the_final_one() {
    let (mut connection, far) = started(RequestBody::Length(2));
    assert!(room(&mut connection));
    far.send(format!(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n{OK}"
    ));
    assert!(matches!(step(&mut connection), Some(Ok(Progress::Interim(head))) if head.status == 100));
    connection.queue_body(Bytes::from_static(b"go")).unwrap();
    assert!(
        matches!(step(&mut connection), Some(Ok(Progress::Interim(head))) if head.headers["link"] == "a")
    );
    assert_eq!(answer(&mut connection).status, 200);
    connection.ready_chunk().unwrap();
    assert!(far.written().ends_with(b"go") && connection.reusable());
}

#[test]
fn nothing_is_read_beyond_one_buffer_ahead_of_the_caller() {
    let (mut connection, far) = started(RequestBody::None);
    let total = 10_000_000usize;
    far.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {total}\r\n\r\n"));
    far.send(vec![7; total]);
    answer(&mut connection);
    let mut taken = 0;
    while let Some(piece) = chunk(&mut connection).unwrap().unwrap() {
        taken += piece.len();
        assert!(total - far.unread() - taken <= 64 * 1024);
        assert!(piece.len() <= 128 * 1024);
    }
    assert_eq!(taken, total);
    assert!(
        far.calls().1 < total / (32 * 1024),
        "large bodies are read in large pieces"
    );
}

#[test]
fn waiting_may_be_given_up_at_any_moment() {
    let (mut connection, far) = started(RequestBody::Length(3));
    let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    far.allow(0);
    connection.queue_body(Bytes::from_static(b"abc")).unwrap();
    let mut content = Vec::new();
    let mut bytes = text.bytes();
    loop {
        // Each wait is begun anew and dropped at once.
        far.allow(1);
        match step(&mut connection) {
            None => far.send(bytes.next().map_or(vec![], |byte| vec![byte])),
            Some(Ok(Progress::Piece(piece))) => content.extend(piece),
            Some(Ok(Progress::End)) => break,
            Some(Ok(_)) => {}
            Some(Err(error)) => panic!("{error}"),
        }
    }
    assert_eq!(content, b"abc");
}

#[test]
fn faulty_framing_after_a_piece_is_told_after_the_piece() {
    let (mut connection, far) = started(RequestBody::None);
    far.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n");
    answer(&mut connection);
    assert_eq!(connection.ready_chunk().unwrap().unwrap(), "ok");
    assert!(!connection.is_complete() && !connection.reusable());
    let error = connection.ready_chunk().unwrap_err();
    assert!(matches!(error, ExchangeError::Malformed(Malformed::ChunkLine)));
    assert!(chunk(&mut connection).unwrap().is_err());
}

#[test]
fn a_request_that_asks_to_close_is_not_followed_by_another() {
    let (near, far) = wire();
    let mut connection = Connection::new(near);
    let closing = |head: &mut crate::exchange::HeadWriter<'_>| head.header(b"connection", b"close");
    connection
        .start(&Method::GET, b"/", RequestBody::None, closing)
        .unwrap();
    far.send(OK);
    answer(&mut connection);
    connection.ready_chunk().unwrap();
    assert!(connection.is_complete() && !connection.reusable());
}

#[test]
fn calls_out_of_order_are_errors() {
    let (mut connection, _far) = started(RequestBody::None);
    assert_eq!(
        start(&mut connection, RequestBody::None),
        Err(RequestFault::OutOfOrder)
    );
    assert!(matches!(
        chunk(&mut connection),
        Some(Err(ExchangeError::Request(RequestFault::OutOfOrder)))
    ));
    let mut idle = Connection::new(wire().0);
    assert!(matches!(
        step(&mut idle),
        Some(Err(ExchangeError::Request(RequestFault::OutOfOrder)))
    ));
}
