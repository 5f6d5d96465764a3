//! Which route takes a request. Every route here answers with its own id.

use super::support::{Client, Gateway, replies};

/// What the gateway answers to each request: the route's id, or the status.
async fn check(gateway: &Gateway, cases: &[(&str, &str, &str, &str)]) {
    let mut client = gateway.client().await;
    for (method, host, target, expected) in cases {
        let found = ask(&mut client, method, host, target).await;
        assert_eq!(&found, expected, "{method} {host} {target}");
    }
}

async fn ask(client: &mut Client, method: &str, host: &str, target: &str) -> String {
    let response = client.request(method, target, &[("Host", host)], b"").await;
    let response = response.unwrap_or_else(|error| panic!("{method} {host} {target}: {error}"));
    match response.status {
        200 => response.text(),
        status => status.to_string(),
    }
}

#[tokio::test]
async fn priority_comes_before_everything_else() {
    let routes = replies(&[
        ("exact", "match: { hosts: [a.test], path: /x/y, methods: [GET] }"),
        ("broad", "priority: 1, match: { path: /x/* }"),
        ("negative", "priority: -1, match: { path: /z }"),
        ("any", "match: {}"),
    ]);
    let gateway = Gateway::start(&routes).await;
    check(
        &gateway,
        &[("GET", "a.test", "/x/y", "broad"), ("GET", "a.test", "/z", "any")],
    )
    .await;
}

#[tokio::test]
async fn an_exact_host_comes_before_a_longer_wildcard_before_a_shorter_one_before_none() {
    // The path of the less specific host is the more specific one: the host decides first.
    let routes = replies(&[
        ("none", "match: { path: /p }"),
        ("short", "match: { hosts: [\"*.test\"], path: \"/{x}\" }"),
        ("long", "match: { hosts: [\"*.a.test\"], path: \"/{x*}\" }"),
        ("exact", "match: { hosts: [b.a.test], path: \"/*\" }"),
    ]);
    let gateway = Gateway::start(&routes).await;
    check(
        &gateway,
        &[
            ("GET", "b.a.test", "/p", "exact"),
            ("GET", "c.a.test", "/p", "long"),
            ("GET", "x.y.a.test", "/p", "long"),
            ("GET", "a.test", "/p", "short"),
            ("GET", "test", "/p", "none"),
            ("GET", "a.test", "/p/q", "404"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_host_is_compared_without_port_case_and_trailing_dot_and_two_hosts_own_one_path() {
    let routes = replies(&[
        ("a", "match: { hosts: [A.test.], path: /same }"),
        ("b", "match: { hosts: [b.test], path: /same }"),
        ("v6", "match: { hosts: [\"[::1]\"], path: /same }"),
    ]);
    let gateway = Gateway::start(&routes).await;
    check(
        &gateway,
        &[
            ("GET", "a.test", "/same", "a"),
            ("GET", "A.TEST:8080", "/same", "a"),
            ("GET", "a.test.", "/same", "a"),
            ("GET", "a.Test.:80", "/same", "a"),
            ("GET", "b.test", "/same", "b"),
            ("GET", "[::1]:8080", "/same", "v6"),
            ("GET", "c.test", "/same", "404"),
            ("GET", "xa.test", "/same", "404"),
            ("GET", "b.test", "http://b.test/same", "b"),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_exact_path_comes_before_literals_before_constrained_before_parameter_before_tail_before_none() {
    let routes = replies(&[
        ("none", "match: {}"),
        ("tail", "match: { path: \"/a/{rest*}\" }"),
        ("parameter", "match: { path: \"/a/{x}\" }"),
        ("constrained", "match: { path: \"/a/{n:[0-9]+}\" }"),
        ("literals", "match: { path: \"/a/b/{x*}\" }"),
        ("exact", "match: { path: /a/7 }"),
    ]);
    let gateway = Gateway::start(&routes).await;
    check(
        &gateway,
        &[
            ("GET", "h", "/a/7", "exact"),
            ("GET", "h", "/a/8", "constrained"),
            ("GET", "h", "/a/x", "parameter"),
            ("GET", "h", "/a/b/c", "literals"),
            ("GET", "h", "/a/b", "parameter"),
            ("GET", "h", "/a/c/d", "tail"),
            ("GET", "h", "/a/", "tail"),
            ("GET", "h", "/a", "none"),
        ],
    )
    .await;
}

#[tokio::test]
async fn listed_methods_then_more_terms_then_the_smaller_id_come_first() {
    let routes = replies(&[
        ("any", "match: { path: /m }"),
        ("listed", "match: { path: /m, methods: [GET] }"),
        ("terms-1", "match: { path: /t, when: header.a == 1 }"),
        (
            "terms-2",
            "match: { path: /t, when: header.a == 1 && header.b == 2 }",
        ),
        ("z", "match: { path: /i }"),
        ("y", "match: { path: /i }"),
    ]);
    let gateway = Gateway::start(&routes).await;
    check(
        &gateway,
        &[
            ("GET", "h", "/m", "listed"),
            ("POST", "h", "/m", "any"),
            ("GET", "h", "/i", "y"),
            ("GET", "h", "/t", "404"),
        ],
    )
    .await;
    let mut client = gateway.client().await;
    for (headers, expected) in [
        (&[("a", "1"), ("b", "2")][..], "terms-2"),
        (&[("a", "1")], "terms-1"),
    ] {
        let response = client.request("GET", "/t", headers, b"").await.unwrap();
        assert_eq!(response.text(), expected);
    }
}

#[tokio::test]
async fn the_order_of_routes_does_not_depend_on_the_order_they_are_written_in() {
    let mut routes = vec![
        ("a", "match: { path: \"/{x}/b\" }"),
        ("b", "match: { path: \"/a/{y}\" }"),
        ("c", "match: { path: \"/{x*}\" }"),
        ("d", "match: { path: \"/{n:[a-z]}/b\", methods: [GET] }"),
    ];
    let mut answers = Vec::new();
    for _ in 0..2 {
        let gateway = Gateway::start(&replies(&routes)).await;
        let mut client = gateway.client().await;
        let mut found = Vec::new();
        for target in ["/a/b", "/x/b", "/a/c", "/q", "/aa/b"] {
            found.push(ask(&mut client, "GET", "h", target).await);
        }
        answers.push(found);
        routes.reverse();
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], ["d", "d", "b", "c", "a"]);
}

#[tokio::test]
async fn a_path_whose_method_or_condition_fails_falls_through_to_the_next_candidate() {
    let routes = replies(&[
        ("exact-post", "match: { path: /a/b, methods: [POST] }"),
        ("beta", "match: { path: \"/a/{x}\", when: header.beta }"),
        ("put", "match: { path: \"/a/{x}\", methods: [PUT] }"),
        ("tail", "match: { path: \"/a/*\", methods: [GET] }"),
        ("host", "match: { hosts: [h.test], path: /c, methods: [POST] }"),
        ("anywhere", "match: { path: /c }"),
    ]);
    let gateway = Gateway::start(&routes).await;
    check(
        &gateway,
        &[
            ("POST", "h", "/a/b", "exact-post"),
            ("PUT", "h", "/a/b", "put"),
            ("GET", "h", "/a/b", "tail"),
            ("DELETE", "h", "/a/b", "405"),
            ("GET", "h.test", "/c", "anywhere"),
        ],
    )
    .await;
    let mut client = gateway.client().await;
    let beta = client
        .request("GET", "/a/b", &[("beta", "1")], b"")
        .await
        .unwrap();
    assert_eq!(beta.text(), "beta");
}

#[tokio::test]
async fn overlapping_patterns_are_both_reached() {
    let routes = replies(&[
        ("number", "match: { path: \"/r/{n:[0-9]+}/x\" }"),
        ("text", "match: { path: \"/r/{s}/y\" }"),
        ("deep", "match: { path: \"/r/{s}/{t}/z\" }"),
        ("literal", "match: { path: /r/1/q/w }"),
    ]);
    let gateway = Gateway::start(&routes).await;
    check(
        &gateway,
        &[
            ("GET", "h", "/r/1/x", "number"),
            ("GET", "h", "/r/1/y", "text"),
            ("GET", "h", "/r/1/q/w", "literal"),
            ("GET", "h", "/r/1/q/z", "deep"),
            ("GET", "h", "/r/a/x", "404"),
            ("GET", "h", "/r/1/q/v", "404"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_known_path_with_another_method_is_405_with_allow_and_an_unknown_one_404() {
    let routes = replies(&[
        ("get", "match: { path: /a, methods: [GET] }"),
        ("put", "match: { path: \"/{x}\", methods: [PUT, DELETE] }"),
        (
            "hidden",
            "match: { path: /a, methods: [PATCH], when: header.secret }",
        ),
    ]);
    let gateway = Gateway::start(&routes).await;
    let mut client = gateway.client().await;
    let refused = client.request("POST", "/a", &[], b"x").await.unwrap();
    assert_eq!(refused.status, 405);
    assert_eq!(refused.header("x-gateway-refusal"), Some("method_not_allowed"));
    let mut allow: Vec<&str> = refused.header("allow").unwrap().split(", ").collect();
    allow.sort_unstable();
    assert_eq!(allow, ["DELETE", "GET", "HEAD", "PUT"]);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(refused.json()["status"], 405);

    let unknown = client.get("/a/b").await;
    assert_eq!(
        (unknown.status, unknown.header("x-gateway-refusal")),
        (404, Some("no_route"))
    );
    assert_eq!(unknown.json()["status"], 404);
    // The refusals kept the connection; a client that sends more on it is served.
    assert_eq!(client.get("/a").await.text(), "get");
}

#[tokio::test]
async fn head_is_served_by_a_get_route() {
    let routes = replies(&[
        ("get", "match: { path: /a, methods: [GET] }"),
        ("own", "match: { path: /b, methods: [HEAD] }"),
        ("post", "match: { path: /c, methods: [POST] }"),
    ]);
    let gateway = Gateway::start(&routes).await;
    let mut client = gateway.client().await;
    for (target, status, length) in [("/a", 200, Some("3")), ("/b", 200, Some("3")), ("/c", 405, None)] {
        let head = client.request("HEAD", target, &[], b"").await.unwrap();
        assert_eq!((head.status, head.text().as_str()), (status, ""), "{target}");
        if let Some(length) = length {
            assert_eq!(head.header("content-length"), Some(length));
        }
    }
    // Nothing of a body was sent that would stand before the next answer.
    assert_eq!(client.get("/a").await.text(), "get");
    assert_eq!(client.get("/b").await.status, 405);
}

#[tokio::test]
async fn a_route_that_is_disabled_or_has_expired_matches_nothing() {
    let routes = replies(&[
        ("off", "enabled: false, match: { path: /a }"),
        ("past", "expires: 2020-01-01T00:00:00Z, match: { path: /a }"),
        ("rest", "match: { path: \"/{x}\" }"),
        ("off-too", "enabled: false, match: { path: /only/this }"),
    ]);
    let gateway = Gateway::start(&routes).await;
    check(
        &gateway,
        &[("GET", "h", "/a", "rest"), ("GET", "h", "/only/this", "404")],
    )
    .await;
}

#[tokio::test]
async fn a_route_ends_by_itself_when_it_expires() {
    let end = std::time::SystemTime::now() + std::time::Duration::from_secs(4);
    let end = end.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let text = utc(end);
    let gateway = Gateway::start(&replies(&[(
        "r",
        &format!("expires: {text}, match: {{ path: /a }}"),
    )]))
    .await;
    let mut client = gateway.client().await;
    let now = || {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
    };
    let (mut served, mut gone) = (0, 0);
    while gone == 0 {
        let before = now();
        let status = client.get("/a").await.status;
        let after = now();
        match status {
            200 => {
                assert!(before.as_secs() < end, "served after its end");
                served += 1;
            }
            404 => {
                assert!(after.as_secs() >= end, "gone before its end");
                gone += 1;
            }
            other => panic!("{other}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(served > 0, "it never served");
}

/// A second of Unix time as RFC 3339.
fn utc(seconds: u64) -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .expect("date");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
