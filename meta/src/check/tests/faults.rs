//! Every fault by itself: of which object, where, and what is said.

mod aggregations;
mod breakers;
mod limits;
mod nodes;
mod routes;

use super::*;

/// Problems of one object with these lines, which begin at line 4 of the text; the rest of the text is sound.
fn of(kind: Kind, lines: &[&str]) -> Vec<String> {
    let object = |of: Kind, sound: &str| match of == kind {
        true => format!("{kind}:\n- id: x\n  {}\n", lines.join("\n  ")),
        false => sound.to_owned(),
    };
    // The object under test comes first, so that its lines are the same for every kind.
    let (server, cluster, route, aggregation) = (
        object(Kind::Server, "servers: [{ id: users-1, address: 127.0.0.1:1 }]\n"),
        object(Kind::Cluster, "clusters: [{ id: users, servers: [users-1] }]\n"),
        object(Kind::Route, "routes: [{ id: all, to: [{ cluster: users }] }]\n"),
        object(Kind::Aggregation, ""),
    );
    let text = match kind {
        Kind::Server => format!(
            "#\n{server}{}{route}",
            "clusters: [{ id: users, servers: [x] }]\n"
        ),
        Kind::Cluster => format!("#\n{cluster}{server}routes: [{{ id: all, to: [{{ cluster: x }}] }}]\n"),
        Kind::Route => format!("#\n{route}{cluster}{server}"),
        Kind::Aggregation => format!("#\n{aggregation}{cluster}{server}"),
    };
    problems(&first(&text))
}

/// What follows from an object that cannot be used is told of its users; that is not looked at here.
fn assert_found(kind: Kind, lines: &[&str], expected: &[&str]) {
    let found = of(kind, lines);
    let own: Vec<&String> = found
        .iter()
        .filter(|problem| problem.contains(&format!("{kind}/x: ")))
        .collect();
    assert_eq!(own, expected, "{kind} {lines:?}");
}

/// An aggregation with these members, then these nodes.
fn aggregation(members: &[&str], nodes: &[&str]) -> Vec<String> {
    let members = members.iter().map(|member| (*member).to_owned());
    let list = (!nodes.is_empty()).then(|| "nodes:".to_owned());
    let nodes = nodes.iter().map(|node| format!("- {{ cluster: users, {node} }}"));
    members.chain(list).chain(nodes).collect()
}

/// Members and nodes of an aggregation, and what is said of it without its name.
pub(super) type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str]);

/// Checks each case by itself.
pub(super) fn assert_cases(cases: &[Case<'_>]) {
    for (members, nodes, expected) in cases {
        let lines = aggregation(members, nodes);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let found = of(Kind::Aggregation, &lines).into_iter();
        let found: Vec<String> = found
            .filter(|problem| problem.contains("aggregations/x: "))
            .map(|problem| problem.replace("aggregations/x: ", ""))
            .collect();
        assert_eq!(found, *expected, "{lines:#?}");
    }
}

#[test]
fn every_fault_of_a_server_is_found_where_it_stands() {
    let cases: &[(&[&str], &[&str])] = &[
        (
            &[
                "address: 127.0.0.1:1",
                "health_check: { type: tcp, path: /x, host: h, status: [200], body: b }",
            ],
            &[
                "5:36: servers/x: health_check.path: a check of type tcp only connects: leave \"path\" out or use type http",
                "5:46: servers/x: health_check.host: a check of type tcp only connects: leave \"host\" out or use type http",
                "5:57: servers/x: health_check.status: a check of type tcp only connects: leave \"status\" out or use type http",
                "5:70: servers/x: health_check.body: a check of type tcp only connects: leave \"body\" out or use type http",
            ],
        ),
        (
            &["address: 127.0.0.1:1", "health_check: { path: health }"],
            &[
                "5:25: servers/x: health_check.path: a path starts with \"/\" and has no spaces: write it percent-encoded, as in \"/health\"",
            ],
        ),
        (
            &["address: 127.0.0.1:1", "health_check: { path: /a b }"],
            &[
                "5:25: servers/x: health_check.path: a path starts with \"/\" and has no spaces: write it percent-encoded, as in \"/health\"",
            ],
        ),
        (
            &["address: 127.0.0.1:1", "health_check: { path: '/a#b' }"],
            &[
                "5:25: servers/x: health_check.path: a path starts with \"/\" and has no spaces: write it percent-encoded, as in \"/health\"",
            ],
        ),
        (
            &["address: 127.0.0.1:1", "health_check: { host: '' }"],
            &[
                "5:25: servers/x: health_check.host: a host is a name or an address, with a port if need be, as in \"users.internal:8080\"",
            ],
        ),
        (
            &["address: 127.0.0.1:1", "health_check: { host: a/b }"],
            &[
                "5:25: servers/x: health_check.host: a host is a name or an address, with a port if need be, as in \"users.internal:8080\"",
            ],
        ),
        (
            &[
                "address: 127.0.0.1:1",
                "health_check: { interval: 50ms, timeout: 50ms }",
            ],
            &["5:29: servers/x: health_check.interval: 50ms is out of bounds: use 100ms to 1h"],
        ),
        (
            &[
                "address: 127.0.0.1:1",
                "health_check: { interval: 2h, timeout: 2m }",
            ],
            &[
                "5:29: servers/x: health_check.interval: 2h is out of bounds: use 100ms to 1h",
                "5:42: servers/x: health_check.timeout: 2m is out of bounds: use 1ms to 1m",
            ],
        ),
        (
            &["address: 127.0.0.1:1", "health_check: { status: [200, 100] }"],
            &["5:33: servers/x: health_check.status[1]: 100 is no status of an answer: use 200 to 599"],
        ),
        (
            &["address: 127.0.0.1:1", "health_check: { status: [] }"],
            &[
                "5:27: servers/x: health_check.status: no status would be healthy: name at least one, or leave \"status\" out for 200",
            ],
        ),
        (
            &["address: 127.0.0.1:1", "health_check: { body: '' }"],
            &[
                "5:25: servers/x: health_check.body: the expected text is 1 to 1024 bytes: leave \"body\" out if any body will do",
            ],
        ),
        (
            &[
                "address: 127.0.0.1:1",
                "health_check: { healthy_after: 0, unhealthy_after: 101 }",
            ],
            &[
                "5:34: servers/x: health_check.healthy_after: 0 is out of bounds: use 1 to 100",
                "5:54: servers/x: health_check.unhealthy_after: 101 is out of bounds: use 1 to 100",
            ],
        ),
        (
            &[
                "address: 127.0.0.1:1",
                "health_check: { interval: 1s, timeout: 2s }",
            ],
            &[
                "5:42: warning: servers/x: health_check.timeout: the timeout (2s) is longer than the interval (1s)",
            ],
        ),
        (
            &[
                "address: 127.0.0.1:1",
                "health_check: { path: no, host: '', interval: 1ms, status: [], body: '', healthy_after: 0 }",
            ],
            &[
                "5:17: warning: servers/x: health_check.timeout: the timeout (1s) is longer than the interval (1ms)",
                "5:25: servers/x: health_check.path: a path starts with \"/\" and has no spaces: write it percent-encoded, as in \"/health\"",
                "5:35: servers/x: health_check.host: a host is a name or an address, with a port if need be, as in \"users.internal:8080\"",
                "5:49: servers/x: health_check.interval: 1ms is out of bounds: use 100ms to 1h",
                "5:62: servers/x: health_check.status: no status would be healthy: name at least one, or leave \"status\" out for 200",
                "5:72: servers/x: health_check.body: the expected text is 1 to 1024 bytes: leave \"body\" out if any body will do",
                "5:91: servers/x: health_check.healthy_after: 0 is out of bounds: use 1 to 100",
            ],
        ),
        (
            &["address: 127.0.0.1:1", "weight: 0"],
            &["5:11: servers/x: weight: expected a whole number from 1 to 1000, found the number 0"],
        ),
        (
            &["adress: 127.0.0.1:1"],
            &[
                "4:3: servers/x: adress: unknown key \"adress\"; did you mean \"address\"? allowed: id, description, tags, enabled, address, scheme, weight, health_check, limit, breaker",
            ],
        ),
        (
            &["address: 127.0.0.1"],
            &[
                "4:12: servers/x: address: \"127.0.0.1\" is no address: the port is missing; write host:port or [v6]:port, as in \"10.0.0.1:8080\" or \"[::1]:8080\"",
            ],
        ),
        (
            &["address: 127.0.0.1:1", "scheme: https"],
            &["5:11: servers/x: scheme: unknown value \"https\"; did you mean \"http\"? allowed: http"],
        ),
    ];
    for (lines, expected) in cases {
        assert_found(Kind::Server, lines, expected);
    }
}

#[test]
fn every_fault_of_a_cluster_is_found_where_it_stands() {
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["servers: [users-1, users-1]"],
            &[
                "4:22: clusters/x: servers[1]: the server \"users-1\" is bound twice: bind it once, with the weight it shall have",
            ],
        ),
        (
            &["servers: []"],
            &["3:3: warning: clusters/x: the cluster has no servers: it answers every request with 503"],
        ),
        (
            &["servers: [users-1, user-1]"],
            &["4:22: clusters/x: servers[1]: there is no server \"user-1\"; did you mean \"users-1\"?"],
        ),
        (
            &["servers:", "- { id: payments, weight: 3 }", "- users-1"],
            &["5:5: clusters/x: servers[0]: there is no server \"payments\""],
        ),
        (
            &["servers: [users-1]", "retry: { attempts: 0 }"],
            &["5:22: clusters/x: retry.attempts: 0 attempts: use 1 to 10, the first one included"],
        ),
        (
            &[
                "servers: [users-1]",
                "retry: { attempts: 11, budget_percent: 101 }",
            ],
            &[
                "5:22: clusters/x: retry.attempts: 11 attempts: use 1 to 10, the first one included",
                "5:42: clusters/x: retry.budget_percent: 101 percent: use 0 to 100",
            ],
        ),
        (
            &["servers: [users-1]", "retry: { attempts: 1 }"],
            &["5:22: warning: clusters/x: retry.attempts: one attempt is no retry: leave \"retry\" out"],
        ),
        (
            &["servers: [users-1]", "retry: { on: [sometimes, 200] }"],
            &[
                "5:17: clusters/x: retry.on[0]: expected connect, timeout or a status from 400 to 599, found text \"sometimes\"",
                "5:28: clusters/x: retry.on[1]: expected connect, timeout or a status from 400 to 599, found the number 200",
            ],
        ),
        (
            &[
                "servers: [users-1]",
                "timeout: { connect: 2s, first_byte: 3s, idle: 4s, total: 1s }",
            ],
            &[
                "5:23: warning: clusters/x: timeout.connect: connect (2s) is longer than total (1s): total ends it first",
                "5:39: warning: clusters/x: timeout.first_byte: first_byte (3s) is longer than total (1s): total ends it first",
                "5:49: warning: clusters/x: timeout.idle: idle (4s) is longer than total (1s): total ends it first",
            ],
        ),
        (
            &["servers: [users-1]", "health_check: { interval: 1ms }"],
            &[
                "5:17: warning: clusters/x: health_check.timeout: the timeout (1s) is longer than the interval (1ms)",
                "5:29: clusters/x: health_check.interval: 1ms is out of bounds: use 100ms to 1h",
            ],
        ),
        (
            &[
                "servers: [users-1]",
                "load_balance: { consistent_hash: body.user }",
            ],
            &[
                "5:36: clusters/x: load_balance.consistent_hash: \"body.user\" cannot be a key: use header.NAME, cookie.NAME, query.NAME, param.NAME, path, host or client_ip",
            ],
        ),
        (
            &["servers: [users-1]", "load_balance: fair"],
            &[
                "5:17: clusters/x: load_balance: unknown value \"fair\"; allowed: round_robin, random, least_request, ip_hash, consistent_hash",
            ],
        ),
        (
            &["servers: [users-1]", "slow_start: 0s"],
            &[
                "5:15: clusters/x: slow_start: \"0s\" is no duration: write a number and one of ms, s, m, h, from \"1ms\" to \"1000h\", as in \"250ms\" or \"10s\"",
            ],
        ),
    ];
    for (lines, expected) in cases {
        assert_found(Kind::Cluster, lines, expected);
    }
}

#[test]
fn an_object_without_faults_has_none() {
    assert_eq!(of(Kind::Server, &["address: 127.0.0.1:1"]), [""; 0]);
    assert_eq!(of(Kind::Cluster, &["servers: [users-1]"]), [""; 0]);
    assert_eq!(of(Kind::Route, &["to: [{ cluster: users }]"]), [""; 0]);
    let node = "nodes: [{ name: user, cluster: users, url: / }]";
    assert_eq!(of(Kind::Aggregation, &[node]), [""; 0]);
}

#[test]
fn all_problems_of_all_objects_are_found_at_once_in_the_order_of_the_text() {
    let text = "\
servers:
- { id: a, address: nowhere, weight: 0, color: red }
- { id: b, address: 127.0.0.1:1 }
clusters:
- { id: c, servers: [b, bb], retry: { attempts: 0, budget_percent: 200 } }
- { id: d, servers: [a] }
routes:
- { id: r, to: [{ cluster: e }, { cluster: c }], filters: [{ acces: {} }], priority: 9999999 }
";
    let report = first(text);
    let places: Vec<String> = report
        .problems
        .iter()
        .map(|problem| format!("{}/{}{}", problem.kind.unwrap(), problem.id, problem.pointer))
        .collect();
    let expected = [
        "servers/a/address",
        "servers/a/weight",
        "servers/a/color",
        "clusters/c/retry/attempts",
        "clusters/c/retry/budget_percent",
        "clusters/d/servers/0",
        "routes/r/filters/0/acces",
        "routes/r/priority",
    ];
    assert_eq!(places, expected, "{:#?}", problems(&report));
    let positions: Vec<_> = report
        .problems
        .iter()
        .map(|problem| problem.position.unwrap())
        .collect();
    assert!(positions.is_sorted());
    assert!(report.has_errors());
}

#[test]
fn what_is_no_id_leaves_the_object_out_and_says_so() {
    let report =
        first("servers:\n- { id: Users 1, address: 127.0.0.1:1 }\n- { id: 7, address: 127.0.0.1:1 }\n");
    let expected = [
        "2:9: servers/Users 1: id: \"Users 1\" is no id: an id is 1 to 63 of a-z, 0-9, \".\", \"_\" and \"-\", and starts with a letter or a digit",
        "3:9: servers/7: id: expected text, found the number 7",
    ];
    assert_eq!(problems(&report), expected);
    assert_eq!(
        shown(&report.quarantined),
        ["servers/7 Nothing", "servers/Users 1 Nothing"]
    );
    assert_eq!(report.quarantined[1].problems.len(), 1);
}

#[test]
fn of_two_with_one_id_the_first_stands_and_the_second_is_named() {
    let text = "servers:\n- { id: a, address: 127.0.0.1:1 }\n- { id: a, address: 127.0.0.1:2 }\n- { id: a, address: 127.0.0.1:3 }\nclusters: [{ id: c, servers: [a] }]\nroutes: [{ id: r, to: [{ cluster: c }] }]\n";
    let report = first(text);
    let expected = [3, 4].map(|line| {
        format!("{line}:9: servers/a: id: there are two servers with this id: the first one stands, give this one another id")
    });
    assert_eq!(problems(&report), expected);
    assert_eq!(runs(&report), "a=127.0.0.1:1 c=[a] r=[c]");
    assert_eq!(shown(&report.quarantined), [""; 0]);
}

#[test]
fn of_two_with_one_id_a_broken_first_still_stands_before_the_second() {
    let mut proxy = Proxy::running("servers: [{ id: a, address: 127.0.0.1:1 }]");
    let report =
        proxy.takes("servers:\n- { id: a, address: 127.0.0.1 }\n- { id: a, address: 127.0.0.1:3 }\n");
    assert_eq!(runs(&report), "a=127.0.0.1:1");
    assert_eq!(shown(&report.quarantined), ["servers/a LastGood"]);
}

#[test]
fn one_id_may_name_one_object_of_each_kind() {
    let text = "servers: [{ id: a, address: 127.0.0.1:1 }]\nclusters: [{ id: a, servers: [a] }]\nroutes: [{ id: a, to: [{ cluster: a }] }]\naggregations: [{ id: a, match: { path: /a }, nodes: [{ name: a, cluster: a, url: / }] }]\n";
    let report = first(text);
    assert_eq!(problems(&report), [""; 0]);
    assert_eq!(runs(&report), "a=127.0.0.1:1 a=[a] a=[a] a=[a]");
    let mut proxy = Proxy::running(text);
    let report = proxy.takes(&text.replace("servers: [a]", "servers: 3"));
    assert_eq!(shown(&report.quarantined), ["clusters/a LastGood"]);
    assert_eq!(report.quarantined[0].problems.len(), 1);
}

#[test]
fn a_wrong_name_gets_a_hint_only_if_one_is_near() {
    let names = ["users", "orders", "accounts"];
    for (wrong, meant) in [
        ("user", Some("users")),
        ("usres", Some("users")),
        ("order", Some("orders")),
        ("acconts", Some("accounts")),
        ("payments", None),
        ("", None),
        ("u", None),
    ] {
        assert_eq!(near(wrong, names.into_iter()), meant, "{wrong}");
    }
    let long = "u".repeat(1 << 22);
    assert_eq!(near(&long, names.into_iter()), None);
}
