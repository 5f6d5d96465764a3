//! Every fault of a limit by itself.

use super::*;

/// The line that an object of that kind needs before the one that is looked at.
fn needed(kind: Kind) -> &'static str {
    match kind {
        Kind::Server => "address: 127.0.0.1:1",
        Kind::Cluster => "servers: [users-1]",
        Kind::Route => "to: [{ cluster: users }]",
        Kind::Aggregation => "nodes: [{ name: user, cluster: users, url: / }]",
    }
}

/// What is said of `limit: { … }` in the fifth line; what is expected begins with the column.
fn assert_limit(kind: Kind, limit: &str, expected: &[&str]) {
    let line = format!("limit: {{ {limit} }}");
    let expected: Vec<String> = expected
        .iter()
        .map(|problem| {
            let (column, rest) = problem.split_once(": ").unwrap();
            format!("5:{column}: {kind}/x: {rest}")
        })
        .collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_found(kind, &[needed(kind), &line], &expected);
}

const RATE: &str = "is no rate: write a whole number of requests, \"/\" and a time from 1ms to 24h, as in \"100/1m\" or \"5/s\"";

#[test]
fn whatever_is_no_number_within_its_range_is_told_the_range() {
    let per_second = "use 0.000278 (one an hour) to 10000000";
    let number = "expected a number from 0.000278 (one an hour) to 10000000";
    let cases: &[(&str, &[&str])] = &[
        (
            "requests_per_second: 0",
            &[&format!(
                "33: limit.requests_per_second: 0 is out of bounds: {per_second}"
            )],
        ),
        (
            "requests_per_second: -1",
            &[&format!(
                "33: limit.requests_per_second: -1 is out of bounds: {per_second}"
            )],
        ),
        (
            "requests_per_second: 0.0002",
            &[&format!(
                "33: limit.requests_per_second: 0.0002 is out of bounds: {per_second}"
            )],
        ),
        (
            "requests_per_second: 10000000.5",
            &[&format!(
                "33: limit.requests_per_second: 10000000.5 is out of bounds: {per_second}"
            )],
        ),
        (
            "requests_per_second: 1e300",
            &[&format!(
                "33: limit.requests_per_second: 1e300 is out of bounds: {per_second}"
            )],
        ),
        (
            "requests_per_second: 100/s",
            &[&format!(
                "33: limit.requests_per_second: {number}, found text \"100/s\""
            )],
        ),
        (
            "requests_per_second: 'NaN'",
            &[&format!(
                "33: limit.requests_per_second: {number}, found text \"NaN\""
            )],
        ),
        (
            "requests_per_second: [1]",
            &[&format!("33: limit.requests_per_second: {number}, found a list")],
        ),
        (
            "rate: 100",
            &["18: limit.rate: expected requests in a time as in \"100/1m\", found the number 100"],
        ),
        ("rate: fast", &[&format!("18: limit.rate: \"fast\" {RATE}")]),
        (
            "rate: 0/1m",
            &["18: limit.rate: \"0/1m\" is out of bounds: use 1 to 10000000 requests"],
        ),
        (
            "rate: 100000/25h",
            &["18: limit.rate: \"100000/25h\" is out of bounds: use a time from 1ms to 24h"],
        ),
        (
            "rate: 1/2h",
            &["18: limit.rate: \"1/2h\" is out of bounds: use one an hour to 10000000 a second"],
        ),
        (
            "rate: 5/s, burst: 0",
            &["30: limit.burst: 0 is out of bounds: use 1 to 10000000"],
        ),
        (
            "rate: 5/s, burst: -1",
            &["30: limit.burst: -1 is out of bounds: use 1 to 10000000"],
        ),
        (
            "rate: 5/s, burst: 10000001",
            &["30: limit.burst: 10000001 is out of bounds: use 1 to 10000000"],
        ),
        (
            "rate: 5/s, burst: 1.5",
            &["30: limit.burst: expected a whole number from 1 to 10000000, found the number 1.5"],
        ),
        (
            "rate: 5/s, burst: some",
            &["30: limit.burst: expected a whole number from 1 to 10000000, found text \"some\""],
        ),
        (
            "rate: 1/h, burst: 1001",
            &[
                "30: limit.burst: 1001 is out of bounds: use 1 to 1000, which this rate brings back within 1000h",
            ],
        ),
        (
            "max_in_flight: 0",
            &["27: limit.max_in_flight: 0 is out of bounds: use 1 to 1000000"],
        ),
        (
            "max_in_flight: -7",
            &["27: limit.max_in_flight: -7 is out of bounds: use 1 to 1000000"],
        ),
        (
            "max_in_flight: 1000001",
            &["27: limit.max_in_flight: 1000001 is out of bounds: use 1 to 1000000"],
        ),
        (
            "max_in_flight: 0.5",
            &[
                "27: limit.max_in_flight: expected a whole number from 1 to 1000000, or auto, found the number 0.5",
            ],
        ),
        (
            "max_in_flight: many",
            &[
                "27: limit.max_in_flight: expected a whole number from 1 to 1000000, or auto, found text \"many\"",
            ],
        ),
        (
            "max_in_flight: 5, queue: { size: 0, wait: 61s }",
            &[
                "45: limit.queue.size: 0 is out of bounds: use 1 to 100000",
                "54: limit.queue.wait: 61s is out of bounds: use 1ms to 1m",
            ],
        ),
        (
            "max_in_flight: 5, queue: { size: 100001, wait: 1s }",
            &["45: limit.queue.size: 100001 is out of bounds: use 1 to 100000"],
        ),
        (
            "max_in_flight: 5, queue: { size: 1, wait: 0s }",
            &[
                "54: limit.queue.wait: \"0s\" is no duration: write a number and one of ms, s, m, h, from \"1ms\" to \"1m\"",
            ],
        ),
        (
            "max_in_flight: 5, queue: { wait: 1s }",
            &["37: limit.queue: \"size\" is missing"],
        ),
        (
            "max_in_flight: 5, queue: { size: 1 }",
            &["37: limit.queue: \"wait\" is missing"],
        ),
        (
            "max_in_flight: 5, queue: 100",
            &["37: limit.queue: expected a mapping, found the number 100"],
        ),
    ];
    for kind in Kind::ALL {
        for (limit, expected) in cases {
            assert_limit(kind, limit, expected);
        }
    }
}

#[test]
fn what_does_not_go_together_is_found_wherever_a_limit_stands() {
    let cases: &[(&str, &[&str])] = &[
        (
            "requests_per_second: 5, rate: 5/s",
            &["42: limit.rate: the rate is given twice: leave \"requests_per_second\" or \"rate\" out"],
        ),
        (
            "burst: 5",
            &[
                "19: limit.burst: a burst needs a rate: add \"requests_per_second\" or \"rate\", or leave \"burst\" out",
            ],
        ),
        (
            "max_in_flight: 5, burst: 5",
            &[
                "37: limit.burst: a burst needs a rate: add \"requests_per_second\" or \"rate\", or leave \"burst\" out",
            ],
        ),
        (
            "requests_per_second: 5, queue: { size: 1, wait: 1s }",
            &["43: limit.queue: a queue needs \"max_in_flight\" to wait for: add it, or leave \"queue\" out"],
        ),
        (
            "",
            &[
                "10: limit: the limit limits nothing: add \"requests_per_second\", \"rate\" or \"max_in_flight\", or leave it out",
            ],
        ),
        (
            "mode: shadow",
            &[
                "10: limit: the limit limits nothing: add \"requests_per_second\", \"rate\" or \"max_in_flight\", or leave it out",
            ],
        ),
        (
            "rate: 5/s, mode: shadwo",
            &["29: limit.mode: unknown value \"shadwo\"; did you mean \"shadow\"? allowed: enforce, shadow"],
        ),
        (
            "rate: 5/s, max_qps: 3",
            &[
                "23: limit.max_qps: unknown key \"max_qps\"; allowed: requests_per_second, rate, burst, max_in_flight, queue, mode, key, missing",
            ],
        ),
    ];
    for kind in Kind::ALL {
        for (limit, expected) in cases {
            assert_limit(kind, limit, expected);
        }
    }
}

#[test]
fn what_only_some_limits_have_is_refused_elsewhere() {
    for kind in [Kind::Server, Kind::Cluster] {
        let one = kind.singular();
        assert_limit(
            kind,
            "rate: 5/s, key: client_ip, missing: share",
            &[
                &format!(
                    "28: limit.key: only a route's limit or an aggregation's has \"key\", this is a {one}'s: leave it out"
                ),
                &format!(
                    "48: limit.missing: only a route's limit or an aggregation's has \"missing\", this is a {one}'s: leave it out"
                ),
            ],
        );
    }
    for (kind, one) in [
        (Kind::Server, "a server"),
        (Kind::Route, "a route"),
        (Kind::Aggregation, "an aggregation"),
    ] {
        assert_limit(
            kind,
            "max_in_flight: auto",
            &[&format!(
                "27: limit.max_in_flight: only a cluster's limit can be \"auto\", this is {one}'s: use 1 to 1000000"
            )],
        );
    }
}

#[test]
fn every_fault_of_a_key_is_found_where_it_stands() {
    let key = "use header.NAME, cookie.NAME, query.NAME, param.NAME, path, host or client_ip";
    let cases: &[(&str, &[&str])] = &[
        (
            "rate: 5/s, missing: share",
            &[
                "32: limit.missing: there is no \"key\" that could be missing: add one, or leave \"missing\" out",
            ],
        ),
        (
            "rate: 5/s, key: client_ip, missing: deny",
            &["48: limit.missing: unknown value \"deny\"; allowed: admit, share, refuse"],
        ),
        (
            "max_in_flight: 5, key: client_ip, queue: { size: 1, wait: 1s }",
            &["53: limit.queue: a limit with a \"key\" has no queue: leave \"queue\" or \"key\" out"],
        ),
        (
            "rate: 5/s, key: body.user",
            &[&format!("28: limit.key: \"body.user\" cannot be a key: {key}")],
        ),
        (
            "rate: 5/s, key: [client_ip, node.a]",
            &[&format!("40: limit.key[1]: \"node.a\" cannot be a key: {key}")],
        ),
        (
            "rate: 5/s, key: []",
            &["28: limit.key: a key of 0 values: name 1 to 4, as in [client_ip, header.x-tenant]"],
        ),
        (
            "rate: 5/s, key: [host, path, query.a, query.b, query.c]",
            &["28: limit.key: a key of 5 values: name 1 to 4, as in [client_ip, header.x-tenant]"],
        ),
        (
            "rate: 5/s, key: 7",
            &[
                "28: limit.key: expected a value of the request as in client_ip, or a list of 1 to 4 of them, found the number 7",
            ],
        ),
        (
            "rate: 5/s, key: param.id",
            &["28: limit.key: there is no parameter \"id\"; the path has no parameters"],
        ),
        (
            "rate: 5/s, key: [client_ip, param.id]",
            &["40: limit.key[1]: there is no parameter \"id\"; the path has no parameters"],
        ),
    ];
    for (limit, expected) in cases {
        assert_limit(Kind::Route, limit, expected);
    }
}

#[test]
fn every_limit_that_makes_sense_is_taken() {
    let anywhere = [
        "requests_per_second: 0.5",
        "requests_per_second: 0.000278, burst: 1000",
        "requests_per_second: 10000000, burst: 10000000, max_in_flight: 1000000",
        "rate: 1/1h, burst: 1000, mode: enforce",
        "rate: 10000/ms, mode: shadow",
        "max_in_flight: 1, queue: { size: 100000, wait: 1m }",
        "max_in_flight: 1, queue: { size: 1, wait: 1ms }, rate: 5/s",
    ];
    for kind in Kind::ALL {
        anywhere.iter().for_each(|limit| assert_limit(kind, limit, &[]));
    }
    assert_limit(
        Kind::Cluster,
        "max_in_flight: auto, queue: { size: 5, wait: 1s }",
        &[],
    );
    for limit in [
        "rate: 5/s, key: client_ip",
        "rate: 5/s, key: [client_ip], missing: admit",
        "max_in_flight: 5, key: [method, scheme, query, cookie.user], missing: refuse",
    ] {
        assert_limit(Kind::Route, limit, &[]);
        assert_limit(Kind::Aggregation, limit, &[]);
    }
}

#[test]
fn a_parameter_of_the_path_can_be_a_key() {
    for kind in [Kind::Route, Kind::Aggregation] {
        let lines = [
            needed(kind),
            "match: { path: '/{tenant}/*' }",
            "limit: { rate: 5/s, key: [param.tenant, client_ip] }",
        ];
        assert_found(kind, &lines, &[]);
    }
}

#[test]
fn the_limit_of_a_proxy_has_neither_key_nor_auto() {
    let limit = |text: &str| serde_json::from_str(text).unwrap();
    let found = |text: &str| -> Vec<(String, String)> {
        let flaws = limit_of_proxy(&limit(text)).into_iter();
        flaws.map(|flaw| (flaw.pointer, flaw.message)).collect()
    };
    let expected = [
        (
            "/key",
            "only a route's limit or an aggregation's has \"key\", this is a proxy's: leave it out",
        ),
        (
            "/max_in_flight",
            "only a cluster's limit can be \"auto\", this is a proxy's: use 1 to 1000000",
        ),
    ]
    .map(|(pointer, message)| (pointer.to_owned(), message.to_owned()));
    assert_eq!(
        found(r#"{"max_in_flight": "auto", "key": "client_ip"}"#),
        expected
    );
    assert_eq!(found("{}").len(), 1);
    assert_eq!(
        found(r#"{"rate": "5/s", "max_in_flight": 5, "queue": {"size": 1, "wait": "1s"}}"#),
        []
    );
}
