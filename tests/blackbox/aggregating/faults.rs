//! Everything that can be wrong with a service: a required node fails the whole, an optional one has its fallback, both in time.

use std::time::{Duration, Instant};

use super::content::gzip;
use super::{assert_answer, assert_failed, item, with_json};
use crate::support::{Backend, Gateway, Reply, Step, clusters};

/// For each call. The reset connections and the slow ones are over by then.
const TIMEOUT: Duration = Duration::from_secs(1);

/// `(name, what the service does, what is told of the node, the status of the whole if it is required)`
type Fault = (&'static str, Reply, &'static str, u16);

fn typed(content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    Reply::with_headers(200, &[("content-type", content_type)], body)
}

fn coded(coding: &str, body: impl Into<Vec<u8>>) -> Reply {
    Reply::with_headers(
        200,
        &[("content-type", "application/json"), ("content-encoding", coding)],
        body,
    )
}

fn cut(bytes: &str, end: Step) -> Reply {
    Reply::raw(bytes)
        .then(Step::Pause(Duration::from_millis(30)))
        .then(end)
}

/// More than a node may send, and no end.
fn endless() -> Reply {
    let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n200000\r\n".to_vec();
    bytes.resize(bytes.len() + 0x20_0000, b'1');
    Reply::raw(bytes).then(Step::Hang)
}

fn faults() -> Vec<Fault> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let long = format!("{head}content-length: 100\r\n\r\n[1,");
    vec![
        ("closed", Reply::close(), "error=bad_answer", 502),
        ("reset", Reply::reset(), "error=bad_answer", 502),
        ("reset-in-head", cut(head, Step::Reset), "error=bad_answer", 502),
        ("closed-in-head", cut(head, Step::Close), "error=bad_answer", 502),
        ("reset-in-body", cut(&long, Step::Reset), "error=bad_answer", 502),
        ("closed-in-body", cut(&long, Step::Close), "error=bad_answer", 502),
        ("garbage", Reply::garbage(), "error=bad_answer", 502),
        ("slow-head", Reply::hang(), "error=timeout", 504),
        (
            "slow-body",
            Reply::raw(long).then(Step::Hang),
            "error=timeout",
            504,
        ),
        ("endless-body", endless(), "error=too_large", 502),
        (
            "a-gibibyte",
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n").then(Step::Hang),
            "error=too_large",
            502,
        ),
        (
            "no-json",
            typed("application/json", "<html>"),
            "error=not_json",
            502,
        ),
        (
            "trailing-bytes",
            typed("application/json", "{\"a\":1} x"),
            "error=not_json",
            502,
        ),
        (
            "two-values",
            typed("application/json", "1 2"),
            "error=not_json",
            502,
        ),
        (
            "cut-json",
            typed("application/json", "{\"a\":"),
            "error=not_json",
            502,
        ),
        (
            "json-no-utf-8",
            typed("application/json", *b"\"\xff\""),
            "error=not_json",
            502,
        ),
        (
            "unknown-charset",
            typed("text/plain; charset=klingon", "x"),
            "error=wrong_charset",
            502,
        ),
        (
            "binary",
            typed("text/plain", *b"\x89PNG\r\n\x1a\n\xff\xfe"),
            "error=wrong_charset",
            502,
        ),
        (
            "gzip-bomb",
            coded("gzip", gzip(&vec![b' '; 3_000_000])),
            "error=too_large",
            502,
        ),
        (
            "gzip-twice-bomb",
            coded("gzip, gzip", gzip(&gzip(&vec![b' '; 3_000_000]))),
            "error=too_large",
            502,
        ),
        (
            "no-gzip",
            coded("gzip", "{\"a\":1}"),
            "error=corrupt_encoding",
            502,
        ),
        (
            "cut-gzip",
            coded("gzip", &gzip(b"{\"a\":1}")[..15]),
            "error=corrupt_encoding",
            502,
        ),
        (
            "zstd",
            coded("zstd", "\u{28}x"),
            "error=unsupported_encoding",
            502,
        ),
        (
            "not-modified",
            Reply::raw("HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n"),
            "status=304",
            502,
        ),
        (
            "redirect",
            Reply::with_headers(302, &[("location", "/else")], ""),
            "status=302",
            502,
        ),
        (
            "error-endless",
            Reply::raw("HTTP/1.1 500 No\r\ncontent-length: 1073741824\r\n\r\nx").then(Step::Hang),
            "status=500",
            502,
        ),
        ("unauthorized", Reply::new(401, "x"), "status=401", 502),
    ]
}

/// Two aggregations for each fault, `/required/NAME` and `/optional/NAME`, each with a node that is well beside the faulty one.
fn objects(service: &Backend, refusing: &Backend, names: &[&str]) -> String {
    let mut objects =
        clusters(&[("b", service.address()), ("refusing", refusing.address())]) + "aggregations:\n";
    for name in names {
        let cluster = if *name == "refused" { "refusing" } else { "b" };
        let call = format!(
            "cluster: {cluster}, url: /{name}, max_bytes: 1000000, timeout: {}ms",
            TIMEOUT.as_millis()
        );
        let (required, optional) = (&call, format!("{call}, required: false, fallback: stands"));
        objects += &item(
            &format!("r-{name}"),
            &[("good", ""), ("bad", required)],
            &format!("match: {{ path: /required/{name} }}"),
        );
        objects += &item(
            &format!("o-{name}"),
            &[("bad", &optional), ("good", "")],
            &format!("match: {{ path: /optional/{name} }}"),
        );
    }
    objects
}

#[tokio::test]
async fn every_fault_of_a_service_is_told_and_answered_in_time() {
    let (faults, script) = (faults(), faults());
    let service = Backend::start(move |request| {
        let fault = script.iter().find(|(name, ..)| request.target[1..] == **name);
        fault.map_or_else(|| with_json("1"), |(_, reply, ..)| reply.clone())
    })
    .await;
    let refusing = Backend::refusing().await;
    let mut cases: Vec<_> = faults
        .iter()
        .map(|(name, _, told, status)| (*name, *told, *status))
        .collect();
    cases.push(("refused", "error=connect_failed", 502));
    let names: Vec<_> = cases.iter().map(|(name, ..)| *name).collect();
    let gateway = Gateway::start(&objects(&service, &refusing, &names)).await;
    for (name, told, status) in cases {
        let start = Instant::now();
        let response = gateway.get(&format!("/optional/{name}")).await;
        let nodes = format!("bad;{told}, good;status=200");
        assert_answer(&response, 200, "{\"bad\":\"stands\",\"good\":1}", &nodes);
        assert_eq!(response.header("x-gateway-complete"), Some("false"), "{name}");
        let response = gateway.get(&format!("/required/{name}")).await;
        // Whether the other node was done by then is left open.
        let nodes = super::told(&response);
        assert!(nodes.ends_with(&format!(", bad;{told}")), "{name}: {nodes}");
        let reason = if status == 504 { "timeout" } else { "node_failed" };
        assert_failed(&response, status, reason, &nodes);
        assert!(
            start.elapsed() < TIMEOUT * 2 + Duration::from_secs(3),
            "{name}: {:?}",
            start.elapsed()
        );
    }
    assert_eq!(service.faults(), [""; 0]);
    assert_eq!(
        gateway.metric("gateway_aggregation_calls_in_flight", &[]).await,
        0.0
    );
    assert_eq!(gateway.metric("gateway_aggregation_held_bytes", &[]).await, 0.0);
}
