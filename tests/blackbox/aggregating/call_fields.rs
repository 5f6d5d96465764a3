//! What a node is sent: the client's fields that are passed on, those that are set, and who is called for.

use super::over;
use crate::support::{Backend, Gateway, Received, request};

const CLIENTS: [(&str, &str); 9] = [
    ("Authorization", "Bearer t"),
    ("Cookie", "a=1; b=2"),
    ("Accept-Language", "de, en;q=0.5"),
    (
        "Traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
    ("X-Request-Id", "abc-123"),
    ("User-Agent", "test"),
    ("X-Tenant", "t1"),
    ("Accept-Encoding", "gzip"),
    ("If-None-Match", "\"1\""),
];

/// What the node `a` with these members was sent for this request.
async fn sent(members: &str, target: &str, headers: &[(&str, &str)]) -> Received {
    let (service, gateway) = echoing(members).await;
    let response = request(gateway.address(), "GET", target, headers, b"").await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(service.faults(), [""; 0]);
    let requests = service.requests();
    requests
        .iter()
        .find(|request| request.target != "/other")
        .expect("a call")
        .clone()
}

async fn echoing(members: &str) -> (Backend, Gateway) {
    let service = Backend::echo().await;
    let gateway = over(service.address(), &[("a", members), ("other", "")], "").await;
    (service, gateway)
}

#[tokio::test]
async fn who_is_asking_is_passed_on() {
    let call = sent("", "/", &CLIENTS).await;
    for (name, value) in &CLIENTS[..5] {
        assert_eq!(call.header_values(name), [*value], "{name}");
    }
}

#[tokio::test]
async fn nothing_else_of_the_client_is_passed_on() {
    let call = sent("", "/", &CLIENTS).await;
    for (name, _) in &CLIENTS[5..] {
        assert_eq!(call.header_values(name), [""; 0], "{name}");
    }
}

#[tokio::test]
async fn fields_that_are_named_are_passed_on_too() {
    let call = sent("pass_headers: [X-Tenant, x-none]", "/", &CLIENTS).await;
    assert_eq!(call.header_values("x-tenant"), ["t1"]);
    assert_eq!(call.header_values("cookie"), ["a=1; b=2"]);
    assert_eq!(call.header_values("x-none"), [""; 0]);
    assert_eq!(call.header_values("user-agent"), [""; 0]);
}

#[tokio::test]
async fn a_field_that_is_set_replaces_the_clients() {
    let members = "pass_headers: [x-tenant], headers: { X-Tenant: \"<{header.x-tenant}>\", authorization: \"Basic {query.q}\", x-new: fixed }";
    let call = sent(members, "/?q=1", &CLIENTS).await;
    assert_eq!(call.header_values("x-tenant"), ["<t1>"]);
    assert_eq!(call.header_values("authorization"), ["Basic 1"]);
    assert_eq!(call.header_values("x-new"), ["fixed"]);
}

#[tokio::test]
async fn a_field_whose_value_is_empty_is_left_out() {
    let call = sent("headers: { cookie: \"\", x-q: \"{query.q}\" }", "/", &CLIENTS).await;
    assert_eq!(call.header_values("cookie"), [""; 0]);
    assert_eq!(call.header_values("x-q"), [""; 0]);
}

#[tokio::test]
async fn a_value_cannot_begin_another_field() {
    let (service, gateway) = echoing("headers: { x-q: \"{query.q}\" }").await;
    let response = request(
        gateway.address(),
        "GET",
        "/?q=1%0d%0aX-Evil:%201%0d%0a%0d%0aGET%20/evil%20HTTP/1.1",
        &[],
        b"",
    )
    .await;
    assert!(response.status == 200 || response.status == 502, "{response:?}");
    assert_eq!(service.faults(), [""; 0]);
    for call in service.requests() {
        assert_eq!(call.header_values("x-evil"), [""; 0]);
        assert_ne!(call.target, "/evil");
    }
}

#[tokio::test]
async fn json_is_asked_for_unless_something_else_is() {
    assert_eq!(
        sent("", "/", &[("Accept", "text/html")])
            .await
            .header_values("accept"),
        ["application/json"]
    );
    let passed = sent("pass_headers: [accept]", "/", &[("Accept", "text/html")]).await;
    assert_eq!(passed.header_values("accept"), ["text/html"]);
    assert_eq!(
        sent("headers: { accept: text/csv }", "/", &[])
            .await
            .header_values("accept"),
        ["text/csv"]
    );
}

#[tokio::test]
async fn who_is_called_for_is_said() {
    let call = sent(
        "",
        "/",
        &[("X-Forwarded-For", "192.0.2.1"), ("Host", "shop.test")],
    )
    .await;
    assert_eq!(call.header_values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(call.header_values("x-forwarded-proto"), ["http"]);
    assert_eq!(call.header_values("x-forwarded-host"), ["shop.test"]);
    assert_eq!(call.header_values("host"), ["shop.test"]);
}

#[tokio::test]
async fn a_request_without_an_id_gets_one() {
    assert_eq!(sent("", "/", &[]).await.header_values("x-request-id").len(), 1);
}

#[tokio::test]
async fn what_concerns_the_clients_connection_is_not_passed_on() {
    let (service, gateway) = echoing("pass_headers: [x-hop]").await;
    let headers = [
        ("Connection", "x-hop"),
        ("X-Hop", "1"),
        ("TE", "trailers"),
        ("Upgrade", "x"),
    ];
    let response = request(gateway.address(), "POST", "/", &headers, b"{\"a\":1}").await;
    assert_eq!(response.status, 200, "{response:?}");
    for call in service.requests() {
        for name in ["x-hop", "te", "upgrade", "content-length", "transfer-encoding"] {
            assert_eq!(call.header_values(name), [""; 0], "{name}");
        }
    }
}

#[tokio::test]
async fn a_value_in_a_url_stays_in_its_place() {
    let url = "url: \"/u/{query.q}/x?y={query.q}&z=1\"";
    let call = sent(url, "/?q=a%2Fb%3Fc%26d%3De%23f%20%25%C3%A4..", &[]).await;
    let encoded = "a%2Fb%3Fc%26d%3De%23f%20%25%C3%A4..";
    assert_eq!(
        call.target.to_uppercase(),
        format!("/u/{encoded}/x?y={encoded}&z=1").to_uppercase()
    );
}

#[tokio::test]
async fn a_value_of_a_node_in_a_url_stays_in_its_place() {
    let service = Backend::start(|_| super::with_json("{\"id\":\"../../admin?x=1&y\",\"n\":1.50}")).await;
    let nodes = [
        ("first", ""),
        ("second", "url: \"/s/{node.first.id}?n={node.first.n}\""),
    ];
    let gateway = over(service.address(), &nodes, "").await;
    assert_eq!(gateway.get("/").await.status, 200);
    let target = service.last().target;
    assert!(
        target.starts_with("/s/") && target.ends_with("?n=1.50"),
        "{target}"
    );
    let path = target.split('?').next().unwrap();
    assert_eq!(
        (path.matches('/').count(), target.matches(['?', '&', '=']).count()),
        (2, 2),
        "{target}"
    );
}
