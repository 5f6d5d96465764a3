//! The built-in filters, on real requests and real answers.

use super::support::{Backend, Gateway, Reply, clusters, one_route, replies};

/// A route to `backend` with these filters (YAML, block style, one a line).
fn filtered(backend: &Backend, filters: &[&str]) -> String {
    one_route(
        backend.address(),
        format!(
            "match: {{ path: \"/{{p*}}\" }}, filters: [{}]",
            filters.join(", ")
        ),
    )
}

/// The fields of a request as the backend saw them, by name.
fn fields<'v>(echo: &'v serde_json::Value, name: &str) -> Vec<&'v str> {
    let pairs = echo["headers"].as_array().unwrap().iter();
    pairs
        .filter(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name))
        .map(|pair| pair[1].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn headers_are_removed_then_set_then_added_on_the_request() {
    let backend = Backend::echo().await;
    let filter = "{ headers: { request: { remove: [x-gone, x-both], set: { x-set: \"{method} {param.p}\", x-swap: \"{header.x-other}\", \
                  x-other: \"{header.x-swap}\" }, add: { x-both: new, x-many: \"2\" } } } }";
    let gateway = Gateway::start(&filtered(&backend, &[filter])).await;
    let mut client = gateway.client().await;
    let headers = [
        ("X-Gone", "1"),
        ("X-Both", "old"),
        ("X-Set", "a"),
        ("X-Set", "b"),
        ("X-Many", "1"),
        ("X-Swap", "left"),
        ("X-Other", "right"),
        ("X-Kept", "kept"),
    ];
    let echo = client.request("GET", "/a/b", &headers, b"").await.unwrap().json();
    for (name, expected) in [
        ("x-gone", &[][..]),
        ("x-both", &["new"]),
        ("x-set", &["GET a/b"]),
        ("x-many", &["1", "2"]),
        ("x-swap", &["right"]),
        ("x-other", &["left"]),
        ("x-kept", &["kept"]),
    ] {
        assert_eq!(fields(&echo, name), expected, "{name}");
    }
}

#[tokio::test]
async fn headers_are_changed_on_the_response_of_backends_and_of_our_own() {
    let backend = Backend::start(|_| {
        Reply::with_headers(
            201,
            &[
                ("X-Gone", "1"),
                ("Server", "secret"),
                ("X-Many", "1"),
                ("X-Set", "a"),
                ("X-Set", "b"),
            ],
            "body",
        )
    })
    .await;
    let filter = "{ headers: { response: { remove: [x-gone, server], set: { x-set: \"{host}\" }, add: { x-many: \"{query.q}\" } } } }";
    let objects = format!(
        "{}- {{ id: own, match: {{ path: /own }}, filters: [{filter}, {{ reply: {{ headers: {{ x-gone: a, x-many: own }} }} }}] }}\n",
        filtered(&backend, &[filter])
    );
    let gateway = Gateway::start(&objects).await;
    let mut client = gateway.client().await;
    let response = client
        .request("GET", "/a?q=%32", &[("Host", "h.test")], b"")
        .await
        .unwrap();
    assert_eq!((response.status, response.text().as_str()), (201, "body"));
    assert_eq!(response.header_values("x-gone"), [""; 0]);
    assert_eq!(response.header_values("server"), [""; 0]);
    assert_eq!(response.header_values("x-set"), ["h.test"]);
    assert_eq!(response.header_values("x-many"), ["1", "2"]);
    let own = client.get("/own?q=3").await;
    assert_eq!(own.header_values("x-gone"), [""; 0]);
    assert_eq!(own.header_values("x-many"), ["own", "3"]);
}

#[tokio::test]
async fn filters_run_in_order_on_the_request_and_in_reverse_on_the_response() {
    let backend = Backend::echo().await;
    let step = |n: u32| {
        format!(
            "{{ headers: {{ request: {{ set: {{ x-way: \"{{header.x-way}}{n}\" }} }}, response: {{ set: {{ x-back: \"{n}\" }}, \
             add: {{ x-order: \"{n}\" }} }} }} }}"
        )
    };
    let steps = [step(1), step(2), step(3)];
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let gateway = Gateway::start(&filtered(&backend, &steps)).await;
    let response = gateway.get("/").await;
    assert_eq!(fields(&response.json(), "x-way"), ["123"]);
    assert_eq!(response.header_values("x-order"), ["3", "2", "1"]);
    assert_eq!(response.header("x-back"), Some("1"));
}

#[tokio::test]
async fn a_filter_that_answers_ends_the_way_and_later_ones_never_see_the_request() {
    let backend = Backend::echo().await;
    let gateway = Gateway::start(&filtered(
        &backend,
        &[
            "{ access: { deny: [127.0.0.1] } }",
            "{ reply: { status: 200, body: never } }",
        ],
    ))
    .await;
    let refused = gateway.get("/").await;
    assert_eq!(
        (refused.status, refused.header("x-gateway-refusal")),
        (403, Some("access_denied"))
    );
    assert_eq!(backend.count(), 0);
}

#[tokio::test]
async fn access_goes_by_the_clients_address_and_denied_wins() {
    let routes = replies(&[]);
    assert_eq!(routes, "routes:\n");
    let objects = "routes:\n\
        - { id: a, match: { path: /allow }, filters: [{ access: { allow: [10.0.0.0/8, \"2001:db8::/32\"] } }, { reply: {} }] }\n\
        - { id: d, match: { path: /deny }, filters: [{ access: { deny: [10.6.6.6/32, 10.7.0.0/16] } }, { reply: {} }] }\n\
        - { id: b, match: { path: /both }, filters: [{ access: { allow: [10.0.0.0/8], deny: [10.6.6.6] } }, { reply: {} }] }\n";
    let gateway = Gateway::start_with("trusted_proxies: [127.0.0.1]\n", objects).await;
    let mut client = gateway.client().await;
    for (target, address, status) in [
        ("/allow", "10.1.1.1", 200),
        ("/allow", "2001:db8::1", 200),
        ("/allow", "::ffff:10.1.1.1", 200),
        ("/allow", "11.1.1.1", 403),
        ("/allow", "2001:db9::1", 403),
        ("/deny", "10.6.6.6", 403),
        ("/deny", "10.7.9.9", 403),
        ("/deny", "10.6.6.7", 200),
        ("/both", "10.6.6.6", 403),
        ("/both", "10.6.6.5", 200),
        ("/both", "192.0.2.1", 403),
        // What an untrusted client claims before the address we were told does not count.
        ("/allow", "10.1.1.1, 192.0.2.1", 403),
    ] {
        let response = client
            .request("GET", target, &[("X-Forwarded-For", address)], b"")
            .await
            .unwrap();
        assert_eq!(response.status, status, "{target} from {address}");
    }
}

#[tokio::test]
async fn reply_renders_its_headers_and_its_body() {
    let objects = "routes:\n\
        - { id: a, match: { path: \"/hello/{name}\" }, filters: [{ reply: { status: 201, headers: { x-name: \"{param.name}\", \
        content-type: application/json }, body: '{{\"hello\": \"{param.name}\"}}' } }] }\n\
        - { id: b, match: { path: /text }, filters: [{ reply: { body: \"{method} {host} {query.q}!\" } }] }\n\
        - { id: c, match: { path: /none }, filters: [{ reply: { status: 204 } }] }\n\
        - { id: d, match: { path: /fail }, filters: [{ reply: { status: 503, headers: { retry-after: \"5\" } } }] }\n";
    let gateway = Gateway::start(objects).await;
    let mut client = gateway.client().await;
    let hello = client.get("/hello/j%C3%B6rg").await;
    assert_eq!(
        (hello.status, hello.header("content-type")),
        (201, Some("application/json"))
    );
    assert_eq!(hello.json(), serde_json::json!({ "hello": "jörg" }));
    // A line break in a value cannot begin another field.
    let split = client.get("/hello/a%0d%0ax-evil:%201").await;
    assert_eq!(split.status, 201);
    assert_eq!(split.header("x-evil"), None);
    let text = client
        .request("GET", "/text?q=%7Bhost%7D", &[("Host", "h.test")], b"")
        .await
        .unwrap();
    assert_eq!(text.text(), "GET h.test {host}!", "a value is not rendered again");
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    let none = client.get("/none").await;
    assert_eq!(
        (none.status, none.header("content-length"), none.text().as_str()),
        (204, None, "")
    );
    let fail = client.get("/fail").await;
    assert_eq!(
        (
            fail.status,
            fail.header("retry-after"),
            fail.header("content-length")
        ),
        (503, Some("5"), Some("0"))
    );
    let head = client
        .request("HEAD", "/text?q=1", &[("Host", "h.test")], b"")
        .await
        .unwrap();
    assert_eq!((head.status, head.header("content-length")), (200, Some("14")));
    assert_eq!(
        client
            .request("POST", "/text", &[], b"some body")
            .await
            .unwrap()
            .status,
        200
    );
    assert_eq!(client.get("/none").await.status, 204, "the connection goes on");
}

#[tokio::test]
async fn redirect_keeps_path_and_query_as_it_is_told() {
    let objects = "routes:\n\
        - { id: a, match: { path: \"/a/{rest*}\" }, filters: [{ redirect: { to: \"https://{host}/b/{param.rest}\", status: 301 } }] }\n\
        - { id: b, match: { path: /whole }, filters: [{ redirect: { to: \"https://new.test{path}\" } }] }\n\
        - { id: c, match: { path: /own }, filters: [{ redirect: { to: \"/x?from={path}\", status: 307 } }] }\n\
        - { id: d, match: { path: \"/to/{where}\" }, filters: [{ redirect: { to: \"/{param.where}\", status: 302 } }] }\n\
        - { id: e, match: { path: \"/any/*\" }, filters: [{ redirect: { to: \"{path}\", status: 303 } }] }\n";
    let gateway = Gateway::start(objects).await;
    let mut client = gateway.client().await;
    for (target, status, location) in [
        ("/a/x/y?q=1", 301, "https://h.test/b/x/y?q=1"),
        ("/whole?z", 308, "https://new.test/whole?z"),
        ("/own?lost", 307, "/x?from=%2Fown"),
        ("/to/%2F%2Fevil.test", 302, "/%2F%2Fevil.test"),
        ("/any/x", 303, "/any/x"),
    ] {
        let response = client
            .request("GET", target, &[("Host", "h.test")], b"")
            .await
            .unwrap();
        assert_eq!(
            (response.status, response.header("location")),
            (status, Some(location)),
            "{target}"
        );
        assert_eq!(response.header("content-length"), Some("0"));
    }
    // A host that is none leads nowhere.
    let response = client
        .request("GET", "/a/x", &[("Host", "evil.test/y")], b"")
        .await
        .unwrap();
    assert!(
        response.status == 400 || response.header("location") == Some("https://invalid/b/x"),
        "{response:?}"
    );
}

#[tokio::test]
async fn a_filter_cannot_touch_the_framing_and_a_route_without_filters_changes_nothing() {
    let backend = Backend::start(|_| {
        Reply::with_headers(
            200,
            &[
                ("X-A", "1"),
                ("x-a", "2"),
                ("Set-Cookie", "a"),
                ("Set-Cookie", "b"),
            ],
            "x",
        )
    })
    .await;
    let objects = format!(
        "{}routes:\n- {{ id: ok, to: [{{ cluster: b }}] }}\n\
         - {{ id: bad, match: {{ path: /bad }}, to: [{{ cluster: b }}], filters: [{{ headers: {{ request: {{ set: {{ content-length: \"0\" }} }} }} }}] }}\n",
        clusters(&[("b", backend.address())])
    );
    let gateway = Gateway::start(&objects).await;
    let status = gateway.status().await;
    let quarantined = &status["configuration"]["quarantined"];
    assert_eq!(quarantined[0]["id"], "bad", "{status:#}");
    let response = gateway.get("/bad").await;
    assert_eq!(response.header_values("x-a"), ["1", "2"]);
    assert_eq!(response.header_values("set-cookie"), ["a", "b"]);
}
