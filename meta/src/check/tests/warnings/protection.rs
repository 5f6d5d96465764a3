//! Limits and breakers that do nothing, or not what was meant.

use super::*;

/// The problems of these objects; each of `servers`, `clusters`, `routes` is a list in its own line, in that order.
fn of(servers: &str, clusters: &str, routes: &str) -> Vec<String> {
    let report = first(&format!(
        "servers: [{servers}]\nclusters: [{clusters}]\nroutes: [{routes}]\n"
    ));
    assert!(!report.has_errors(), "{:?}", problems(&report));
    problems(&report)
}

const S: &str = "{ id: s, address: 127.0.0.1:1 }";
const C: &str = "{ id: c, servers: [s] }";
const R: &str = "{ id: r, to: [{ cluster: c }] }";

#[test]
fn a_call_that_is_a_timeout_before_it_is_slow_is_warned_of_at_the_cluster() {
    for (timeout, slow_call, said) in [
        (
            "first_byte: 2s",
            "2s",
            Some("first_byte of the cluster \"c\" is 2s"),
        ),
        ("first_byte: 2s", "1999ms", None),
        (
            "total: 3s, first_byte: 3s",
            "3s",
            Some("first_byte of the cluster \"c\" is 3s"),
        ),
        ("total: 3s", "3s", Some("total of the cluster \"c\" is 3s")),
        ("total: 3s", "2s", None),
        (
            "connect: 1s",
            "30s",
            Some("first_byte of the cluster \"c\" is 30s"),
        ),
        ("connect: 1s", "29s", None),
    ] {
        let cluster = format!(
            "{{ id: c, servers: [s], breaker: {{ slow_call: {slow_call} }}, timeout: {{ {timeout} }} }}"
        );
        let expected: Vec<String> = said
            .iter()
            .map(|said| {
                format!("2:57: warning: clusters/c: breaker.slow_call: a call is a timeout before it is slow: {said}")
            })
            .collect();
        assert_eq!(of(S, &cluster, R), expected, "{timeout} {slow_call}");
    }
}

#[test]
fn a_slow_call_of_a_server_or_a_route_is_warned_of_only_if_no_cluster_waits_so_long() {
    let clusters = |patient: &str| {
        format!(
            "{{ id: a, servers: [s], timeout: {{ first_byte: 5s }} }}, {{ id: b, servers: [s], timeout: {{ first_byte: {patient} }} }}"
        )
    };
    let server = "{ id: s, address: 127.0.0.1:1, breaker: { slow_call: 10s } }";
    let both = "{ id: r, to: [{ cluster: a }, { cluster: b }] }";
    let expected = [
        "1:64: warning: servers/s: breaker.slow_call: a call is a timeout before it is slow: first_byte of the cluster \"a\" is 5s",
    ];
    assert_eq!(of(server, &clusters("10s"), both), expected);
    assert_eq!(of(server, &clusters("11s"), both), [""; 0]);

    let route = "{ id: r, breaker: { slow_call: 10s }, to: [{ cluster: b }, { cluster: a }] }";
    let expected = [
        "3:41: warning: routes/r: breaker.slow_call: a call is a timeout before it is slow: first_byte of the cluster \"b\" is 9s",
    ];
    assert_eq!(of(S, &clusters("9s"), route), expected);
    assert_eq!(of(S, &clusters("11s"), route), [""; 0]);
}

#[test]
fn a_slow_call_of_what_has_no_cluster_is_not_warned_of() {
    let route = "{ id: r, breaker: { slow_call: 10m }, filters: [{ reply: {} }] }";
    assert_eq!(of("", "", route), [""; 0]);
    let unused = ["1:11: warning: servers/s: no cluster uses this server"];
    assert_eq!(
        of(
            "{ id: s, address: 127.0.0.1:1, breaker: { slow_call: 10m } }",
            "",
            ""
        ),
        unused
    );
}

#[test]
fn a_server_that_two_clusters_give_different_breakers_is_told_which_one_decides() {
    let of = |server: &str, a: &str, b: &str| {
        let clusters = format!("{{ id: b, servers: [s], {b} }}, {{ id: a, servers: [t, s], {a} }}");
        let servers =
            format!("{{ id: s, address: 127.0.0.1:1, {server} }}, {{ id: t, address: 127.0.0.1:2 }}");
        of(
            &servers,
            &clusters,
            "{ id: r, to: [{ cluster: a }, { cluster: b }] }",
        )
    };
    let expected = [
        "1:11: warning: servers/s: the clusters \"a\" and \"b\" have different breakers: that of \"a\" decides about this server; give it a breaker of its own",
    ];
    for (a, b) in [
        ("breaker: { window: 5s }", "breaker: {}"),
        ("breaker: {}", "breaker: { failure_status: [500] }"),
        ("breaker: { consecutive_failures: 5 }", "breaker: {}"),
    ] {
        assert_eq!(of("weight: 1", a, b), expected, "{a} {b}");
        assert_eq!(of("breaker: {}", a, b), [""; 0], "{a} {b}");
    }
    for (a, b) in [
        ("breaker: {}", "enabled: true"),
        ("breaker: {}", "breaker: {}"),
        (
            "breaker: {}",
            "breaker: { consecutive_failures: 5, failure_percent: 50, window: 10s }",
        ),
        (
            "breaker: { failure_status: [503, 500] }",
            "breaker: { failure_status: [500, 503] }",
        ),
        // Of the cluster, not of the server.
        (
            "breaker: { max_rejecting_percent: 10 }",
            "breaker: { max_rejecting_percent: 90 }",
        ),
    ] {
        assert_eq!(of("weight: 1", a, b), [""; 0], "{a} {b}");
    }
}

#[test]
fn a_priority_class_that_no_cluster_of_the_route_asks_for_is_warned_of() {
    let expected = [
        "3:35: warning: routes/r: priority_class: it makes no difference: none of the route's clusters has a limit with max_in_flight: auto",
    ];
    let auto = "{ id: c, servers: [s], limit: { max_in_flight: auto } }";
    let fixed = "{ id: c, servers: [s], limit: { max_in_flight: 100 } }";
    for class in ["critical", "sheddable"] {
        let route = format!("{{ id: r, priority_class: {class}, to: [{{ cluster: c }}] }}");
        assert_eq!(of(S, C, &route), expected);
        assert_eq!(of(S, fixed, &route), expected);
        assert_eq!(of(S, auto, &route), [""; 0]);
    }
    let normal = "{ id: r, priority_class: normal, to: [{ cluster: c }] }";
    assert_eq!(of(S, C, normal), [""; 0]);
}

#[test]
fn one_cluster_that_asks_is_enough_for_a_priority_class_unless_it_gets_only_copies() {
    let clusters = format!("{C}, {{ id: d, servers: [s], limit: {{ max_in_flight: auto }} }}");
    let split = "{ id: r, priority_class: critical, to: [{ cluster: c }, { cluster: d }] }";
    assert_eq!(of(S, &clusters, split), [""; 0]);
    let mirrored = "{ id: r, priority_class: critical, to: [{ cluster: c }], mirror: { cluster: d } }";
    assert_eq!(of(S, &clusters, mirrored).len(), 1);
}
