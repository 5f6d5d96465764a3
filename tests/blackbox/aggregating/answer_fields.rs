//! The fields of an answer that come of the nodes: every cookie, the strictest caching, and those that are named.

use super::over;
use crate::support::{Backend, Reply, Response};

/// A service that answers `/n` with the fields at that index, beside an empty object.
async fn saying(fields: &'static [&'static [(&'static str, &'static str)]]) -> Backend {
    Backend::start(|request| {
        let at: usize = request.target[1..].parse().unwrap();
        Reply::with_headers(200, fields[at], "{}")
    })
    .await
}

async fn answered(fields: &'static [&'static [(&'static str, &'static str)]], more: &str) -> Response {
    let service = saying(fields).await;
    let names: Vec<String> = (0..fields.len()).map(|at| format!("n{at}")).collect();
    let members: Vec<String> = (0..fields.len()).map(|at| format!("url: /{at}{more}")).collect();
    let nodes: Vec<_> = names
        .iter()
        .map(String::as_str)
        .zip(members.iter().map(String::as_str))
        .collect();
    over(service.address(), &nodes, "").await.get("/").await
}

#[tokio::test]
async fn every_set_cookie_of_every_node_is_kept_in_configured_order() {
    let response = answered(
        &[
            &[("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2; HttpOnly")],
            &[],
            &[("Set-Cookie", "a=3")],
        ],
        "",
    )
    .await;
    assert_eq!(
        response.header_values("set-cookie"),
        ["a=1; Path=/", "b=2; HttpOnly", "a=3"]
    );
}

/// What the merged answer says of caching if these nodes say this; of an empty text, nothing.
async fn combined(said: &'static [&'static str]) -> Option<String> {
    let service = Backend::start(|request| {
        let at: usize = request.target[2..].parse().unwrap();
        let fields = [("cache-control", said[at])];
        Reply::with_headers(200, if said[at].is_empty() { &[] } else { &fields }, "{}")
    })
    .await;
    let response = over(service.address(), &[("n0", ""), ("n1", "")], "")
        .await
        .get("/")
        .await;
    response.header("cache-control").map(str::to_owned)
}

#[tokio::test]
async fn cache_control_is_the_most_restrictive() {
    for (said, expected) in [
        (&["max-age=60", "max-age=10"], Some("max-age=10")),
        (&["max-age=60", "no-store"], Some("no-store")),
        (
            &["public, max-age=9", "private, max-age=60"],
            Some("private, max-age=9"),
        ),
        (&["max-age=60", "no-cache"], Some("no-cache")),
        // A node that is silent promises nothing.
        (&["max-age=60", ""], Some("no-cache")),
        (&["", ""], None),
    ] {
        assert_eq!(combined(said).await.as_deref(), expected, "{said:?}");
    }
}

#[tokio::test]
async fn an_answer_that_lacks_a_part_is_not_to_be_stored() {
    let service = Backend::start(|request| match request.target.as_str() {
        "/a" => Reply::with_headers(200, &[("cache-control", "max-age=60")], "1"),
        _ => Reply::new(500, ""),
    })
    .await;
    let gateway = over(service.address(), &[("a", ""), ("b", "required: false")], "").await;
    assert_eq!(gateway.get("/").await.header("cache-control"), Some("no-store"));
}

const OTHERS: &[&[(&str, &str)]] = &[
    &[
        ("etag", "\"1\""),
        ("x-powered-by", "magic"),
        ("content-language", "de"),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("x-gateway-complete", "false"),
        ("x-gateway-refusal", "breaker"),
        ("x-gateway-nodes", "forged;status=200"),
        ("x-kept", "one"),
        ("x-kept", "two"),
    ],
    &[("server", "s"), ("x-kept", "three")],
];

#[tokio::test]
async fn other_fields_of_nodes_are_dropped() {
    let response = answered(OTHERS, "").await;
    assert_eq!(response.status, 200);
    for name in [
        "etag",
        "x-powered-by",
        "content-language",
        "last-modified",
        "x-gateway-complete",
        "x-gateway-refusal",
        "server",
        "x-kept",
    ] {
        assert_eq!(response.header_values(name), [""; 0], "{name}");
    }
    assert_eq!(super::told(&response), "n0;status=200, n1;status=200");
}

#[tokio::test]
async fn fields_that_are_named_are_kept() {
    let response = answered(OTHERS, ", keep_headers: [X-Kept, etag]").await;
    assert_eq!(response.header_values("x-kept"), ["one", "two", "three"]);
    assert_eq!(response.header_values("etag"), ["\"1\""]);
    assert_eq!(response.header_values("x-powered-by"), [""; 0]);
}

#[tokio::test]
async fn a_named_field_cannot_change_what_the_answer_says_of_itself() {
    let service = Backend::start(|_| {
        let headers = [
            ("content-type", "text/plain"),
            ("x-gateway-nodes", "forged;status=200"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
        ];
        Reply::with_headers(200, &headers, "text")
    })
    .await;
    let keeping = "keep_headers: [content-type, x-hop, cache-control, set-cookie]";
    let gateway = over(service.address(), &[("a", keeping), ("b", keeping)], "").await;
    let response = gateway.get("/").await;
    super::assert_answer(
        &response,
        200,
        "{\"a\":\"text\",\"b\":\"text\"}",
        "a;status=200, b;status=200",
    );
    assert_eq!(response.header_values("content-type"), ["application/json"]);
    assert_eq!(response.header_values("x-hop"), [""; 0]);
}

#[tokio::test]
async fn a_request_id_is_returned_and_is_the_one_the_nodes_got() {
    let service = Backend::echo().await;
    let gateway = over(service.address(), &[("a", ""), ("b", "")], "").await;
    let response = gateway.get("/").await;
    let id = response.header("x-request-id").expect("an id");
    let requests = service.requests();
    assert_eq!(requests.len(), 2);
    assert!(
        requests
            .iter()
            .all(|request| request.header("x-request-id") == Some(id)),
        "{requests:?}"
    );
}

#[tokio::test]
async fn nodes_are_told_of_with_their_times() {
    let service = Backend::start(|_| Reply::new(200, "1").after(std::time::Duration::from_millis(50))).await;
    let gateway = over(
        service.address(),
        &[("a", ""), ("b", "when: query.b == \"1\"")],
        "",
    )
    .await;
    let response = gateway.get("/").await;
    let nodes = response.header("x-gateway-nodes").unwrap();
    let ms: u64 = nodes
        .strip_prefix("a;status=200;ms=")
        .and_then(|rest| rest.strip_suffix(", b;skipped"))
        .and_then(|ms| ms.parse().ok())
        .unwrap_or_else(|| panic!("{nodes}"));
    assert!((50..1000).contains(&ms), "{nodes}");
}

#[tokio::test]
async fn an_answer_to_an_authorized_request_is_private_whatever_the_nodes_say() {
    let service = saying(&[&[("cache-control", "public, s-maxage=60, max-age=60")]]).await;
    let gateway = over(service.address(), &[("n0", "url: /0")], "merge: object").await;
    let mut client = gateway.client().await;
    for (fields, said) in [
        (&[][..], "public, max-age=60, s-maxage=60"),
        (&[("authorization", "Bearer x")][..], "private, max-age=60"),
    ] {
        let response = client.request("GET", "/", fields, b"").await.unwrap();
        let mut found: Vec<&str> = response.header("cache-control").unwrap().split(", ").collect();
        let mut said: Vec<&str> = said.split(", ").collect();
        found.sort_unstable();
        said.sort_unstable();
        assert_eq!(found, said);
    }
}
