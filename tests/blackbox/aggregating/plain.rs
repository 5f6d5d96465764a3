//! One node and nothing to put together: a request is forwarded with another URL and its answer passed on as it is, piece by piece.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{over, told};
use crate::objects::assert_refused;
use crate::support::{Backend, Reply, request};

#[tokio::test]
async fn a_single_nodes_answer_is_passed_on_as_it_is() {
    let service = Backend::start(|_| {
        let headers = [
            ("content-type", "image/png"),
            ("etag", "\"1\""),
            ("x-own", "1"),
            ("cache-control", "max-age=9"),
        ];
        Reply::with_headers(200, &headers, *b"\x89PNG\xff")
    })
    .await;
    let gateway = over(
        service.address(),
        &[("only", "url: \"/i/{param.id}?q={query.q}\"")],
        "match: { path: \"/img/{id}\" }",
    )
    .await;
    let response = gateway.get("/img/a%20b?q=c&d=e").await;
    assert_eq!(
        (response.status, response.body.as_slice()),
        (200, &b"\x89PNG\xff"[..])
    );
    for (name, value) in [
        ("content-type", "image/png"),
        ("etag", "\"1\""),
        ("x-own", "1"),
        ("cache-control", "max-age=9"),
    ] {
        assert_eq!(response.header_values(name), [value]);
    }
    assert_eq!(told(&response), "only;status=200");
    assert_eq!(service.last().target, "/i/a%20b?q=c");
}

#[tokio::test]
async fn a_single_nodes_status_is_passed_on() {
    for status in [201, 302, 404, 500] {
        let service = Backend::start(move |_| Reply::new(status, "its own")).await;
        let gateway = over(service.address(), &[("only", "")], "").await;
        let response = gateway.get("/").await;
        assert_eq!((response.status, response.text()), (status, "its own".to_owned()));
        assert_eq!(told(&response), format!("only;status={status}"));
        assert_eq!(response.header("x-gateway-refusal"), None);
    }
}

#[tokio::test]
async fn method_and_body_of_the_client_are_passed_on() {
    let service = Backend::echo().await;
    let gateway = over(service.address(), &[("only", "")], "").await;
    let response = request(gateway.address(), "PUT", "/", &[("X-A", "1")], b"body").await;
    assert_eq!(response.json()["body"], "body");
    let call = service.last();
    assert_eq!(
        (call.method.as_str(), call.target.as_str(), call.header("x-a")),
        ("PUT", "/only", Some("1"))
    );
}

#[tokio::test]
async fn fields_that_are_set_are_sent() {
    let service = Backend::echo().await;
    let members = "headers: { x-tenant: \"{query.t}\", cookie: \"\" }";
    let gateway = over(service.address(), &[("only", members)], "").await;
    request(
        gateway.address(),
        "GET",
        "/?t=7",
        &[("Cookie", "a=1"), ("X-Tenant", "x")],
        b"",
    )
    .await;
    let call = service.last();
    assert_eq!(call.header_values("x-tenant"), ["7"]);
    assert_eq!(call.header_values("cookie"), [""; 0]);
}

#[tokio::test]
async fn pieces_reach_the_client_as_they_come() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = over(listener.local_addr().unwrap(), &[("only", "")], "").await;
    let mut client = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let mut seen = Vec::new();
    for (sent, arrives) in [
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n",
            "first",
        ),
        ("6\r\nsecond\r\n", "second"),
        ("0\r\n\r\n", "\r\n0\r\n\r\n"),
    ] {
        server.write_all(sent.as_bytes()).await.unwrap();
        let reading = async {
            while !String::from_utf8_lossy(&seen).contains(arrives) {
                assert!(client.read_buf(&mut seen).await.unwrap() > 0);
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(10), reading).await;
        waited.unwrap_or_else(|_| panic!("{arrives:?} is held back"));
    }
    assert!(
        String::from_utf8_lossy(&seen)
            .to_lowercase()
            .contains("x-gateway-nodes: only;status=200")
    );
}

#[tokio::test]
async fn timeouts_of_node_and_whole_end_the_only_call() {
    let service = Backend::start(|_| Reply::hang()).await;
    for (node, members) in [("timeout: 100ms", ""), ("", "timeout: 100ms")] {
        let gateway = over(service.address(), &[("only", node)], members).await;
        assert_refused(&gateway.get("/").await, 504, "timeout");
    }
}

#[tokio::test]
async fn a_single_node_that_cannot_be_reached_is_told_as_forwarding_tells_it() {
    let refusing = Backend::refusing().await;
    let gateway = over(refusing.address(), &[("only", "")], "").await;
    assert_refused(&gateway.get("/").await, 502, "connect_failed");
}

#[tokio::test]
async fn with_a_merge_a_single_node_is_put_together_like_several() {
    let service = Backend::start(|_| super::with_json("{\"a\":1}")).await;
    for (merge, body) in [
        ("object", "{\"only\":{\"a\":1}}"),
        ("list", "[{\"a\":1}]"),
        ("flat", "{\"a\":1}"),
    ] {
        let gateway = over(service.address(), &[("only", "")], &format!("merge: {merge}")).await;
        super::assert_answer(&gateway.get("/").await, 200, body, "only;status=200");
    }
}
