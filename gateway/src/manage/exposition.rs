//! What servers, clusters and routes count themselves, as text for Prometheus.

use std::fmt::Write;

use meta::model::Kind;

use crate::{
    aggregate::{NodeCounts, Room},
    breaker::{BreakerStatus, Condition},
    clock::Moment,
    cluster::ServerStatus,
    limiter::LimitStatus,
    live::Live,
    metrics::family,
    share::Answers,
    snapshot::{ClusterStatus, RouteStatus},
};

/// Who has limits and breakers: their label, their id and how they stand.
struct Protected<'s> {
    label: &'static str,
    all: Vec<(&'s str, Option<&'s LimitStatus>, Option<&'s BreakerStatus>)>,
}

/// Writes everything.
pub(super) fn write(out: &mut String, live: &Live) {
    let now = Moment::now();
    let (servers, clusters) = (live.servers(), live.clusters(now));
    let routes = live.routes(Kind::Route, now);
    let aggregations = live.routes(Kind::Aggregation, now);
    write_servers(out, &servers);
    let all = [
        of_servers(&servers),
        of_clusters(&clusters),
        of_routes("route", &routes),
        of_routes("aggregation", &aggregations),
    ];
    for protected in all {
        write_refusals(out, &protected);
        if protected.label != "cluster" {
            write_breakers(out, &protected);
        }
    }
    let _ = writeln!(out, "# TYPE gateway_cluster_max_in_flight gauge");
    for cluster in &clusters {
        if let Some(most) = cluster.limit.as_ref().and_then(|limit| limit.max_in_flight) {
            let _ = writeln!(
                out,
                "gateway_cluster_max_in_flight{{cluster=\"{}\"}} {most}",
                cluster.id
            );
        }
    }
}

/// Writes how the nodes of aggregations fared, and what all of them hold.
pub(super) fn write_aggregations(out: &mut String, live: &Live, room: &Room) {
    let (calls, bytes) = room.taken();
    let _ = writeln!(
        out,
        "# TYPE gateway_aggregation_calls_in_flight gauge\ngateway_aggregation_calls_in_flight {calls}\n\
         # TYPE gateway_aggregation_held_bytes gauge\ngateway_aggregation_held_bytes {bytes}"
    );
    let nodes = live.nodes();
    let mut write = |name: &str, help: &str, of: &dyn Fn(&NodeCounts) -> Vec<(&'static str, String)>| {
        family(out, name, help);
        for node in &nodes {
            for (result, count) in of(node) {
                let _ = writeln!(
                    out,
                    "{name}{{aggregation=\"{}\",node=\"{}\"{result}}} {count}",
                    node.aggregation, node.node
                );
            }
        }
    };
    write(
        "gateway_node_calls_total",
        "Calls of aggregations' nodes, by what came of them.",
        &|node| {
            vec![
                (",result=\"answered\"", node.answered.to_string()),
                (",result=\"failed\"", node.failed.to_string()),
                (",result=\"skipped\"", node.skipped.to_string()),
            ]
        },
    );
    write(
        "gateway_node_call_seconds_total",
        "How long they took, all together.",
        &|node| vec![("", (node.micros as f64 / 1e6).to_string())],
    );
    write(
        "gateway_node_hedges_total",
        "Second calls to another server, since the first took long.",
        &|node| vec![("", node.hedged.to_string())],
    );
}

/// Writes what the cache holds and how often it had what was asked for.
pub(super) fn write_cache(out: &mut String, answers: &Answers) {
    for (name, value) in [
        ("gateway_cache_bytes", answers.bytes()),
        ("gateway_cache_entries", answers.entries()),
    ] {
        let _ = writeln!(out, "# TYPE {name} gauge\n{name} {value}");
    }
    let name = "gateway_cache_lookups_total";
    family(
        out,
        name,
        "Answers looked for in the cache, by what was there; the share of hits is the hit ratio.",
    );
    for (result, count) in [
        ("hit", answers.hits()),
        ("stale", answers.stale_hits()),
        ("miss", answers.misses()),
    ] {
        let _ = writeln!(out, "{name}{{result=\"{result}\"}} {count}");
    }
}

fn of_servers<'s>(servers: &'s [ServerStatus]) -> Protected<'s> {
    let one = |server: &'s ServerStatus| (server.id.as_str(), Some(&server.limit), Some(&server.breaker));
    Protected {
        label: "server",
        all: servers.iter().map(one).collect(),
    }
}

fn of_clusters<'s>(clusters: &'s [ClusterStatus]) -> Protected<'s> {
    let one = |cluster: &'s ClusterStatus| (cluster.id.as_str(), cluster.limit.as_ref(), None);
    Protected {
        label: "cluster",
        all: clusters.iter().map(one).collect(),
    }
}

fn of_routes<'s>(label: &'static str, routes: &'s [RouteStatus]) -> Protected<'s> {
    let one = |route: &'s RouteStatus| (route.id.as_str(), route.limit.as_ref(), route.breaker.as_ref());
    Protected {
        label,
        all: routes.iter().map(one).collect(),
    }
}

fn write_servers(out: &mut String, servers: &[ServerStatus]) {
    family(
        out,
        "gateway_server_requests_total",
        "Requests sent to servers, by result.",
    );
    for server in servers {
        let results = [
            ("success", server.successes),
            ("failure", server.failures),
            ("cancelled", server.cancelled),
        ];
        for (result, count) in results {
            let _ = writeln!(
                out,
                "gateway_server_requests_total{{server=\"{}\",result=\"{result}\"}} {count}",
                server.id
            );
        }
    }
    let _ = writeln!(out, "# TYPE gateway_server_requests_in_flight gauge");
    for server in servers {
        let _ = writeln!(
            out,
            "gateway_server_requests_in_flight{{server=\"{}\"}} {}",
            server.id, server.in_flight
        );
    }
    let _ = writeln!(out, "# TYPE gateway_server_usable gauge");
    for server in servers {
        let _ = writeln!(
            out,
            "gateway_server_usable{{server=\"{}\"}} {}",
            server.id,
            u64::from(server.usable)
        );
    }
}

fn write_refusals(out: &mut String, Protected { label, all }: &Protected<'_>) {
    let name = format!("gateway_{label}_refusals_total");
    family(
        out,
        &name,
        "Requests that a limit or a breaker refused, by which of them.",
    );
    for (id, limit, breaker) in all {
        if let Some(limit) = limit {
            let _ = writeln!(
                out,
                "{name}{{{label}=\"{id}\",refusal=\"rate_limited\"}} {}",
                limit.refused
            );
        }
        if let Some(breaker) = breaker {
            let _ = writeln!(
                out,
                "{name}{{{label}=\"{id}\",refusal=\"breaker\"}} {}",
                breaker.refused
            );
        }
    }
    let name = format!("gateway_{label}_shadow_refusals_total");
    family(
        out,
        &name,
        "Requests that a limit in shadow mode would have refused.",
    );
    for (id, limit, _) in all {
        if let Some(limit) = limit {
            let _ = writeln!(out, "{name}{{{label}=\"{id}\"}} {}", limit.shadowed);
        }
    }
}

fn write_breakers(out: &mut String, Protected { label, all }: &Protected<'_>) {
    let breakers = || all.iter().filter_map(|(id, _, breaker)| Some((id, (*breaker)?)));
    let name = format!("gateway_{label}_breaker_state");
    let _ = writeln!(
        out,
        "# HELP {name} 1 for the state the breaker is in.\n# TYPE {name} gauge"
    );
    for (id, breaker) in breakers() {
        for state in Condition::ALL {
            let is = u64::from(breaker.state == state);
            let _ = writeln!(out, "{name}{{{label}=\"{id}\",state=\"{state}\"}} {is}");
        }
    }
    let name = format!("gateway_{label}_breaker_transitions_total");
    family(out, &name, "How often the breaker came to be in a state.");
    for (id, breaker) in breakers() {
        for (state, count) in breaker.transitions {
            let _ = writeln!(out, "{name}{{{label}=\"{id}\",state=\"{state}\"}} {count}");
        }
    }
}
