//! Merged answers are compressed for clients that accept it, where it is worth it.

use std::io::Read;

use super::over;
use crate::support::{Backend, Gateway, Response, request};

/// An aggregation whose answer has so many bytes, and its service.
async fn of_length(length: usize, members: &str) -> (Backend, Gateway) {
    let around = "{\"a\":\"\",\"b\":1}".len();
    let text = format!("\"{}\"", "x".repeat(length - around));
    let service =
        Backend::start(move |request| super::with_json(if request.target == "/a" { &text } else { "1" }))
            .await;
    let gateway = over(service.address(), &[("a", ""), ("b", "")], members).await;
    (service, gateway)
}

async fn accepting(gateway: &Gateway, accepted: &str) -> Response {
    request(
        gateway.address(),
        "GET",
        "/",
        &[("Accept-Encoding", accepted)],
        b"",
    )
    .await
}

fn decoded(response: &Response) -> Vec<u8> {
    let (mut body, coded) = (Vec::new(), response.body.as_slice());
    match response.header("content-encoding") {
        Some("gzip") => flate2::read::MultiGzDecoder::new(coded)
            .read_to_end(&mut body)
            .map(drop)
            .unwrap(),
        Some("br") => brotli::BrotliDecompress(&mut &*coded, &mut body).unwrap(),
        None => body.extend_from_slice(coded),
        Some(other) => panic!("{other}"),
    }
    body
}

#[tokio::test]
async fn a_long_answer_is_compressed_as_the_client_accepts_it() {
    for length in [1024, 50_000, 300_000] {
        let (_service, gateway) = of_length(length, "").await;
        let plain = gateway.get("/").await;
        assert_eq!(
            (plain.body.len(), plain.header("content-encoding")),
            (length, None)
        );
        for (accepted, coding) in [
            ("gzip", Some("gzip")),
            ("br", Some("br")),
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip;q=1, br;q=0.1", Some("gzip")),
            ("gzip;q=0, br;q=0", None),
            ("identity", None),
            ("zstd", None),
        ] {
            let response = accepting(&gateway, accepted).await;
            assert_eq!(response.header("content-encoding"), coding, "{accepted}");
            assert_eq!(decoded(&response), plain.body, "{accepted}");
            assert_eq!(
                response.header("content-length"),
                Some(response.body.len().to_string().as_str())
            );
            assert_eq!(response.header("content-type"), Some("application/json"));
            assert!(coding.is_none() || response.body.len() < length / 2);
        }
    }
}

#[tokio::test]
async fn an_answer_that_depends_on_what_is_accepted_says_so() {
    let (_service, gateway) = of_length(5000, "").await;
    for accepted in ["gzip", "identity", "br"] {
        let vary = accepting(&gateway, accepted)
            .await
            .header("vary")
            .map(str::to_ascii_lowercase);
        assert_eq!(vary.as_deref(), Some("accept-encoding"));
    }
}

#[tokio::test]
async fn a_short_answer_is_not_compressed() {
    let (_service, gateway) = of_length(1023, "").await;
    let response = accepting(&gateway, "gzip, br").await;
    assert_eq!(
        (response.header("content-encoding"), response.body.len()),
        (None, 1023)
    );
}

#[tokio::test]
async fn nothing_is_compressed_where_that_is_said() {
    let (_service, gateway) = of_length(5000, "compress: false").await;
    let response = accepting(&gateway, "gzip, br").await;
    assert_eq!(
        (
            response.header("content-encoding"),
            response.header("vary"),
            response.body.len()
        ),
        (None, None, 5000)
    );
}

#[tokio::test]
async fn the_answer_to_head_announces_what_get_would_bring() {
    let (_service, gateway) = of_length(5000, "").await;
    let get = accepting(&gateway, "gzip").await;
    let head = request(
        gateway.address(),
        "HEAD",
        "/",
        &[("Accept-Encoding", "gzip")],
        b"",
    )
    .await;
    for name in ["content-encoding", "content-length", "vary"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
}
