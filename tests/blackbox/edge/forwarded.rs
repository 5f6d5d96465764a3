//! What a backend is told, and what it is not.

use crate::objects::one_cluster;
use crate::support::{Backend, Gateway, Received, Reply, Response};

/// Sends one request with these headers and gives what arrived and what came back.
async fn passed(startup: &str, headers: &[(&str, &str)]) -> (Received, Response) {
    let backend = Backend::text("ok").await;
    let gateway = Gateway::start_with(startup, &one_cluster(&[backend.address()], "", "")).await;
    let answer = gateway
        .client()
        .await
        .request("GET", "/", headers, b"")
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    assert!(backend.faults().is_empty(), "{:?}", backend.faults());
    (backend.last(), answer)
}

const TRUSTING: &str = "trusted_proxies: [127.0.0.0/8]\n";

const CLAIMS: [(&str, &str); 5] = [
    ("Host", "shop.example:8080"),
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-For", "198.51.100.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "www.example"),
];

#[tokio::test]
async fn what_an_untrusted_client_claims_to_forward_is_replaced() {
    let (arrived, _) = passed("", &CLAIMS).await;
    assert_eq!(arrived.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(arrived.header("x-forwarded-proto"), Some("http"));
    assert_eq!(arrived.header("x-forwarded-host"), Some("shop.example:8080"));
    assert_eq!(arrived.header("host"), Some("shop.example:8080"));
}

#[tokio::test]
async fn the_chain_of_a_trusted_proxy_is_continued_in_one_header() {
    let (arrived, _) = passed(TRUSTING, &CLAIMS).await;
    assert_eq!(
        arrived.header("x-forwarded-for"),
        Some("203.0.113.9, 198.51.100.7, 127.0.0.1")
    );
    assert_eq!(arrived.header("x-forwarded-proto"), Some("https"));
    assert_eq!(arrived.header("x-forwarded-host"), Some("www.example"));
    assert_eq!(arrived.header("host"), Some("shop.example:8080"));
}

#[tokio::test]
async fn a_trusted_proxy_that_says_nothing_is_the_start_of_the_chain() {
    let (arrived, _) = passed(TRUSTING, &[("Host", "shop.example")]).await;
    assert_eq!(arrived.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(arrived.header("x-forwarded-proto"), Some("http"));
    assert_eq!(arrived.header("x-forwarded-host"), Some("shop.example"));
}

#[tokio::test]
async fn strange_forwarded_headers_are_no_500() {
    for value in [
        "",
        ",",
        ", ,",
        "not an address",
        "::1, [::1]:80",
        "1.2.3.4.5",
        "\u{e9}",
    ] {
        for startup in ["", TRUSTING] {
            let (arrived, _) = passed(startup, &[("X-Forwarded-For", value)]).await;
            assert!(
                arrived.header("x-forwarded-for").unwrap().ends_with("127.0.0.1"),
                "{value:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_request_id_is_kept_if_sane_and_returned() {
    let (arrived, answer) = passed("", &[("X-Request-Id", "abc-123")]).await;
    assert_eq!(arrived.header("x-request-id"), Some("abc-123"));
    assert_eq!(answer.header("x-request-id"), Some("abc-123"));
}

#[tokio::test]
async fn a_request_id_is_made_where_there_is_none_or_none_sane() {
    let mut ids = std::collections::HashSet::new();
    let long = "x".repeat(500);
    for headers in [
        &[][..],
        &[("X-Request-Id", "a b")],
        &[("X-Request-Id", &long)],
        &[("X-Request-Id", "")],
    ] {
        let (arrived, answer) = passed("", headers).await;
        let id = arrived.header("x-request-id").unwrap().to_owned();
        assert!(
            id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
        assert_eq!(answer.header("x-request-id"), Some(id.as_str()));
        assert!(ids.insert(id));
    }
}

#[tokio::test]
async fn what_is_about_the_clients_connection_stays_there() {
    let headers = [
        ("Connection", "keep-alive, X-Private"),
        ("Connection", "X-Also-Private"),
        ("X-Private", "1"),
        ("X-Also-Private", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic eA=="),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("X-Public", "1"),
    ];
    let (arrived, _) = passed("", &headers).await;
    for (name, _) in &headers[1..9] {
        assert_eq!(arrived.header_values(name), [""; 0], "{name}");
    }
    assert_eq!(arrived.header("x-public"), Some("1"));
}

#[tokio::test]
async fn a_client_cannot_nominate_away_what_the_gateway_says() {
    let nominated = "X-Forwarded-For, X-Request-Id, Host, Content-Length, Transfer-Encoding, Authorization";
    let backend = Backend::echo().await;
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", "")).await;
    let headers = [("Connection", nominated)];
    let answer = gateway
        .client()
        .await
        .request("POST", "/", &headers, b"body")
        .await
        .unwrap();
    assert_eq!(answer.json()["body"], "body");
    let arrived = backend.last();
    assert_eq!(arrived.header("x-forwarded-for"), Some("127.0.0.1"));
    assert!(arrived.header("x-request-id").is_some() && arrived.header("host").is_some());
}

#[tokio::test]
async fn what_is_about_the_servers_connection_stays_there() {
    let fields = "Connection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n\
                  Upgrade: h2c\r\nX-Public: 1\r\nX-Public: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n";
    let answer = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
    let backend = Backend::start(move |_| Reply::raw(answer.clone())).await;
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", "")).await;
    let answer = gateway.get("/").await;
    for name in ["x-private", "keep-alive", "proxy-connection", "upgrade"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header_values("x-public"), ["1", "2"]);
    assert_eq!(answer.header_values("set-cookie"), ["a=1", "b=2"]);
}

#[tokio::test]
async fn traces_cookies_and_all_else_are_passed_on_as_they_are() {
    let headers = [
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("tracestate", "a=b"),
        ("Cookie", "a=1; b=2"),
        ("Authorization", "Bearer x"),
        ("Accept-Encoding", "gzip, br"),
        ("X-Empty", ""),
        ("User-Agent", "test/1.0"),
    ];
    let (arrived, _) = passed("", &headers).await;
    for (name, value) in headers {
        assert_eq!(arrived.header(name), Some(value));
    }
}

#[tokio::test]
async fn the_target_arrives_as_the_client_wrote_it() {
    let backend = Backend::text("ok").await;
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", "")).await;
    let mut client = gateway.client().await;
    for target in [
        "/",
        "/a/../b",
        "/a%2Fb%20c",
        "//a//b",
        "/a:b;c=d,e",
        "/?",
        "/?a=b&a=%26+c",
        "/%C3%A9?x=/y?z",
    ] {
        client.get(target).await;
        assert_eq!(backend.last().target, target);
    }
    let host = [("Host", "shop.example")];
    let absolute = client
        .request("GET", "http://shop.example/abs?x", &host, b"")
        .await
        .unwrap();
    assert_eq!(absolute.status, 200);
    assert_eq!(backend.last().target, "/abs?x");
}
