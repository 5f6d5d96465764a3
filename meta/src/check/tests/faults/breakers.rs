//! Every fault of a breaker by itself.

use super::*;

/// What is said of `breaker: { … }` in the fifth line; what is expected begins with the column.
fn assert_breaker(kind: Kind, breaker: &str, expected: &[&str]) {
    let needed = match kind {
        Kind::Server => "address: 127.0.0.1:1",
        Kind::Cluster => "servers: [users-1]",
        Kind::Route => "to: [{ cluster: users }]",
        Kind::Aggregation => "nodes: [{ name: user, cluster: users, url: / }]",
    };
    let line = format!("breaker: {{ {breaker} }}");
    let expected: Vec<String> = expected
        .iter()
        .map(|problem| {
            let (column, rest) = problem.split_once(": ").unwrap();
            match rest.strip_prefix("warning: ") {
                Some(rest) => format!("5:{column}: warning: {kind}/x: breaker.{rest}"),
                None => format!("5:{column}: {kind}/x: breaker.{rest}"),
            }
        })
        .collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_found(kind, &[needed, &line], &expected);
}

#[test]
fn every_number_of_a_breaker_has_its_range() {
    for (member, least, most) in [
        ("consecutive_failures", 1, 1000),
        ("failure_percent", 1, 100),
        ("probe_percent", 1, 100),
        ("max_probes", 1, 1000),
        ("probe_successes", 1, 1000),
    ] {
        let column = 14 + member.len() + 2;
        for outside in [least - 1, most + 1, -1] {
            let expected = format!("{column}: {member}: {outside} is out of bounds: use {least} to {most}");
            assert_breaker(Kind::Server, &format!("{member}: {outside}"), &[&expected]);
        }
        let expected =
            format!("{column}: {member}: expected a whole number from {least} to {most}, found text \"x\"");
        assert_breaker(Kind::Server, &format!("{member}: x"), &[&expected]);
        for inside in [least, most] {
            assert_breaker(Kind::Server, &format!("{member}: {inside}"), &[]);
        }
    }
    assert_breaker(
        Kind::Route,
        "min_requests: 1000001",
        &["28: min_requests: 1000001 is out of bounds: use 1 to 1000000"],
    );
    assert_breaker(
        Kind::Cluster,
        "slow_call: 1s, slow_percent: 0, max_rejecting_percent: 101",
        &[
            "43: slow_percent: 0 is out of bounds: use 1 to 100",
            "69: max_rejecting_percent: 101 is out of bounds: use 1 to 100",
        ],
    );
}

#[test]
fn every_time_of_a_breaker_has_its_range() {
    for (member, below, least, most, above) in [
        ("window", "99ms", "100ms", "5m", "301s"),
        ("slow_call", "", "1ms", "10m", "601s"),
        ("rejecting_for", "99ms", "100ms", "1h", "61m"),
        ("max_rejecting_for", "99ms", "100ms", "24h", "25h"),
        ("ramp", "99ms", "100ms", "10m", "601s"),
    ] {
        let column = 14 + member.len() + 2;
        for outside in [below, above].into_iter().filter(|text| !text.is_empty()) {
            let expected = format!("{column}: {member}: {outside} is out of bounds: use {least} to {most}");
            assert_breaker(Kind::Server, &format!("{member}: {outside}"), &[&expected]);
        }
        let expected = format!(
            "{column}: {member}: \"0s\" is no duration: write a number and one of ms, s, m, h, from \"{least}\" to \"{most}\""
        );
        assert_breaker(Kind::Server, &format!("{member}: 0s"), &[&expected]);
        let expected = format!(
            "{column}: {member}: expected a duration from \"{least}\" to \"{most}\", found the number 10"
        );
        assert_breaker(Kind::Server, &format!("{member}: 10"), &[&expected]);
    }
}

#[test]
fn every_fault_of_a_breaker_is_found_where_it_stands() {
    let cases: &[(&str, &[&str])] = &[
        (
            "failure_status: []",
            &[
                "30: failure_status: no status would be a failure: name at least one, or leave \"failure_status\" out for 500, 502, 503 and 504",
            ],
        ),
        (
            "failure_status: [500, 399, 600, ok]",
            &[
                "36: failure_status[1]: 399 is out of bounds: use 400 to 599",
                "41: failure_status[2]: 600 is out of bounds: use 400 to 599",
                "46: failure_status[3]: expected a whole number from 400 to 599, found text \"ok\"",
            ],
        ),
        (
            "slow_percent: 50",
            &[
                "28: slow_percent: slow_percent needs to know what is slow: add \"slow_call\", or leave it out",
            ],
        ),
        (
            "max_rejecting_for: 9s",
            &["33: max_rejecting_for: 9s is out of bounds: use rejecting_for (10s) to 24h"],
        ),
        (
            "rejecting_for: 1m, max_rejecting_for: 59s",
            &["52: max_rejecting_for: 59s is out of bounds: use rejecting_for (1m) to 24h"],
        ),
        (
            "failures: 5",
            &[
                "14: failures: unknown key \"failures\"; allowed: consecutive_failures, failure_percent, min_requests, window, \
                slow_call, slow_percent, failure_status, rejecting_for, max_rejecting_for, probe_percent, max_probes, \
                probe_successes, ramp, max_rejecting_percent",
            ],
        ),
        (
            "consecutive_failures: 3, min_requests: 10",
            &[
                "53: warning: min_requests: it makes no difference: it is for \"failure_percent\" and \"slow_call\", and neither is named",
            ],
        ),
        (
            "failure_status: [], slow_percent: 5, max_rejecting_for: 100ms",
            &[
                "30: failure_status: no status would be a failure: name at least one, or leave \"failure_status\" out for 500, 502, 503 and 504",
                "48: slow_percent: slow_percent needs to know what is slow: add \"slow_call\", or leave it out",
                "70: max_rejecting_for: 100ms is out of bounds: use rejecting_for (10s) to 24h",
            ],
        ),
    ];
    for kind in Kind::ALL {
        for (breaker, expected) in cases {
            assert_breaker(kind, breaker, expected);
        }
    }
}

#[test]
fn only_a_cluster_says_how_many_of_its_servers_may_be_rejecting() {
    let elsewhere = "37: max_rejecting_percent: only a cluster's breaker has \"max_rejecting_percent\": say it there, or leave it out";
    assert_breaker(Kind::Server, "max_rejecting_percent: 50", &[elsewhere]);
    assert_breaker(Kind::Route, "max_rejecting_percent: 50", &[elsewhere]);
    assert_breaker(Kind::Aggregation, "max_rejecting_percent: 50", &[elsewhere]);
    assert_breaker(Kind::Cluster, "max_rejecting_percent: 50", &[]);
}

#[test]
fn every_breaker_that_makes_sense_is_taken() {
    for kind in Kind::ALL {
        for breaker in [
            "",
            "min_requests: 1",
            "consecutive_failures: 1",
            "failure_percent: 1, min_requests: 1000000, window: 100ms",
            "slow_call: 1ms, min_requests: 1",
            "rejecting_for: 1h",
            "rejecting_for: 1h, max_rejecting_for: 1h",
            "max_rejecting_for: 10s, ramp: 10m, failure_status: [400, 599]",
        ] {
            assert_breaker(kind, breaker, &[]);
        }
    }
}
