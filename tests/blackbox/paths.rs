//! Paths: matched in their normal form, forwarded as the client wrote them.

use super::support::{Backend, Gateway, clusters, one_route, replies};

#[tokio::test]
async fn a_path_is_matched_in_its_normal_form_and_forwarded_as_written() {
    let backend = Backend::echo().await;
    let other = Backend::text("elsewhere").await;
    let objects = format!(
        "{}routes:\n- {{ id: b, match: {{ path: /b }}, to: [{{ cluster: b }}] }}\n\
         - {{ id: letter, match: {{ path: /A/x }}, to: [{{ cluster: b }}] }}\n\
         - {{ id: rest, match: {{ path: \"/*\" }}, to: [{{ cluster: other }}] }}\n",
        clusters(&[("b", backend.address()), ("other", other.address())])
    );
    let gateway = Gateway::start(&objects).await;
    let mut client = gateway.client().await;
    for target in [
        "/b",
        "/a/../b",
        "/./b",
        "/a/%2e%2E/b",
        "/../../b",
        "/%62",
        "/b?x=/a/../c",
        "/%41/x",
        "/A/%78?",
        "/a/./../A/x",
    ] {
        let response = client.get(target).await;
        assert_ne!(
            response.text(),
            "elsewhere",
            "{target} was not matched in its normal form"
        );
        assert_eq!(
            response.json()["target"],
            target,
            "{target} was not forwarded as written"
        );
    }
    for target in ["/B", "/b/", "/b%2F", "/b%00", "//b", "/a/..b"] {
        assert_eq!(client.get(target).await.text(), "elsewhere", "{target}");
        assert_eq!(other.last().target, target);
    }
}

#[tokio::test]
async fn an_encoded_slash_is_no_slash() {
    let routes = replies(&[
        ("one", "match: { path: \"/f/{name}\" }"),
        ("two", "match: { path: \"/f/{name}/{more}\" }"),
        ("admin", "priority: 1, match: { path: \"/admin/*\" }"),
    ]);
    let gateway = Gateway::start(&routes).await;
    for (target, expected) in [
        ("/f/a%2Fb", "one"),
        ("/f/a%2fb", "one"),
        ("/f/a/b", "two"),
        ("/f/a%2F..%2Fb", "one"),
        // A path that a backend may take for /admin is still not one that passes the gateway's rules for others.
        ("/f/%2e%2e/admin/x", "admin"),
    ] {
        assert_eq!(gateway.get(target).await.text(), expected, "{target}");
    }
}

#[tokio::test]
async fn double_slashes_are_kept_apart_unless_the_start_up_file_says_otherwise() {
    let routes = replies(&[
        ("merged", "match: { path: /a/b }"),
        ("apart", "match: { path: /a//b }"),
    ]);
    let gateway = Gateway::start(&routes).await;
    for (target, expected) in [("/a/b", "merged"), ("/a//b", "apart")] {
        assert_eq!(gateway.get(target).await.text(), expected);
    }
    assert_eq!(gateway.get("//a/b").await.status, 404);

    let backend = Backend::echo().await;
    let objects = one_route(backend.address(), "match: { path: /a/b }");
    let gateway = Gateway::start_with("merge_slashes: true\n", &objects).await;
    for target in ["/a/b", "/a//b", "//a///b"] {
        let response = gateway.get(target).await;
        assert_eq!(response.status, 200, "{target}");
        assert_eq!(response.json()["target"], target, "forwarded as written");
    }
}

#[tokio::test]
async fn colons_and_other_legal_characters_in_paths_are_ordinary() {
    let backend = Backend::echo().await;
    let objects = format!(
        "{}routes:\n\
         - {{ id: literal, match: {{ path: \"/v1/users:search\" }}, to: [{{ cluster: b }}], rewrite: /literal }}\n\
         - {{ id: all, match: {{ path: \"/v1/{{x}}\" }}, to: [{{ cluster: b }}] }}\n",
        clusters(&[("b", backend.address())])
    );
    let gateway = Gateway::start(&objects).await;
    let mut client = gateway.client().await;
    assert_eq!(client.get("/v1/users:search").await.json()["target"], "/literal");
    for character in "-._~!$&'()*+,;=:@|^`\"<>{}[]\\".chars() {
        let target = format!("/v1/a{character}b");
        let response = client.request("GET", &target, &[], b"").await.unwrap();
        // What RFC 3986 does not allow may be refused, but only so.
        let legal = "-._~!$&'()*+,;=:@".contains(character);
        if legal || response.status == 200 {
            assert_eq!(response.status, 200, "{target}");
            assert_eq!(response.json()["target"], target.as_str());
        } else {
            assert_eq!(response.status, 400, "{target}");
            client = gateway.client().await;
        }
    }
}

#[tokio::test]
async fn a_parameter_is_one_segment_that_is_not_empty_and_a_tail_may_be_empty() {
    let routes = replies(&[
        ("parameter", "match: { path: \"/p/{x}\" }"),
        ("tail", "match: { path: \"/t/{x*}\" }"),
        ("prefix", "match: { path: \"/api/*\" }"),
    ]);
    let gateway = Gateway::start(&routes).await;
    for (target, expected) in [
        ("/p/a", "parameter"),
        ("/p/%2F", "parameter"),
        ("/t/", "tail"),
        ("/t/a/b/c", "tail"),
        ("/api/", "prefix"),
        ("/api/x", "prefix"),
    ] {
        assert_eq!(gateway.get(target).await.text(), expected, "{target}");
    }
    for target in ["/p/", "/p", "/p/a/b", "/p/a/", "/t", "/api", "/apix"] {
        assert_eq!(gateway.get(target).await.status, 404, "{target}");
    }
}

#[tokio::test]
async fn a_constraint_is_held_against_the_whole_decoded_segment() {
    let routes = replies(&[
        ("number", "match: { path: \"/n/{n:[0-9]+}\" }"),
        ("slash", "match: { path: \"/s/{s:a/b}\" }"),
        ("word", "match: { path: \"/w/{w:(?i)yes|no}\" }"),
    ]);
    let gateway = Gateway::start(&routes).await;
    for (target, status) in [
        ("/n/12", 200),
        ("/n/%31%32", 200),
        ("/n/12a", 404),
        ("/n/a12", 404),
        ("/n/1%0a", 404),
        ("/s/a%2Fb", 200),
        ("/w/YES", 200),
        ("/w/no", 200),
        ("/w/yesno", 404),
        ("/w/noo", 404),
    ] {
        assert_eq!(gateway.get(target).await.status, status, "{target}");
    }
}

#[tokio::test]
async fn absolute_form_and_asterisk_form_are_understood() {
    let backend = Backend::echo().await;
    let gateway = Gateway::start(&one_route(backend.address(), "match: { hosts: [a.test] }")).await;
    let mut client = gateway.client().await;
    for (target, forwarded) in [
        ("http://a.test/x?y", "/x?y"),
        ("http://a.test", "/"),
        ("http://a.test?q", "/?q"),
    ] {
        let response = client
            .request("GET", target, &[("Host", "a.test")], b"")
            .await
            .unwrap();
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        assert_eq!(response.json()["target"], forwarded, "{target}");
    }
    let response = client
        .request("OPTIONS", "*", &[("Host", "a.test")], b"")
        .await
        .unwrap();
    assert_eq!((response.status, backend.last().target.as_str()), (200, "*"));
    // A request for one host that says it is for another is refused, not routed by either.
    let response = client
        .request("GET", "http://a.test/x", &[("Host", "b.test")], b"")
        .await
        .unwrap();
    assert_eq!(response.status, 400);
}
