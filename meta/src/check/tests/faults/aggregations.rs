//! Every fault of an aggregation as a whole by itself.

use super::*;

#[test]
fn the_nodes_are_1_to_32_and_each_has_a_name_of_its_own() {
    assert_cases(&[
        (&["nodes: []"], &[], &["4:10: nodes: 0 nodes: use 1 to 32"]),
        (&["timeout: 1s"], &[], &["3:3: \"nodes\" is missing"]),
        (
            &[],
            &[
                "name: user, url: /u",
                "name: vip, url: /v",
                "name: user, url: /u",
                "name: user, url: /u",
            ],
            &[
                "7:29: nodes[2].name: the name \"user\" stands twice: give this node another one",
                "8:29: nodes[3].name: the name \"user\" stands twice: give this node another one",
            ],
        ),
        (
            &[],
            &["name: a.b, url: /"],
            &[
                "5:29: nodes[0].name: \"a.b\" is no name of a node: use 1 to 63 letters, digits, \"-\" and \"_\"",
            ],
        ),
        (&[], &["name: user"], &["5:5: nodes[0]: \"url\" is missing"]),
        (
            &[],
            &["name: user, url: /u, fallbak: 1"],
            &[
                "5:44: nodes[0].fallbak: unknown key \"fallbak\"; did you mean \"fallback\"? allowed: name, cluster, url, method, headers, pass_headers, keep_headers, body, pass_body, when, required, timeout, fallback, status, pass_status, retry, hedge, coalesce, cache, max_bytes",
            ],
        ),
        (
            &["nodes: [{ name: user, cluster: user, url: / }, { name: vip, cluster: users, url: / }]"],
            &[],
            &["4:34: nodes[0].cluster: there is no cluster \"user\"; did you mean \"users\"?"],
        ),
    ]);
}

#[test]
fn nodes_that_wait_for_each_other_are_told_where_it_closes() {
    assert_cases(&[
        (
            &[],
            &[
                "name: user, url: \"/u/{node.orders.user}\"",
                "name: orders, url: \"/o/{node.user.id}\"",
            ],
            &[
                "5:45: nodes[0].url: the nodes wait for each other: user → orders → user, where each reads the one before it",
            ],
        ),
        (
            &[],
            &[
                "name: free, url: /",
                "name: a, url: \"/{node.free}\", headers: { x: \"é {node.c}\" }",
                "name: b, url: \"/{node.a}\"",
                "name: c, url: /, when: node.b.ok",
            ],
            &[
                "6:71: nodes[1].headers.x: the nodes wait for each other: a → b → c → a, where each reads the one before it",
            ],
        ),
        (
            &[],
            &[
                "name: a, url: \"/{node.b}\"",
                "name: b, url: \"/{node.a}\"",
                "name: c, url: \"/{node.d}\"",
                "name: d, method: PUT, url: \"/\", body: [\"{node.c}\"]",
                "name: e, url: \"/{node.e}\"",
            ],
            &[
                "5:40: nodes[0].url: the nodes wait for each other: a → b → a, where each reads the one before it",
                "7:40: nodes[2].url: the nodes wait for each other: c → d → c, where each reads the one before it",
                "9:40: nodes[4].url: node.e: a node cannot read its own answer",
            ],
        ),
        (
            &[],
            &[
                "name: a, url: \"/{node.b}/{node.nobody}\"",
                "name: b, url: \"/{node.a}\"",
            ],
            &[
                "5:40: nodes[0].url: the nodes wait for each other: a → b → a, where each reads the one before it",
                "5:49: nodes[0].url: there is no node \"nobody\"; there are: a, b",
            ],
        ),
    ]);
}

#[test]
fn what_comes_before_the_nodes_reads_neither_them_nor_the_body() {
    assert_cases(&[
        (
            &["match: { path: \"/{id}\", when: param.di && node.user.x && body.y }"],
            &["name: user, url: /u"],
            &[
                "4:33: match.when: there is no parameter \"di\"; the path has: id",
                "4:45: match.when: node.user.x: match, limit and filters run before any node is called: only nodes and \"response\" read it",
                "4:60: match.when: body.y: match, limit and filters come before the body is read: only nodes and \"response\" read it",
            ],
        ),
        (
            &["filters: [{ headers: { request: { set: { x: \"{node.user.id}\" } } } }]"],
            &["name: user, url: /u"],
            &[
                "4:47: filters[0].headers.request.set.x: node.user.id: match, limit and filters run before any node is called: only nodes and \"response\" read it",
            ],
        ),
        (
            &["filters: [{ headers: { response: { set: { x: \"{body.id}\" } } } }]"],
            &["name: user, url: /u"],
            &[
                "4:48: filters[0].headers.response.set.x: body.id: match, limit and filters come before the body is read: only nodes and \"response\" read it",
            ],
        ),
        (
            &["limit: { rate: 5/s, key: param.id }"],
            &["name: user, url: /u"],
            &["4:28: limit.key: there is no parameter \"id\"; the path has no parameters"],
        ),
        (
            &["limit: { rate: 5/s, key: node.user.id }"],
            &["name: user, url: /u"],
            &[
                "4:28: limit.key: \"node.user.id\" cannot be a key: use header.NAME, cookie.NAME, query.NAME, param.NAME, path, host or client_ip",
            ],
        ),
        (
            &["filters: [{ acces: {} }]", "priority: 1000001"],
            &["name: user, url: /u"],
            &[
                "4:15: filters[0].acces: there is no filter \"acces\"; did you mean \"access\"? There are: access, headers, redirect, reply",
                "5:13: priority: 1000001 is out of bounds: use -1000000 to 1000000",
            ],
        ),
        (
            &["expires: tomorrow"],
            &["name: user, url: /u"],
            &["4:12: expires: \"tomorrow\" is no time: write one as in \"2026-12-31T00:00:00Z\" (RFC 3339)"],
        ),
        (
            &["breaker: { max_rejecting_percent: 10 }"],
            &["name: user, url: /u"],
            &[
                "4:37: breaker.max_rejecting_percent: only a cluster's breaker has \"max_rejecting_percent\": say it there, or leave it out",
            ],
        ),
    ]);
}

#[test]
fn more_nodes_than_there_may_be_are_not_looked_into() {
    let nodes: Vec<String> = (0..33)
        .map(|n| format!("name: n{n}, url: '/{{node.nobody}}'"))
        .collect();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    assert_cases(&[(&[], &nodes, &["5:5: nodes: 33 nodes: use 1 to 32"])]);
}
