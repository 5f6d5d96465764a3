//! The objects our gateway serves: servers, clusters, routes, aggregations.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::backend::Addresses;
use crate::parts::{NAMES, Size};
use crate::scenario::{ROUTES, Scenario};
use crate::target::Target;

/// The configuration of one of ours.
pub(crate) fn of(target: Target, scenario: Scenario, backend: &Addresses) -> String {
    match (target, scenario) {
        (Target::Ours10k, _) => many_routes(backend),
        (Target::Guarded, _) => guarded_route(backend),
        (Target::OursForward, _) => one_route(backend),
        (_, Scenario::Aggregate) => aggregation(backend, Size::Small),
        (_, Scenario::Aggregate18k) => aggregation(backend, Size::Big),
        (_, Scenario::Hedge) => hedged(backend),
        (_, Scenario::Isolation) => quick_and_slow(backend),
        _ => one_route(backend),
    }
}

/// Two clusters with everything a production cluster has: check, timeouts, retries.
fn clusters(backend: &Addresses) -> String {
    let (first, second) = (&[backend.first], &[backend.second]);
    objects(&[("first", first, CHECK), ("second", second, CHECK)])
}

const CHECK: &str = "{ path: /health, interval: 5s, timeout: 1s }";
/// Those that answer late shall be healthy all the same.
const PATIENT_CHECK: &str = "{ type: tcp, interval: 5s, timeout: 1s }";

/// Clusters with these names, the addresses of their servers, and the check of those.
fn objects(clusters: &[(&str, &[SocketAddr], &str)]) -> String {
    let mut servers = "servers:\n".to_owned();
    let mut yaml = "clusters:\n".to_owned();
    for (cluster, addresses, check) in clusters {
        let mut names = Vec::new();
        for (number, address) in addresses.iter().enumerate() {
            let name = match number {
                0 => (*cluster).to_owned(),
                _ => format!("{cluster}-{number}"),
            };
            let _ = writeln!(
                servers,
                "- {{ id: {name}, address: \"{address}\", health_check: {check} }}"
            );
            names.push(name);
        }
        let _ = writeln!(
            yaml,
            "- id: {cluster}\n  servers: [{}]\n  timeout: {{ connect: 1s, first_byte: 10s, idle: 60s, total: 30s }}\n  \
             retry: {{ attempts: 2, on: [connect, timeout, 502, 503, 504], budget_percent: 20 }}",
            names.join(", ")
        );
    }
    servers + &yaml
}

fn one_route(backend: &Addresses) -> String {
    clusters(backend) + ALL
}

const ALL: &str = "routes:\n- { id: all, match: { path: \"/*\" }, to: [ { cluster: first } ] }\n";

/// Everything that can refuse stands in the way, and none of it does.
fn guarded_route(backend: &Addresses) -> String {
    let limit = "{ requests_per_second: 1000000, burst: 1000000, max_in_flight: 100000 }";
    let breaker = "{ consecutive_failures: 5, failure_percent: 50, slow_call: 2s }";
    let yaml = clusters(backend)
        .replace(
            "- { id: first, ",
            &format!("- {{ id: first, limit: {limit}, breaker: {breaker}, "),
        )
        .replace("- id: first\n", &format!("- id: first\n  limit: {limit}\n"));
    let keyed = limit.replace("{ ", "{ key: client_ip, ");
    format!(
        "{yaml}routes:\n- {{ id: all, match: {{ path: \"/*\" }}, to: [ {{ cluster: first }} ], limit: {keyed}, breaker: {breaker} }}\n"
    )
}

fn many_routes(backend: &Addresses) -> String {
    let mut yaml = clusters(backend) + "routes:\n";
    for number in 0..ROUTES {
        let _ = writeln!(
            yaml,
            "- id: service-{number}\n  match:\n    path: /service-{number}/*\n    \
             when: header.x-version >= 2 && cookie.group == \"b\" || query.beta ~ \"^1$\"\n  \
             to: [ {{ cluster: first, weight: 90 }}, {{ cluster: second, weight: 10 }} ]"
        );
    }
    yaml
}

/// Three services, each a cluster of its own, as one page.
fn aggregation(backend: &Addresses, size: Size) -> String {
    let first: &[SocketAddr] = &[backend.first];
    let suffix = size.suffix();
    let clusters = NAMES.map(|name| (name, first, CHECK));
    let nodes = NAMES.map(|name| {
        format!("  - {{ name: {name}, cluster: {name}, url: \"/parts/{{param.id}}/{name}{suffix}\" }}\n")
    });
    format!(
        "{}aggregations:\n- id: home\n  match: {{ path: \"/home{suffix}/{{id}}\" }}\n  timeout: 10s\n  nodes:\n{}",
        objects(&clusters),
        nodes.concat()
    )
}

/// The same two calls under a path for each kind of hedging.
fn hedged(backend: &Addresses) -> String {
    let replicas = objects(&[
        ("first", &[backend.first], CHECK),
        (REPLICATED, &backend.replicas, PATIENT_CHECK),
    ]);
    let mut yaml = format!("{replicas}  load_balance: least_request\n{ALL}aggregations:\n");
    for (id, hedge) in HEDGES {
        let _ = writeln!(
            yaml,
            "- id: {id}\n  match: {{ path: \"/{id}/{{id}}\" }}\n  nodes:"
        );
        for name in &NAMES[..2] {
            let url = format!("/parts/{{param.id}}/{name}");
            let _ = writeln!(
                yaml,
                "  - {{ name: {name}, cluster: {REPLICATED}, url: \"{url}\"{hedge} }}"
            );
        }
    }
    yaml
}

/// The cluster whose last server is slow.
pub(crate) const REPLICATED: &str = "replicas";
/// Aggregations by name, and what is said of hedging in each.
pub(crate) const HEDGES: [(&str, &str); 3] = [
    ("plain", ""),
    ("p95", ", hedge: { after: p95, budget_percent: 5 }"),
    ("10ms", ", hedge: { after: 10ms, budget_percent: 5 }"),
];

/// Three calls to services that answer at once under `/quick`, to some that take 5 ms under `/ordinary`, and under `/slow` two of the
/// first and one that takes a second.
fn quick_and_slow(backend: &Addresses) -> String {
    let clusters = objects(&[
        ("first", &[backend.first], CHECK),
        ("ordinary", &[backend.ordinary], CHECK),
        ("slow", &[backend.slow], PATIENT_CHECK),
    ]);
    let mut yaml = format!("{clusters}{ALL}aggregations:\n");
    for (id, called) in [
        ("quick", ["first"; 3]),
        ("ordinary", ["ordinary"; 3]),
        ("slow", ["first", "first", "slow"]),
    ] {
        let _ = writeln!(
            yaml,
            "- id: {id}\n  match: {{ path: \"/{id}/{{id}}\" }}\n  nodes:"
        );
        for (name, cluster) in NAMES.iter().zip(called) {
            let url = format!("/parts/{{param.id}}/{name}");
            let _ = writeln!(yaml, "  - {{ name: {name}, cluster: {cluster}, url: \"{url}\" }}");
        }
    }
    yaml
}
