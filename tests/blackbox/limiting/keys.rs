//! A limit for each value of a key.

use std::time::Duration;

use crate::objects::{assert_refused, one_cluster};
use crate::support::{Backend, Client, Gateway, Reply, eventually};

async fn keyed(limit: &str, startup: &str) -> (Gateway, Backend) {
    let backend = Backend::text("ok").await;
    let route = format!("match: {{ path: \"/{{tenant}}\" }}, limit: {{ rate: 2/1h, burst: 2, {limit} }}");
    let gateway = Gateway::start_with(startup, &one_cluster(&[backend.address()], "", &route)).await;
    (gateway, backend)
}

async fn status(client: &mut Client, target: &str, headers: &[(&str, &str)]) -> u16 {
    client.request("GET", target, headers, b"").await.unwrap().status
}

/// Each of these has a bucket of its own.
async fn told_apart(limit: &str, startup: &str, values: &[(&str, &[(&str, &str)])]) {
    let (gateway, _backend) = keyed(limit, startup).await;
    let mut client = gateway.client().await;
    for expected in [200, 200, 429] {
        for (target, headers) in values {
            assert_eq!(
                status(&mut client, target, headers).await,
                expected,
                "{limit} {target} {headers:?}"
            );
        }
    }
}

#[tokio::test]
async fn clients_are_told_apart_by_the_address_a_trusted_proxy_vouches_for() {
    let trusting = "trusted_proxies: [127.0.0.0/8]\n";
    told_apart(
        "key: client_ip",
        trusting,
        &[
            ("/a", &[("X-Forwarded-For", "203.0.113.1")]),
            ("/a", &[("X-Forwarded-For", "203.0.113.2")]),
            ("/a", &[("X-Forwarded-For", "2001:db8::1")]),
        ],
    )
    .await;
    // Nobody gets another bucket by claiming to be somebody else.
    let (gateway, _backend) = keyed("key: client_ip", "").await;
    let mut client = gateway.client().await;
    for (address, expected) in [("203.0.113.1", 200), ("203.0.113.2", 200), ("203.0.113.3", 429)] {
        let headers = [("X-Forwarded-For", address)];
        assert_eq!(status(&mut client, "/a", &headers).await, expected);
    }
}

#[tokio::test]
async fn a_key_can_be_a_header_a_cookie_or_a_parameter_of_the_path() {
    told_apart(
        "key: header.x-user",
        "",
        &[("/a", &[("X-User", "ann")]), ("/a", &[("X-User", "bob")])],
    )
    .await;
    told_apart(
        "key: cookie.user",
        "",
        &[
            ("/a", &[("Cookie", "user=ann")]),
            ("/a", &[("Cookie", "user=bob")]),
        ],
    )
    .await;
    told_apart("key: param.tenant", "", &[("/ann", &[]), ("/bob", &[])]).await;
    told_apart(
        "key: query.user",
        "",
        &[("/a?user=ann", &[]), ("/a?user=bob", &[])],
    )
    .await;
}

#[tokio::test]
async fn joined_values_are_one_key_and_do_not_run_into_each_other() {
    let headers: [&[(&str, &str)]; 3] = [
        &[("X-A", "ab"), ("X-B", "c")],
        &[("X-A", "a"), ("X-B", "bc")],
        &[("X-A", "ab"), ("X-B", "d")],
    ];
    let values: Vec<_> = headers.iter().map(|headers| ("/a", *headers)).collect();
    told_apart("key: [header.x-a, header.x-b]", "", &values).await;
}

#[tokio::test]
async fn a_request_without_the_value_passes_uncounted_unless_told_otherwise() {
    for (missing, expected) in [
        ("", [200, 200, 200, 200]),
        (", missing: admit", [200, 200, 200, 200]),
        (", missing: share", [200, 200, 429, 429]),
        (", missing: refuse", [429, 429, 429, 429]),
    ] {
        let (gateway, _backend) = keyed(&format!("key: header.x-user{missing}"), "").await;
        let mut client = gateway.client().await;
        for expected in expected {
            assert_eq!(status(&mut client, "/a", &[]).await, expected, "{missing}");
        }
        // Those who have it are not concerned.
        assert_eq!(status(&mut client, "/a", &[("X-User", "ann")]).await, 200);
    }
}

#[tokio::test]
async fn an_innocent_key_is_not_limited_by_thousands_of_others_at_their_limit() {
    let (gateway, _backend) = keyed("key: header.x-user", "").await;
    let mut client = gateway.client().await;
    for user in 0..2000 {
        let user = format!("noisy-{user}");
        for expected in [200, 200, 429] {
            assert_eq!(
                status(&mut client, "/a", &[("X-User", &user)]).await,
                expected,
                "{user}"
            );
        }
    }
    assert_eq!(status(&mut client, "/a", &[("X-User", "innocent")]).await, 200);
}

#[tokio::test]
async fn requests_in_flight_are_counted_for_each_key() {
    let backend = Backend::start(|request| match request.target.as_str() {
        "/slow" => Reply::hang(),
        _ => Reply::new(200, "ok"),
    })
    .await;
    let route = "limit: { max_in_flight: 1, key: header.x-user }";
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", route)).await;
    let mut slow = gateway.client().await;
    slow.send_request("GET", "/slow", &[("X-User", "ann")], b"")
        .await
        .unwrap();
    eventually("it has arrived", Duration::from_secs(10), || async {
        backend.count() == 1
    })
    .await;
    let mut client = gateway.client().await;
    let refused = client
        .request("GET", "/", &[("X-User", "ann")], b"")
        .await
        .unwrap();
    assert_refused(&refused, 429, "rate_limited");
    assert_eq!(status(&mut client, "/", &[("X-User", "bob")]).await, 200);
    drop(slow);
    eventually("ann's slot is free", Duration::from_secs(10), || async {
        let answer = gateway
            .client()
            .await
            .request("GET", "/", &[("X-User", "ann")], b"")
            .await;
        answer.unwrap().status == 200
    })
    .await;
}

#[tokio::test]
async fn who_lacks_the_value_is_told_so_and_in_shadow_mode_only_counted() {
    let (gateway, _backend) = keyed("key: header.x-user, missing: refuse", "").await;
    let mut client = gateway.client().await;
    let refused = client.get("/a").await;
    assert_refused(&refused, 429, "rate_limited");
    assert!(refused.text().contains("lacks the value"), "{}", refused.text());
    assert_eq!(refused.header("ratelimit-policy"), Some("\"route\";q=0"));
    let (gateway, _backend) = keyed("key: header.x-user, missing: refuse, mode: shadow", "").await;
    let mut client = gateway.client().await;
    for _ in 0..3 {
        assert_eq!(status(&mut client, "/a", &[]).await, 200);
    }
    let name = "gateway_route_shadow_refusals_total";
    assert_eq!(gateway.metric(name, &[("route", "r")]).await, 3.0);
}
