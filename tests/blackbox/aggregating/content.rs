//! What a node's answer becomes if it is not plain JSON: text, nothing at all, or compressed.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::over;
use crate::support::{Backend, Reply};

/// `(what is answered, what stands for it)`
type Case = (Reply, &'static str);

/// Each case is a node; the merged list has what stands for each.
async fn stand_for(cases: Vec<Case>) {
    let (replies, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let count = replies.len();
    let service = Backend::start(move |request| {
        let at: usize = request.target[2..].parse().unwrap();
        replies[at].clone()
    })
    .await;
    let names: Vec<String> = (0..count).map(|at| format!("n{at}")).collect();
    let nodes: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let gateway = over(service.address(), &nodes, "merge: list").await;
    let response = gateway.get("/").await;
    assert_eq!(
        response.text(),
        format!("[{}]", expected.join(",")),
        "{response:?}"
    );
    assert_eq!(response.header_values("content-type"), ["application/json"]);
    assert_eq!(response.header_values("content-encoding"), [""; 0]);
    assert_eq!(
        response.header("content-length"),
        Some(response.body.len().to_string().as_str())
    );
}

fn typed(content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    Reply::with_headers(200, &[("content-type", content_type)], body)
}

#[tokio::test]
async fn text_becomes_a_json_string() {
    stand_for(vec![
        (typed("text/plain", "hi \"there\"\\\n"), r#""hi \"there\"\\\n""#),
        (
            typed("text/html; charset=utf-8", "<p>grün</p>"),
            "\"<p>grün</p>\"",
        ),
        (typed("text/plain", "[1,2]"), "\"[1,2]\""),
        (typed("application/xml", "<a/>"), "\"<a/>\""),
        (Reply::new(200, "no JSON, no type"), "\"no JSON, no type\""),
    ])
    .await;
}

#[tokio::test]
async fn text_is_read_in_its_charset() {
    stand_for(vec![
        (typed("text/plain; charset=iso-8859-1", *b"caf\xe9"), "\"café\""),
        (
            typed("text/plain; charset=\"ISO-8859-1\"", *b"\xfcber"),
            "\"über\"",
        ),
        (typed("text/plain;charset=utf-16le", *b"h\0i\0"), "\"hi\""),
        (
            typed("text/plain; charset=shift_jis", *b"\x93\xfa\x96\x7b"),
            "\"日本\"",
        ),
        (
            typed("application/json; charset=iso-8859-1", *b"{\"a\":\"\xe4\"}"),
            "{\"a\":\"ä\"}",
        ),
    ])
    .await;
}

#[tokio::test]
async fn json_is_known_by_its_type_or_else_by_its_look() {
    stand_for(vec![
        (typed("application/json", "{\"a\":1}"), "{\"a\":1}"),
        (typed("application/problem+json", "{\"a\":2}"), "{\"a\":2}"),
        (typed("Application/JSON;charset=UTF-8", " [3]\r\n"), "[3]"),
        (Reply::new(200, "{\"a\":4}"), "{\"a\":4}"),
        (typed("application/json", *b"\xef\xbb\xbf{\"a\":5}"), "{\"a\":5}"),
    ])
    .await;
}

#[tokio::test]
async fn no_content_and_an_empty_body_become_null() {
    stand_for(vec![
        (Reply::raw("HTTP/1.1 204 No Content\r\n\r\n"), "null"),
        (Reply::new(200, ""), "null"),
        (typed("application/json", ""), "null"),
        (typed("text/plain", ""), "null"),
        (
            Reply::with_headers(200, &[("content-encoding", "gzip")], ""),
            "null",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_chunked_body_and_one_that_ends_with_its_connection_are_read_whole() {
    let json: [(&str, &str); 1] = [("content-type", "application/json")];
    let pieces: [&[u8]; 3] = [b"{\"a\"", b":", b"1}"];
    let until_close =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"a\":2}";
    stand_for(vec![
        (
            Reply::chunked(200, &json, &pieces, std::time::Duration::ZERO),
            "{\"a\":1}",
        ),
        (
            Reply::raw(until_close).then(crate::support::Step::Close),
            "{\"a\":2}",
        ),
    ])
    .await;
}

#[tokio::test]
async fn compressed_bodies_are_decoded() {
    let json = "{\"a\":0.10}";
    let coded = |coding: &str, body: Vec<u8>| {
        let headers = [("content-type", "application/json"), ("content-encoding", coding)];
        Reply::with_headers(200, &headers, body)
    };
    let both = gzip(&gzip(json.as_bytes()));
    stand_for(vec![
        (coded("gzip", gzip(json.as_bytes())), json),
        (coded("X-GZIP", gzip(json.as_bytes())), json),
        (coded("br", brotli(json.as_bytes())), json),
        (coded("deflate", zlib(json.as_bytes())), json),
        (coded("deflate", raw_deflate(json.as_bytes())), json),
        (coded("identity", json.as_bytes().to_vec()), json),
        (coded("gzip, gzip", both), json),
    ])
    .await;
}

#[tokio::test]
async fn compressed_text_is_decoded_before_it_becomes_a_string() {
    let headers = [
        ("content-type", "text/plain; charset=latin1"),
        ("content-encoding", "gzip"),
    ];
    stand_for(vec![(Reply::with_headers(200, &headers, gzip(b"\xe4")), "\"ä\"")]).await;
}

#[tokio::test]
async fn compressed_bodies_in_small_pieces_are_decoded() {
    let json = format!("[{}0]", "12345,".repeat(5000));
    let coded = brotli(json.as_bytes());
    let pieces: Vec<&[u8]> = coded.chunks(7).collect();
    let headers = [("content-type", "application/json"), ("content-encoding", "br")];
    let reply = Reply::chunked(200, &headers, &pieces, std::time::Duration::ZERO);
    stand_for(vec![(reply, json.leak())]).await;
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut out, &Default::default()).unwrap();
    out
}
