//! Rewrites: what goes on to the backend, and that a value can never become more than a value.

use super::support::{Backend, Gateway, clusters, edit_and_wait};

/// One route for each rewrite, below `/0`, `/1` …
async fn gateway(backend: &Backend, rewrites: &[(&str, &str)]) -> Gateway {
    let route = |(at, (path, rewrite)): (usize, &(&str, &str))| {
        format!(
            "- {{ id: r{at}, match: {{ path: \"/{at}{path}\" }}, to: [{{ cluster: b }}], rewrite: '{rewrite}' }}\n"
        )
    };
    let routes: String = rewrites.iter().enumerate().map(route).collect();
    Gateway::start(&format!(
        "{}routes:\n{routes}",
        clusters(&[("b", backend.address())])
    ))
    .await
}

#[tokio::test]
async fn a_rewrite_is_made_of_the_values_of_the_request() {
    let backend = Backend::echo().await;
    let rewrites = [
        ("/{id}", "/users/{param.id}?v={query.v}"),
        ("/{rest*}", "/base/{param.rest}"),
        ("/{a}/{b}", "/{param.b}/{param.a}/{method}"),
        ("/*", "/h/{host}/{client_ip}/{header.x-a}/{cookie.c}"),
        ("/{x}", "{path}?all={query}"),
        ("/fixed", "/"),
    ];
    let gateway = gateway(&backend, &rewrites).await;
    let mut client = gateway.client().await;
    for (target, expected) in [
        ("/0/7?v=2", "/users/7?v=2"),
        ("/0/7?w=2", "/users/7?v="),
        ("/1/a/b/c", "/base/a/b/c"),
        ("/1/", "/base/"),
        ("/2/x/y", "/y/x/GET"),
        ("/3/", "/h/h.test/127.0.0.1/va/vc"),
        ("/4/x?a=1&b=2", "/4/x?all=a=1&b=2"),
        ("/5/fixed", "/"),
    ] {
        let headers = [("Host", "h.test"), ("X-A", "va"), ("Cookie", "c=vc")];
        let response = client.request("GET", target, &headers, b"").await.unwrap();
        assert_eq!(response.json()["target"], expected, "{target}");
    }
}

#[tokio::test]
async fn the_query_is_kept_unless_the_rewrite_has_its_own() {
    let backend = Backend::echo().await;
    let gateway = gateway(
        &backend,
        &[
            ("/a", "/x"),
            ("/a", "/x?"),
            ("/a", "/x?k=1"),
            ("/a", "/x?{query}&k=1"),
        ],
    )
    .await;
    let mut client = gateway.client().await;
    for (target, expected) in [
        ("/0/a?b=%20&c", "/x?b=%20&c"),
        ("/0/a?", "/x?"),
        ("/0/a", "/x"),
        ("/1/a?b", "/x?"),
        ("/2/a?b", "/x?k=1"),
        ("/3/a?b=2", "/x?b=2&k=1"),
    ] {
        let found = client.get(target).await.json()["target"]
            .as_str()
            .unwrap()
            .to_owned();
        // An empty query is no query.
        assert_eq!(
            found.trim_end_matches('?'),
            expected.trim_end_matches('?'),
            "{target}"
        );
    }
}

#[tokio::test]
async fn a_value_never_adds_a_segment_or_a_parameter() {
    let backend = Backend::echo().await;
    let gateway = gateway(
        &backend,
        &[
            ("/{p}", "/in/{param.p}/out?p={param.p}&end=1"),
            ("/{t*}", "/in/{param.t}"),
        ],
    )
    .await;
    let mut client = gateway.client().await;
    for (written, in_path, in_query) in [
        ("a%2Fb", "a%2Fb", "a%2Fb"),
        ("%2e%2e%2fadmin", "..%2Fadmin", "..%2Fadmin"),
        ("a%3Fx=1", "a%3Fx%3D1", "a%3Fx%3D1"),
        ("a%26x=1", "a%26x%3D1", "a%26x%3D1"),
        ("a%23b", "a%23b", "a%23b"),
        ("100%25", "100%25", "100%25"),
        ("a%0D%0AX:1", "a%0D%0AX%3A1", "a%0D%0AX%3A1"),
        ("%C3%A4", "%C3%A4", "%C3%A4"),
        ("a+b%20c", "a%2Bb%20c", "a%2Bb%20c"),
    ] {
        let target = client.get(&format!("/0/{written}")).await.json()["target"].clone();
        assert_eq!(
            target,
            format!("/in/{in_path}/out?p={in_query}&end=1"),
            "{written}"
        );
    }
    for (written, expected) in [
        ("a/b%2Fc", "/in/a/b%2Fc"),
        ("a%3Fb", "/in/a%3Fb"),
        ("x/../y", "/in/y"),
        ("a//b", "/in/a//b"),
    ] {
        assert_eq!(
            client.get(&format!("/1/{written}")).await.json()["target"],
            expected,
            "{written}"
        );
    }
}

#[tokio::test]
async fn values_from_headers_and_cookies_are_encoded_too() {
    let backend = Backend::echo().await;
    let gateway = gateway(&backend, &[("/*", "/{header.x}/{cookie.c}?{query.k}=1&h={host}")]).await;
    let headers = [("X", "../a b?c#d"), ("Cookie", "c=1/2&3"), ("Host", "h.test")];
    let mut client = gateway.client().await;
    let response = client
        .request("GET", "/0/?k=a%26b%3Dc", &headers, b"")
        .await
        .unwrap();
    assert_eq!(
        response.json()["target"],
        "/..%2Fa%20b%3Fc%23d/1%2F2%263?a%26b%3Dc=1&h=h.test"
    );
    // Dots alone would name another segment.
    let headers = [("X", ".."), ("Cookie", "c=.")];
    let response = client.request("GET", "/0/?k=1", &headers, b"").await.unwrap();
    let target = response.json()["target"].as_str().unwrap().to_owned();
    assert!(target.starts_with("/%2E%2E/%2E?1=1"), "{target}");
    // What is not there is empty; a path that begins with two slashes names no host.
    let response = client.request("GET", "/0/", &[], b"").await.unwrap();
    let target = response.json()["target"].as_str().unwrap().to_owned();
    assert!(target.starts_with("/.//?=1&h="), "{target}");
}

#[tokio::test]
async fn without_a_rewrite_the_target_goes_as_written_and_an_edit_adds_one() {
    let backend = Backend::echo().await;
    let objects = |more: &str| {
        format!(
            "{}routes:\n- {{ id: r, to: [{{ cluster: b }}]{more} }}\n",
            clusters(&[("b", backend.address())])
        )
    };
    let gateway = Gateway::start(&objects("")).await;
    assert_eq!(
        gateway.get("/a/./b?%zz&&=").await.json()["target"],
        "/a/./b?%zz&&="
    );
    edit_and_wait(&gateway, &objects(", rewrite: /new")).await;
    assert_eq!(gateway.get("/a/./b?x").await.json()["target"], "/new?x");
}
