//! The contract for answers, as a table: what each one amounts to, however it is cut.

use bytes::Bytes;
use http::Method;
use proptest::prelude::*;

use crate::exchange::fuzz::{self, End, Outcome};
use crate::exchange::{AnswerBody, Malformed, Part};

/// What an answer amounts to.
#[derive(Debug, Clone, Copy)]
enum Want {
    /// Complete: status, content; the connection may be used again.
    Keep(u16, &'static str),
    /// Complete; the connection is over.
    Over(u16, &'static str),
    /// Complete; what follows the first so many bytes is surplus, so the connection is over.
    Surplus(u16, &'static str, usize),
    /// Complete at every length from its head on, by the connection's end.
    ToEnd(u16, &'static str),
    Refused(Malformed),
    Cut(Option<Part>),
}
use Malformed::*;
use Want::*;

type Case = (&'static str, &'static str, Want);

/// Answers to GET; [`TO_HEAD`] has those to HEAD. A name is also that of a file in the fuzz corpus.
#[rustfmt::skip]
const TO_GET: &[Case] = &[
    // Length.
    ("length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Keep(200, "hello")),
    ("length-zero", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Keep(200, "")),
    ("length-leading-zeros", "HTTP/1.1 200 OK\r\nContent-Length: 0005\r\n\r\nhello", Keep(200, "hello")),
    ("length-twice-equal", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Keep(200, "hello")),
    ("length-list-equal", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", Keep(200, "hello")),
    ("length-padded-field", "HTTP/1.1 200 OK\r\nContent-Length: \t 5 \t\r\n\r\nhello", Keep(200, "hello")),
    ("length-surplus", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n", Surplus(200, "hello", 43)),
    ("length-differs", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", Refused(LengthsDiffer)),
    ("length-list-differs", "HTTP/1.1 200 OK\r\nContent-Length: 5,6\r\n\r\nhello!", Refused(LengthsDiffer)),
    ("length-plus", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", Refused(Length)),
    ("length-minus", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", Refused(Length)),
    ("length-inner-space", "HTTP/1.1 200 OK\r\nContent-Length: 5 5\r\n\r\nhello", Refused(Length)),
    ("length-empty", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", Refused(Length)),
    ("length-list-hole", "HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\nhello", Refused(Length)),
    ("length-hex", "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello", Refused(Length)),
    ("length-fraction", "HTTP/1.1 200 OK\r\nContent-Length: 5.0\r\n\r\nhello", Refused(Length)),
    ("length-overflow", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", Refused(Length)),
    ("length-largest", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nx", Cut(Some(Part::Body))),
    ("length-short", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", Cut(Some(Part::Body))),
    // Connection end.
    ("to-end", "HTTP/1.1 200 OK\r\n\r\nhello", ToEnd(200, "hello")),
    ("to-end-10", "HTTP/1.0 200 OK\r\n\r\nhello", ToEnd(200, "hello")),
    ("to-end-keep-alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello", ToEnd(200, "hello")),
    // Persistence.
    ("close", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", Over(200, "ok")),
    ("close-in-list", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x-a, CLOSE\r\n\r\nok", Over(200, "ok")),
    ("close-beats-keep-alive", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\nConnection: close\r\n\r\nok", Over(200, "ok")),
    ("http10-length", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Over(200, "ok")),
    ("http10-keep-alive", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\nok", Keep(200, "ok")),
    // No content by status.
    ("no-content", "HTTP/1.1 204 No Content\r\n\r\n", Keep(204, "")),
    ("no-content-length-zero", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", Keep(204, "")),
    ("no-content-with-length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", Surplus(204, "", 46)),
    ("no-content-with-chunks", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", Over(204, "")),
    ("not-modified", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", Keep(304, "")),
    ("not-modified-length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", Keep(304, "")),
    ("reset-content", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", Keep(205, "")),
    // Chunks.
    ("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", Keep(200, "hello!")),
    ("chunked-case", "HTTP/1.1 200 OK\r\ntransfer-encoding: ChUnKeD\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", Keep(200, "0123456789")),
    ("chunked-empty", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Keep(200, "")),
    ("chunked-extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b;c=\"d e\"\r\nok\r\n0;z\r\n\r\n", Keep(200, "ok")),
    ("chunked-extension-spaced", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \t; a = b\r\nok\r\n0\r\n\r\n", Keep(200, "ok")),
    ("chunked-zeros", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0002\r\nok\r\n0000\r\n\r\n", Keep(200, "ok")),
    ("chunked-trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n", Keep(200, "ok")),
    ("chunked-surplus", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx", Surplus(200, "", 52)),
    ("chunked-close", "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Over(200, "ok")),
    ("chunked-no-last", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", Cut(Some(Part::Body))),
    ("chunked-no-final-line", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", Cut(Some(Part::Body))),
    ("chunked-not-hex", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ng\r\nx\r\n0\r\n\r\n", Refused(ChunkLine)),
    ("chunked-prefix", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n", Refused(ChunkLine)),
    ("chunked-negative", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n", Refused(ChunkLine)),
    ("chunked-plus", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n", Refused(ChunkLine)),
    ("chunked-leading-space", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 2\r\nok\r\n0\r\n\r\n", Refused(ChunkLine)),
    ("chunked-trailing-space", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n", Refused(ChunkLine)),
    ("chunked-underscore", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\nok\r\n0\r\n\r\n", Refused(ChunkLine)),
    ("chunked-empty-size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nok\r\n0\r\n\r\n", Refused(ChunkLine)),
    ("chunked-only-extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n;a\r\nok\r\n0\r\n\r\n", Refused(ChunkLine)),
    ("chunked-overflow", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nok\r\n0\r\n\r\n", Refused(ChunkLine)),
    ("chunked-largest", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nok", Cut(Some(Part::Body))),
    ("chunked-bare-lf-size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n", Refused(BareLineFeed)),
    ("chunked-bare-lf-end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\n0\r\n\r\n", Refused(ChunkEnd)),
    ("chunked-bare-cr-extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\rb\r\nok\r\n0\r\n\r\n", Refused(ChunkLine)),
    ("chunked-nul-extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\0\r\nok\r\n0\r\n\r\n", Refused(ChunkLine)),
    ("chunked-too-much", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n", Refused(ChunkEnd)),
    ("chunked-bad-trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX Y: 1\r\n\r\n", Refused(Trailer)),
    ("chunked-trailer-no-colon", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n", Refused(Trailer)),
    ("chunked-trailer-bare-lf", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: 1\n\r\n", Refused(BareLineFeed)),
    // Other codings, and codings in doubt.
    ("coding-and-length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", Refused(CodingAndLength)),
    ("length-and-coding", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(CodingAndLength)),
    ("coding-http10", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(CodingInHttp10)),
    ("coding-gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx", Refused(TransferCoding)),
    ("coding-gzip-chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Refused(TransferCoding)),
    ("coding-chunked-not-last", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", Refused(TransferCoding)),
    ("coding-chunked-twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", Refused(TransferCoding)),
    ("coding-two-lines", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(TransferCoding)),
    ("coding-identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok", Refused(TransferCoding)),
    ("coding-quoted", "HTTP/1.1 200 OK\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", Refused(TransferCoding)),
    ("coding-parameter", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", Refused(TransferCoding)),
    ("coding-vertical-tab", "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", Refused(FieldValue)),
    ("coding-empty", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n", Refused(TransferCoding)),
    // Status line.
    ("reason-none", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", Keep(200, "")),
    ("reason-none-no-space", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Keep(200, "")),
    ("reason-own", "HTTP/1.1 404 Gone Fishing\r\nContent-Length: 0\r\n\r\n", Keep(404, "")),
    ("status-unknown", "HTTP/1.1 799 ?\r\nContent-Length: 0\r\n\r\n", Keep(799, "")),
    ("status-below-100", "HTTP/1.1 099 ?\r\nContent-Length: 0\r\n\r\n", Refused(StatusLine)),
    ("status-two-digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", Refused(StatusLine)),
    ("status-four-digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", Refused(StatusLine)),
    ("status-two-spaces", "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", Refused(StatusLine)),
    ("status-control", "HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n", Refused(StatusLine)),
    ("version-09", "hello world", Refused(NotHttp)),
    ("version-2", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", Refused(NotHttp)),
    ("version-2-frames", "\0\0\x12\x04\0\0\0\0\0", Refused(NotHttp)),
    ("version-12", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", Refused(StatusLine)),
    ("version-lower-case", "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Refused(NotHttp)),
    ("version-leading-line", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Refused(NotHttp)),
    ("other-protocol", "SSH-2.0-OpenSSH_9.6\r\n", Refused(NotHttp)),
    // Fields.
    ("field-empty-value", "HTTP/1.1 200 OK\r\nX:\r\nContent-Length: 0\r\n\r\n", Keep(200, "")),
    ("field-latin1", "HTTP/1.1 200 OK\r\nX: \u{e9}\r\nContent-Length: 0\r\n\r\n", Keep(200, "")),
    ("field-space-before-colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", Refused(FieldName)),
    ("field-folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", Refused(FieldName)),
    ("field-folded-first", "HTTP/1.1 200 OK\r\n X: a\r\nContent-Length: 0\r\n\r\n", Refused(FieldName)),
    ("field-bare-lf", "HTTP/1.1 200 OK\r\nX: a\nContent-Length: 0\r\n\r\n", Refused(BareLineFeed)),
    ("field-bare-lf-status", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", Refused(BareLineFeed)),
    ("field-bare-lf-end", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n", Refused(BareLineFeed)),
    ("field-bare-cr", "HTTP/1.1 200 OK\r\nX: a\rContent-Length: 0\r\n\r\n", Refused(FieldValue)),
    ("field-nul", "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n", Refused(FieldValue)),
    ("field-del", "HTTP/1.1 200 OK\r\nX: a\x7fb\r\nContent-Length: 0\r\n\r\n", Refused(FieldValue)),
    ("field-no-colon", "HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n", Refused(FieldName)),
    ("field-no-name", "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n", Refused(FieldName)),
    ("field-name-control", "HTTP/1.1 200 OK\r\nX\x01: x\r\nContent-Length: 0\r\n\r\n", Refused(FieldName)),
    ("field-name-not-ascii", "HTTP/1.1 200 OK\r\n\u{e9}: x\r\nContent-Length: 0\r\n\r\n", Refused(FieldName)),
    // 1xx.
    ("interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Keep(200, "ok")),
    ("interim-hints", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 ?\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", Keep(204, "")),
    ("interim-only", "HTTP/1.1 100 Continue\r\n\r\n", Cut(Some(Part::Head))),
    ("interim-length", "HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n", Refused(InterimContent)),
    ("interim-chunked", "HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(InterimContent)),
    ("switched", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", Refused(Switched)),
    // Cut.
    ("nothing", "", Cut(None)),
    ("cut-status", "HTTP/1.1 20", Cut(Some(Part::Head))),
    ("cut-fields", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", Cut(Some(Part::Head))),
];

/// Answers to HEAD: never content, whatever is announced.
#[rustfmt::skip]
const TO_HEAD: &[Case] = &[
    ("head-length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Keep(200, "")),
    ("head-chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Keep(200, "")),
    ("head-none", "HTTP/1.1 200 OK\r\n\r\n", Keep(200, "")),
    ("head-content", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Surplus(200, "", 38)),
    ("head-length-bad", "HTTP/1.1 200 OK\r\nContent-Length: 5,6\r\n\r\n", Refused(LengthsDiffer)),
    ("head-close", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", Over(200, "")),
];

fn cases() -> impl Iterator<Item = (Method, Case)> {
    let to_get = TO_GET.iter().map(|case| (Method::GET, *case));
    to_get.chain(TO_HEAD.iter().map(|case| (Method::HEAD, *case)))
}

fn whole(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn is_as_wanted(outcome: &Outcome, want: Want) -> bool {
    let complete = |status, content: &str| {
        outcome.head.as_ref().is_some_and(|head| head.0 == status) && outcome.content == content.as_bytes()
    };
    match want {
        Keep(status, content) => outcome.end == End::Reusable && complete(status, content),
        Over(status, content) | Surplus(status, content, _) | ToEnd(status, content) => {
            outcome.end == End::Over && complete(status, content)
        }
        Refused(what) => outcome.end == End::Refused(what),
        Cut(part) => outcome.end == End::Cut(part),
    }
}

#[test]
fn every_answer_of_the_table_has_its_outcome_and_the_same_however_it_arrives() {
    for (method, (name, text, want)) in cases() {
        let outcome = fuzz::read(&method, [whole(text)]);
        assert!(is_as_wanted(&outcome, want), "{name}: {want:?}, got {outcome:?}");
        let bytewise = (0..text.len()).map(|at| whole(text).slice(at..at + 1));
        assert_eq!(outcome, fuzz::read(&method, bytewise), "{name} byte by byte");
        for cut in 0..text.len() {
            let halves = [whole(text).slice(..cut), whole(text).slice(cut..)];
            assert_eq!(outcome, fuzz::read(&method, halves), "{name} cut at {cut}");
        }
    }
}

#[test]
fn an_answer_cut_off_anywhere_is_never_complete() {
    for (method, (name, text, want)) in cases() {
        let complete_from = match want {
            Keep(..) | Over(..) => text.len(),
            Surplus(_, _, length) => length,
            ToEnd(..) => text.find("\r\n\r\n").unwrap() + 4,
            Refused(_) | Cut(_) => usize::MAX,
        };
        for length in 0..text.len() {
            let outcome = fuzz::read(&method, [whole(text).slice(..length)]);
            assert_eq!(
                outcome.end.complete(),
                length >= complete_from,
                "{name} after {length}: {outcome:?}"
            );
            assert_ne!(outcome.end, End::Other, "{name} after {length}");
        }
    }
}

#[test]
fn a_refused_head_hands_nothing_on() {
    for (method, (name, text, want)) in cases() {
        let by_head = !matches!(
            want,
            Refused(ChunkLine | ChunkEnd | ChunkOverhead | ChunkLineTooLong | Trailer | TrailersTooLong)
        ) && !name.starts_with("chunked");
        if matches!(want, Refused(_)) && by_head {
            let outcome = fuzz::read(&method, [whole(text)]);
            assert!(
                outcome.head.is_none() && outcome.content.is_empty(),
                "{name}: {outcome:?}"
            );
        }
    }
}

#[test]
fn the_head_handed_on_speaks_of_content_only() {
    let text = "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop, content-length\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
        Content-Length: 005, 5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nTE: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nhello";
    let (status, fields, body) = fuzz::read(&Method::GET, [whole(text)]).head.unwrap();
    let mut fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    fields.sort_unstable();
    let wanted: [(&str, &[u8]); 3] = [
        ("content-length", b"5"),
        ("set-cookie", b"a"),
        ("set-cookie", b"b"),
    ];
    assert_eq!((status, body), (200, AnswerBody::Length(5)));
    assert_eq!(fields, wanted);
}

#[test]
fn no_content_announces_no_length() {
    let outcome = fuzz::read(
        &Method::GET,
        [whole("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")],
    );
    assert!(outcome.head.unwrap().1.is_empty());
}

#[test]
fn trailers_with_no_place_after_the_content_are_dropped() {
    let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\nHost: a\r\nx-sum: 2\r\n\
        Transfer-Encoding: gzip\r\nSet-Cookie: a=b\r\nAuthorization: x\r\n\r\n";
    let trailers = fuzz::read(&Method::GET, [whole(text)]).trailers.unwrap();
    let fields: Vec<_> = trailers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    assert_eq!(fields, [("x-sum", &b"1"[..]), ("x-sum", &b"2"[..])]);
}

#[test]
fn answers_beyond_a_limit_are_refused_just_there() {
    let head = |fields: usize, padding: usize| {
        let fields = "a: b\r\n".repeat(fields);
        format!(
            "HTTP/1.1 204 No Content\r\n{fields}p: {}\r\n\r\n",
            "x".repeat(padding)
        )
    };
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let extended = |bytes: usize| format!("{chunked}0;{}\r\n\r\n", "x".repeat(bytes));
    let trailed = |bytes: usize| format!("{chunked}0\r\nt: {}\r\n\r\n", "x".repeat(bytes));
    let lean = |chunks: usize| {
        format!(
            "{chunked}{}0\r\n\r\n",
            "1;xxxxxxxxxxxxxxxxxxx\r\ny\r\n".repeat(chunks)
        )
    };
    let overhead = head(0, 0).len();
    let interims = |count: usize| "HTTP/1.1 100 Continue\r\n\r\n".repeat(count) + &head(0, 0);
    let cases = [
        (head(255, 0), head(256, 0), TooManyFields),
        (head(0, 65536 - overhead), head(0, 65537 - overhead), HeadTooLong),
        (extended(1024 - 4), extended(1024 - 3), ChunkLineTooLong),
        (trailed(16384 - 7), trailed(16384 - 6), TrailersTooLong),
        (lean(2000), lean(3000), ChunkOverhead),
        (interims(16), interims(17), TooManyInterims),
        (
            format!("{chunked}0\r\n{}\r\n", "t: x\r\n".repeat(64)),
            format!("{chunked}0\r\n{}\r\n", "t: x\r\n".repeat(65)),
            TrailersTooLong,
        ),
    ];
    for (within, beyond, what) in cases {
        let read = |text: String| fuzz::read(&Method::GET, [Bytes::from(text)]).end;
        assert_eq!(read(within), End::Reusable, "{what}");
        assert_eq!(read(beyond), End::Refused(what));
    }
}

fn corpus() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus/answer")
}

/// With `UPDATE_CORPUS` set it writes what is missing.
#[test]
fn the_fuzz_corpus_holds_every_answer_of_the_table() {
    for (_, (name, text, _)) in cases() {
        let path = corpus().join(name);
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            std::fs::create_dir_all(corpus()).unwrap();
            std::fs::write(&path, text).unwrap();
        }
        let seed = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(seed, text.as_bytes(), "{name}");
    }
}

#[test]
fn every_answer_of_the_fuzz_corpus_keeps_the_fuzz_property() {
    let seeds: Vec<_> = std::fs::read_dir(corpus()).unwrap().collect();
    assert!(seeds.len() >= TO_GET.len() + TO_HEAD.len());
    for seed in seeds {
        let path = seed.unwrap().path();
        println!("{}", path.display());
        fuzz::answer(&std::fs::read(path).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_answer_means_the_same_in_any_pieces(
        case in 0..TO_GET.len(),
        mut cuts in prop::collection::vec(0usize..200, 0..8),
    ) {
        let text = whole(TO_GET[case].1);
        cuts.sort_unstable();
        cuts.retain(|cut| *cut <= text.len());
        let starts = std::iter::once(0).chain(cuts.clone());
        let ends = cuts.clone().into_iter().chain([text.len()]);
        let pieces = starts.zip(ends).map(|(start, end)| text.slice(start..end));
        prop_assert_eq!(fuzz::read(&Method::GET, pieces), fuzz::read(&Method::GET, [text.clone()]));
    }

    #[test]
    fn an_answer_with_damaged_bytes_keeps_the_fuzz_property(
        case in 0..TO_GET.len(),
        damage in prop::collection::vec((0usize..200, any::<u8>()), 1..4),
    ) {
        let mut text = TO_GET[case].1.as_bytes().to_vec();
        for (at, byte) in damage {
            if let Some(slot) = text.get_mut(at) {
                *slot = byte;
            }
        }
        fuzz::answer(&text);
    }

    #[test]
    fn a_body_comes_out_as_it_was_chunked(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..400), 0..12),
        size in 1usize..300,
    ) {
        let mut text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in &chunks {
            text.extend(format!("{:x}\r\n", chunk.len()).bytes());
            text.extend(chunk);
            text.extend(b"\r\n");
        }
        text.extend(b"0\r\n\r\n");
        let pieces = text.chunks(size).map(Bytes::copy_from_slice);
        let outcome = fuzz::read(&Method::GET, pieces);
        prop_assert_eq!(outcome.end, End::Reusable);
        prop_assert_eq!(outcome.content, chunks.concat());
    }
}
