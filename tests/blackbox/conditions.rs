//! Conditions, as a route's `when` decides over real requests.

use super::support::{Backend, Gateway, clusters, replies};

/// One request: method, target, headers.
type Ask<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// A route for each condition, each below a path of its own so that one gateway is enough; asks for each case whether it holds.
async fn check(startup: &str, cases: &[(&str, &[Ask<'_>], &[Ask<'_>])]) {
    let route = |(at, (when, ..)): (usize, &(&str, &[Ask<'_>], &[Ask<'_>]))| {
        let when = when.replace('\'', "''");
        format!(
            "- {{ id: c{at}, match: {{ path: \"/{at}/{{p*}}\", when: '{when}' }}, filters: [{{ reply: {{}} }}] }}\n"
        )
    };
    let routes: String = cases.iter().enumerate().map(route).collect();
    let gateway = Gateway::start_with(startup, &format!("routes:\n{routes}")).await;
    let mut client = gateway.client().await;
    for (at, (when, holds, fails)) in cases.iter().enumerate() {
        let asks = holds
            .iter()
            .map(|ask| (ask, 200))
            .chain(fails.iter().map(|ask| (ask, 404)));
        for ((method, target, headers), expected) in asks {
            let target = format!("/{at}{target}");
            let response = client.request(method, &target, headers, b"").await.unwrap();
            assert_eq!(response.status, expected, "{when}: {method} {target} {headers:?}");
        }
    }
}

const NONE: &[(&str, &str)] = &[];

#[tokio::test]
async fn conditions_read_headers_cookies_queries_parameters_and_the_method() {
    check(
        "",
        &[
            (
                "header.x-a == \"1 2\"",
                &[("GET", "/", &[("X-A", "1 2")])],
                &[("GET", "/", &[("X-A", "1")]), ("GET", "/", NONE)],
            ),
            (
                "cookie.group == \"b\"",
                &[
                    ("GET", "/", &[("Cookie", "x=1; group=b; y=2")]),
                    ("GET", "/", &[("Cookie", "group=\"b\"")]),
                ],
                &[
                    ("GET", "/", &[("Cookie", "xgroup=b")]),
                    ("GET", "/", &[("Cookie", "GROUP=b")]),
                ],
            ),
            (
                "query.beta ~ \"^1$\"",
                &[
                    ("GET", "/?beta=1", NONE),
                    ("GET", "/?a=b&beta=1", NONE),
                    ("GET", "/?b%65ta=%31", NONE),
                ],
                &[
                    ("GET", "/?beta=11", NONE),
                    ("GET", "/?xbeta=1", NONE),
                    ("GET", "/beta=1", NONE),
                ],
            ),
            (
                "param.p == \"a/b\"",
                &[("GET", "/a/b", NONE), ("GET", "/x/../a/b", NONE)],
                &[("GET", "/a%2Fb", NONE), ("GET", "/a", NONE)],
            ),
            (
                "method in [\"POST\", \"PUT\"]",
                &[("POST", "/", NONE), ("PUT", "/", NONE)],
                &[("GET", "/", NONE), ("HEAD", "/", NONE)],
            ),
            (
                "path ~ \"/x$\" && host == \"a.test\" && scheme == \"http\"",
                &[("GET", "/x", &[("Host", "A.test:80")])],
                &[
                    ("GET", "/x", &[("Host", "b.test")]),
                    ("GET", "/y", &[("Host", "a.test")]),
                ],
            ),
            (
                "header.\"x-two\" == \"a, b\"",
                &[("GET", "/", &[("X-Two", "a"), ("x-two", "b")])],
                &[("GET", "/", &[("X-Two", "a")])],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn numbers_compare_as_numbers_and_texts_as_texts() {
    check(
        "",
        &[
            (
                "header.x-version >= 2",
                &[
                    ("GET", "/", &[("X-Version", "2")]),
                    ("GET", "/", &[("X-Version", "10")]),
                    ("GET", "/", &[("X-Version", "2.5")]),
                ],
                &[
                    ("GET", "/", &[("X-Version", "1.99")]),
                    ("GET", "/", &[("X-Version", "x")]),
                    ("GET", "/", NONE),
                ],
            ),
            (
                "query.a < query.b",
                &[("GET", "/?a=9&b=10", NONE), ("GET", "/?a=a&b=b", NONE)],
                &[("GET", "/?a=10&b=9", NONE), ("GET", "/?a=b&b=a", NONE)],
            ),
            (
                "query.a != 1",
                &[("GET", "/?a=2", NONE)],
                &[("GET", "/?a=1", NONE), ("GET", "/?a=1.0", NONE)],
            ),
            (
                "query.a == \"1\"",
                &[("GET", "/?a=1", NONE)],
                &[("GET", "/?a=2", NONE)],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn conditions_are_joined_negated_and_bracketed() {
    check(
        "",
        &[
            (
                "header.a && header.b || header.c",
                &[
                    ("GET", "/", &[("c", "1")]),
                    ("GET", "/", &[("a", "1"), ("b", "1")]),
                ],
                &[("GET", "/", &[("a", "1")]), ("GET", "/", &[("c", "")])],
            ),
            (
                "header.a && (header.b || header.c)",
                &[("GET", "/", &[("a", "1"), ("c", "1")])],
                &[("GET", "/", &[("c", "1")])],
            ),
            (
                "!header.a && header.b !~ \"bot\"",
                &[("GET", "/", &[("b", "human")])],
                &[
                    ("GET", "/", &[("b", "robot")]),
                    ("GET", "/", &[("a", "1"), ("b", "x")]),
                ],
            ),
            // Names that hold an operator's letters are names.
            (
                "header.origin == \"x\" || header.x-in-between in [\"y\"] || header.android == \"z\"",
                &[
                    ("GET", "/", &[("Origin", "x")]),
                    ("GET", "/", &[("x-in-between", "y")]),
                    ("GET", "/", &[("Android", "z")]),
                ],
                &[("GET", "/", &[("Origin", "y")])],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn client_ip_is_the_rightmost_address_that_is_not_a_trusted_proxys() {
    let inside = "client_ip in [\"10.0.0.0/8\", \"2001:db8::/32\"]";
    check(
        "trusted_proxies: [127.0.0.0/8, 192.168.0.0/16]\n",
        &[(
            inside,
            &[
                ("GET", "/", &[("X-Forwarded-For", "10.1.2.3")]),
                (
                    "GET",
                    "/",
                    &[("X-Forwarded-For", "203.0.113.9, 10.1.2.3, 192.168.1.1")],
                ),
                ("GET", "/", &[("X-Forwarded-For", "2001:db8::7")]),
                (
                    "GET",
                    "/",
                    &[
                        ("X-Forwarded-For", "203.0.113.9"),
                        ("X-Forwarded-For", "10.0.0.1"),
                    ],
                ),
            ],
            &[
                ("GET", "/", NONE),
                ("GET", "/", &[("X-Forwarded-For", "10.1.2.3, 203.0.113.9")]),
                ("GET", "/", &[("X-Forwarded-For", "11.0.0.1")]),
            ],
        )],
    )
    .await;
    // Nobody is believed unless the start-up file says so.
    check(
        "",
        &[
            (inside, &[], &[("GET", "/", &[("X-Forwarded-For", "10.1.2.3")])]),
            (
                "client_ip == \"127.0.0.1\"",
                &[("GET", "/", &[("X-Forwarded-For", "10.1.2.3")])],
                &[],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_regex_takes_linear_time_whatever_the_request() {
    let gateway = Gateway::start(&replies(&[(
        "r",
        "match: { path: /a, when: 'query.x ~ \"^(a+)+$\"' }",
    )]))
    .await;
    let long = format!("/a?x={}!", "a".repeat(4000));
    let start = std::time::Instant::now();
    assert_eq!(gateway.get(&long).await.status, 404);
    assert!(
        start.elapsed() < std::time::Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn conditions_choose_between_clusters_on_one_path() {
    let (old, new) = (Backend::text("old").await, Backend::text("new").await);
    let objects = format!(
        "{}routes:\n- {{ id: new, match: {{ path: /x, when: cookie.beta == \"on\" }}, to: [{{ cluster: new }}] }}\n\
         - {{ id: old, match: {{ path: /x }}, to: [{{ cluster: old }}] }}\n",
        clusters(&[("old", old.address()), ("new", new.address())])
    );
    let gateway = Gateway::start(&objects).await;
    let mut client = gateway.client().await;
    for (cookie, expected) in [("beta=on", "new"), ("beta=off", "old"), ("beta=on", "new")] {
        let response = client
            .request("GET", "/x", &[("Cookie", cookie)], b"")
            .await
            .unwrap();
        assert_eq!(response.text(), expected);
    }
}
