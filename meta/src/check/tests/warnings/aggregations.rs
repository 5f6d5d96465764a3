//! Aggregations and nodes that do nothing, or not what was meant.

use super::{super::faults::assert_cases, *};

#[test]
fn what_makes_no_difference_or_not_the_one_that_was_meant_is_warned_of() {
    assert_cases(&[
        (
            &[],
            &["name: user, url: /u, fallback: null"],
            &[
                "5:54: warning: nodes[0].fallback: it makes no difference: a required node that fails fails the whole; add required: false, or leave \"fallback\" out",
            ],
        ),
        (&[], &["name: user, url: /u, fallback: [], when: header.x"], &[]),
        (
            &[],
            &["name: user, url: /u, required: false, pass_status: true"],
            &[
                "5:74: warning: nodes[0].pass_status: it makes no difference: only a required node that fails fails the whole; leave \"pass_status\" out",
            ],
        ),
        (
            &["merge: flat", "on_collision: last", "response: {}"],
            &["name: user, url: /u"],
            &[
                "4:10: warning: merge: it makes no difference: \"response\" stands in place of the merged body; leave \"merge\" out",
            ],
        ),
        (
            &["max_bytes: 9", "max_request_bytes: 9"],
            &["name: user, url: /u, pass_headers: [a], keep_headers: [b]"],
            &[
                "4:14: warning: max_bytes: it makes no difference: request and answer of the only node are passed on whole; add merge: object, or leave \"max_bytes\" out",
                "5:22: warning: max_request_bytes: it makes no difference: request and answer of the only node are passed on whole; add merge: object, or leave \"max_request_bytes\" out",
                "7:58: warning: nodes[0].pass_headers: it makes no difference: request and answer of the only node are passed on whole; add merge: object, or leave \"pass_headers\" out",
                "7:77: warning: nodes[0].keep_headers: it makes no difference: request and answer of the only node are passed on whole; add merge: object, or leave \"keep_headers\" out",
            ],
        ),
        (&["merge: object", "response: {}"], &["name: user, url: /u"], &[]),
        (
            &[],
            &["name: user, url: /u, headers: { X-A: b }, pass_headers: [x-b, x-a]"],
            &[
                "5:85: warning: nodes[0].pass_headers[1]: the client's \"x-a\" is never passed on: \"headers\" sets another one",
            ],
        ),
        (
            &["max_bytes: 1000"],
            &["name: user, url: /u, max_bytes: 2000"],
            &[
                "6:55: warning: nodes[0].max_bytes: max_bytes (2000) is more than all answers together may have (1000)",
            ],
        ),
        (
            &[],
            &["name: user, url: /u, max_bytes: 20000000"],
            &[
                "5:55: warning: nodes[0].max_bytes: max_bytes (20000000) is more than all answers together may have (10485760)",
            ],
        ),
        (
            &["filters: [{ reply: {} }]"],
            &["name: user, url: /u"],
            &["6:5: warning: nodes: a filter answers every request: no node is called"],
        ),
        (
            &["timeout: 2s", "breaker: { slow_call: 2s }"],
            &["name: user, url: /u"],
            &[
                "5:25: warning: breaker.slow_call: an answer is a timeout before it is slow: timeout of the aggregation is 2s",
            ],
        ),
        (
            &["breaker: { slow_call: 30s }"],
            &["name: user, url: /u"],
            &[
                "4:25: warning: breaker.slow_call: an answer is a timeout before it is slow: timeout of the aggregation is 10s",
            ],
        ),
        (
            &["priority_class: critical"],
            &["name: user, url: /u"],
            &[
                "4:19: warning: priority_class: it makes no difference: none of the aggregation's clusters has a limit with max_in_flight: auto",
            ],
        ),
        (
            &["expires: 2020-01-01T00:00:00Z"],
            &["name: user, url: /u"],
            &["4:12: warning: expires: this time has passed: the aggregation matches nothing"],
        ),
    ]);
}

#[test]
fn a_value_that_may_not_come_is_warned_of_where_a_call_reads_it() {
    assert_cases(&[
        (
            &[],
            &[
                "name: user, url: /u, required: false",
                "name: vip, url: \"/v/{node.user.id}\"",
            ],
            &[
                "6:44: warning: nodes[1].url: if \"user\" fails there is no such value and this call is not made: give \"user\" a \"fallback\", be it null",
            ],
        ),
        (
            &[],
            &[
                "name: user, url: /u, required: false",
                "name: vip, url: /v, headers: { x: \"{node.user.id}\" }",
            ],
            &[
                "6:59: warning: nodes[1].headers.x: if \"user\" fails there is no such value and this call is made without it: give \"user\" a \"fallback\", be it null",
            ],
        ),
        (
            &[],
            &[
                "name: user, url: /u, required: false",
                "name: vip, url: /v, method: POST, body: { a: \"{node.user}\" }",
            ],
            &[
                "6:70: warning: nodes[1].body.a: if \"user\" fails there is no such value and this call is made without it: give \"user\" a \"fallback\", be it null",
            ],
        ),
        (
            &[],
            &[
                "name: user, url: /u, required: false",
                "name: vip, url: /v, when: node.user.level > 3",
            ],
            &[
                "6:49: warning: nodes[1].when: if \"user\" fails there is no such value and this condition does without it: give \"user\" a \"fallback\", be it null",
            ],
        ),
        (
            &[],
            &[
                "name: user, url: /u, required: false",
                "name: vip, url: \"/v/{node.user.id}/{node.user.x}\", when: node.user.level > 3",
            ],
            &[
                "6:44: warning: nodes[1].url: if \"user\" fails there is no such value and this call is not made: give \"user\" a \"fallback\", be it null",
            ],
        ),
        (
            &[],
            &[
                "name: user, url: /u, required: false, fallback: null",
                "name: vip, url: \"/v/{node.user.id}\"",
            ],
            &[],
        ),
        (
            &[],
            &[
                "name: user, url: /u, when: header.x",
                "name: vip, url: \"/v/{node.user.id}\"",
            ],
            &[],
        ),
        (
            &["response: \"{node.user.id}\""],
            &["name: user, url: /u, required: false"],
            &[],
        ),
    ]);
}

#[test]
fn waits_that_the_whole_ends_are_warned_of() {
    assert_cases(&[
        (
            &["timeout: 1s"],
            &["name: user, url: /u, timeout: 2s"],
            &[
                "6:53: warning: nodes[0].timeout: timeout (2s) is longer than that of the whole (1s), which ends it first",
            ],
        ),
        (
            &[],
            &["name: user, url: /u, timeout: 11s"],
            &[
                "5:53: warning: nodes[0].timeout: timeout (11s) is longer than that of the whole (10s), which ends it first",
            ],
        ),
        (
            &["timeout: 1s"],
            &[
                "name: user, url: /u, timeout: 500ms",
                "name: vip, url: \"/{node.user}\", timeout: 600ms",
                "name: orders, url: /, timeout: 1s",
            ],
            &[
                "4:12: warning: timeout: timeout (1s) ends the longest chain before its calls are out of time: user 500ms → vip 600ms = 1100ms",
            ],
        ),
        (
            &["timeout: 1s"],
            &[
                "name: user, url: /u, timeout: 500ms",
                "name: vip, url: \"/{node.user}\"",
                "name: last, url: \"/{node.vip}\", timeout: 501ms",
            ],
            &[
                "4:12: warning: timeout: timeout (1s) ends the longest chain before its calls are out of time: user 500ms → vip → last 501ms = 1001ms",
            ],
        ),
        (
            &["timeout: 1s"],
            &[
                "name: user, url: /u, timeout: 500ms",
                "name: vip, url: \"/{node.user}\"",
                "name: last, url: \"/{node.vip}\", timeout: 500ms",
            ],
            &[],
        ),
        (
            &[],
            &[
                "name: user, url: /u, timeout: 6s",
                "name: vip, url: \"/{node.user}\", timeout: 5s",
            ],
            &[
                "3:3: warning: timeout: timeout (10s) ends the longest chain before its calls are out of time: user 6s → vip 5s = 11s",
            ],
        ),
        (
            &["timeout: 1s"],
            &[
                "name: user, url: /u, timeout: 500ms",
                "name: vip, url: \"/{node.user}\", timeout: 2s",
            ],
            &[
                "7:64: warning: nodes[1].timeout: timeout (2s) is longer than that of the whole (1s), which ends it first",
            ],
        ),
    ]);
}

#[test]
fn the_example_of_the_design_is_clean() {
    let text = "\
aggregations:
- id: home
  match: { path: '/api/home/{id}', methods: [GET] }
  timeout: 800ms
  nodes:
  - { name: user,   cluster: users,  url: '/users/{param.id}' }
  - { name: orders, cluster: orders, url: '/orders?user={param.id}', required: false, timeout: 300ms, fallback: [] }
  - { name: vip,    cluster: vip,    url: '/vip/{node.user.level}', when: node.user.level > 3 }
  merge: object
  response: { data: { user: '{node.user}', total: '{node.orders.total}' } }
clusters: [{ id: users, servers: [s] }, { id: orders, servers: [s] }, { id: vip, servers: [s] }]
servers: [{ id: s, address: 127.0.0.1:1 }]
";
    let report = first(text);
    assert_eq!(problems(&report), [""; 0]);
    assert_eq!(
        runs(&report),
        "s=127.0.0.1:1 orders=[s] users=[s] vip=[s] home=[users,orders,vip]"
    );
}

/// What is said of match, priority and the like of a route and an aggregation with these ids and members.
fn of_both(route: &str, aggregation: &str) -> Vec<String> {
    let report = first(&format!(
        "routes:\n- {{ {route}, to: [{{ cluster: c }}] }}\naggregations:\n- {{ {aggregation}, nodes: [{{ name: n, cluster: c, url: / }}] }}\n{BELOW}"
    ));
    assert!(!report.has_errors(), "{:?}", problems(&report));
    problems(&report)
        .into_iter()
        .map(|problem| problem.split_once(": warning: ").unwrap().1.to_owned())
        .collect()
}

#[test]
fn routes_and_aggregations_stand_behind_each_other() {
    let hidden = |one: &str, other: &str| {
        let (kind, what) = one.split_once('/').unwrap();
        let what = format!("{kind}s/{what}: match: no request reaches this {kind}");
        vec![format!("{what}: the {other} has the same match and comes first")]
    };
    for (route, aggregation, expected) in [
        ("id: a", "id: b", hidden("aggregation/b", "route \"a\"")),
        ("id: b", "id: a", hidden("route/b", "aggregation \"a\"")),
        ("id: a", "id: a", hidden("aggregation/a", "route \"a\"")),
        (
            "id: a",
            "id: b, priority: 1",
            hidden("route/a", "aggregation \"b\""),
        ),
        (
            "id: a, match: { path: '/{x}' }",
            "id: b, match: { path: '/{y}' }",
            hidden("aggregation/b", "route \"a\""),
        ),
        (
            "id: b, match: { when: header.x }",
            "id: a, priority: 1",
            hidden("route/b", "aggregation \"a\""),
        ),
        ("id: b, match: { when: header.x }", "id: a", vec![]),
        ("id: a, match: { path: /x }", "id: b", vec![]),
        ("id: a, enabled: false", "id: b", vec![]),
        ("id: a, expires: 2999-01-01T00:00:00Z", "id: b", vec![]),
    ] {
        assert_eq!(of_both(route, aggregation), expected, "{route} and {aggregation}");
    }
}

#[test]
fn a_priority_class_of_an_aggregation_is_heard_by_any_cluster_of_its_nodes() {
    let text = "\
aggregations:
- { id: a, priority_class: sheddable, nodes: [{ name: n, cluster: c, url: / }, { name: m, cluster: d, url: / }] }
clusters: [{ id: c, servers: [s] }, { id: d, servers: [s], limit: { max_in_flight: auto } }]
servers: [{ id: s, address: 127.0.0.1:1 }]
";
    assert_eq!(problems(&first(text)), [""; 0]);
    assert_eq!(problems(&first(&text.replace("auto", "5"))).len(), 1);
}
