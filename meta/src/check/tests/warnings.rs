//! What is allowed and probably not meant.

mod aggregations;
mod protection;

use super::*;

const BELOW: &str = "clusters: [{ id: c, servers: [s] }]\nservers: [{ id: s, address: 127.0.0.1:1 }]\n";

/// The warnings of routes that all go to one cluster.
fn of_routes(routes: &[&str]) -> Vec<String> {
    let routes: String = routes
        .iter()
        .map(|route| format!("- {{ {route}, to: [{{ cluster: c }}] }}\n"))
        .collect();
    let report = first(&format!("routes:\n{routes}{BELOW}"));
    assert!(!report.has_errors(), "{:?}", problems(&report));
    problems(&report)
}

#[test]
fn a_route_behind_another_with_the_same_match_is_unreachable() {
    for pair in [
        ["id: a", "id: b"],
        ["id: a, match: { path: /x }", "id: b, match: { path: /x }"],
        ["id: a, match: { path: '/{x}' }", "id: b, match: { path: '/{y}' }"],
        [
            "id: a, match: { path: '/{x:[0-9]+}' }",
            "id: b, match: { path: '/{y:[0-9]+}' }",
        ],
        ["id: a, match: { path: '/{x*}' }", "id: b, match: { path: '/*' }"],
        ["id: a, match: { path: /A }", "id: b, match: { path: '/%41' }"],
        [
            "id: a, match: { hosts: [x.y, z.y] }",
            "id: b, match: { hosts: [Z.y, x.y, x.y] }",
        ],
        [
            "id: a, match: { methods: [GET, PUT] }",
            "id: b, match: { methods: [PUT, GET] }",
        ],
        [
            "id: a, match: { path: /x }",
            "id: b, expires: 2999-01-01T00:00:00Z, match: { path: /x }",
        ],
        ["id: a, priority: 1", "id: b, match: { when: header.x }"],
    ] {
        let expected = [
            "3:1: warning: routes/b: match: no request reaches this route: the route \"a\" has the same match and comes first",
        ];
        let found: Vec<String> = of_routes(&pair)
            .into_iter()
            .map(|problem| format!("3:1: {}", problem.split_once(": ").unwrap().1))
            .collect();
        assert_eq!(found, expected, "{pair:?}");
    }
}

#[test]
fn a_lower_priority_is_behind_whatever_the_id() {
    let found = of_routes(&[
        "id: a, match: { path: /x }",
        "id: b, priority: 1, match: { path: /x }",
    ]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("routes/a: match: no request reaches this route: the route \"b\""),
        "{found:?}"
    );
}

#[test]
fn a_route_that_some_request_reaches_is_not_warned_of() {
    for pair in [
        ["id: a, match: { path: /x }", "id: b, match: { path: /y }"],
        [
            "id: a, match: { path: '/{x:[0-9]+}' }",
            "id: b, match: { path: '/{x:[a-z]+}' }",
        ],
        [
            "id: a, match: { path: '/{x}' }",
            "id: b, match: { path: '/{x:[a-z]+}' }",
        ],
        ["id: a, match: { path: '/x/' }", "id: b, match: { path: /x }"],
        ["id: a, match: { path: '/a%2Fb' }", "id: b, match: { path: /a/b }"],
        ["id: a, match: { hosts: [x.y] }", "id: b, match: { hosts: [z.y] }"],
        [
            "id: a, match: { methods: [GET] }",
            "id: b, match: { methods: [PUT] }",
        ],
        ["id: a, match: { methods: [GET] }", "id: b"],
        ["id: a, enabled: false", "id: b"],
        ["id: a", "id: b, enabled: false"],
        ["id: a, match: { when: header.x }", "id: b"],
        [
            "id: a, match: { when: header.x }",
            "id: b, match: { when: header.x }",
        ],
        ["id: a", "id: b, match: { when: header.x }"],
        ["id: a, expires: 2999-01-01T00:00:00Z", "id: b"],
        ["id: a", "id: b, priority: 1, match: { path: /x }"],
    ] {
        assert_eq!(of_routes(&pair), [""; 0], "{pair:?}");
    }
}

#[test]
fn a_route_that_has_ended_is_warned_of_also_when_nothing_was_changed() {
    let text =
        format!("routes:\n- {{ id: a, expires: 2020-01-01T00:00:00Z, to: [{{ cluster: c }}] }}\n{BELOW}");
    let mut proxy = Proxy::default();
    for _ in 0..2 {
        let expected = ["2:21: warning: routes/a: expires: this time has passed: the route matches nothing"];
        assert_eq!(problems(&proxy.takes(&text)), expected);
    }
}

#[test]
fn warnings_are_repeated_as_long_as_they_hold_at_their_present_place() {
    let text = "clusters:\n- { id: c, servers: [], timeout: { connect: 2s, total: 1s } }\n";
    let mut proxy = Proxy::default();
    for (shift, line) in [("", 2), ("", 2), ("# one line more\n", 3)] {
        let report = proxy.takes(&format!("{shift}{text}"));
        let expected = [
            format!(
                "{line}:3: warning: clusters/c: the cluster has no servers: it answers every request with 503"
            ),
            format!("{line}:3: warning: clusters/c: no route and no aggregation uses this cluster"),
            format!(
                "{line}:45: warning: clusters/c: timeout.connect: connect (2s) is longer than total (1s): total ends it first"
            ),
        ];
        assert_eq!(problems(&report), expected);
        assert!(!report.has_errors());
        assert_eq!(shown(&report.quarantined), [""; 0]);
    }
}

#[test]
fn what_nothing_uses_is_warned_of() {
    let report = first(
        "servers:\n- { id: s, address: 127.0.0.1:1 }\n- { id: t, address: 127.0.0.1:1 }\nclusters:\n- { id: c, servers: [t] }\n- { id: d, servers: [t] }\nroutes:\n- { id: r, to: [{ cluster: c }], mirror: { cluster: d } }\n",
    );
    assert_eq!(
        problems(&report),
        ["2:3: warning: servers/s: no cluster uses this server"]
    );
    let report = first("servers: [{ id: t, address: 127.0.0.1:1 }]\nclusters: [{ id: c, servers: [t] }]\n");
    assert_eq!(
        problems(&report),
        ["2:12: warning: clusters/c: no route and no aggregation uses this cluster"]
    );
}

#[test]
fn what_only_a_broken_object_names_counts_as_used() {
    let report = first(
        "servers:\n- { id: s, address: 127.0.0.1:1 }\nclusters:\n- { id: c, servers: [{ id: s }, t] }\n- { id: d, servers: [s] }\nroutes:\n- { id: r, to: [{ cluster: c }], mirror: { cluster: d } }\n",
    );
    let warnings = report
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Warning);
    assert_eq!(warnings.count(), 0, "{:?}", problems(&report));
    assert_eq!(
        shown(&report.quarantined),
        ["clusters/c Nothing", "routes/r Nothing"]
    );
}

#[test]
fn a_wait_longer_than_the_whole_is_warned_of_only_if_it_was_asked_for() {
    let report = first(
        "clusters: [{ id: c, servers: [s], timeout: { total: 500ms, first_byte: 2s } }]\nroutes: [{ id: r, to: [{ cluster: c }] }]\nservers: [{ id: s, address: 127.0.0.1:1 }]\n",
    );
    let expected = [
        "1:72: warning: clusters/c: timeout.first_byte: first_byte (2s) is longer than total (500ms): total ends it first",
    ];
    assert_eq!(problems(&report), expected);
}
