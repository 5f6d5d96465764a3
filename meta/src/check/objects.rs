//! What is wrong with one server or one cluster in itself, beyond what its types refuse.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use super::{Checked, Fault, breakers, endpoint::Endpoint, limits, limits::LimitOf};
use crate::{
    bounds::out_of_bounds,
    filters::FilterKinds,
    id::Id,
    model::{Cluster, HealthCheck, Kind, Probe, Retry, Server, Timeouts},
    timespan::Timespan,
};

pub(super) fn server(server: &Server, _: &FilterKinds) -> Vec<Fault> {
    let health = server.health_check.iter();
    health
        .flat_map(|check| health_check(check, "/health_check"))
        .chain(limits::limit(server.limit.as_ref(), LimitOf::Server))
        .chain(breakers::breaker(server.breaker.as_ref(), Kind::Server))
        .collect()
}

pub(super) fn cluster(cluster: &Cluster, _: &FilterKinds) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, binding) in cluster.servers.iter().enumerate() {
        if !seen.insert(&binding.id) {
            let twice = format!(
                "the server {:?} is bound twice: bind it once, with the weight it shall have",
                binding.id
            );
            faults.push(Fault::error(format!("/servers/{at}"), twice));
        }
    }
    if cluster.servers.is_empty() {
        faults.push(Fault::warning(
            "",
            "the cluster has no servers: it answers every request with 503",
        ));
    }
    faults.extend(
        cluster
            .health_check
            .iter()
            .flat_map(|check| health_check(check, "/health_check")),
    );
    faults.extend(cluster.retry.iter().flat_map(|rule| retry(rule, "/retry")));
    faults.extend(timeouts(&cluster.timeout));
    faults.extend(limits::limit(cluster.limit.as_ref(), LimitOf::Cluster));
    faults.extend(breakers::breaker(cluster.breaker.as_ref(), Kind::Cluster));
    faults.extend(breakers::slow_for(cluster.breaker.as_ref(), [cluster]));
    faults
}

/// A wait that can never come to its end, unless nobody asked for it.
fn timeouts(timeout: &Timeouts) -> Vec<Fault> {
    let unasked = Timeouts::default();
    let parts = [
        ("connect", timeout.connect, unasked.connect),
        ("first_byte", timeout.first_byte, unasked.first_byte),
        ("idle", timeout.idle, unasked.idle),
    ];
    let Some(total) = timeout.total else {
        return Vec::new();
    };
    parts
        .into_iter()
        .filter(|(_, part, unasked)| *part > total && part != unasked)
        .map(|(name, part, _)| {
            let message = format!("{name} ({part}) is longer than total ({total}): total ends it first");
            Fault::warning(format!("/timeout/{name}"), message)
        })
        .collect()
}

pub(super) fn retry(rule: &Retry, under: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !(1..=10).contains(&rule.attempts) {
        let message = format!("{} attempts: use 1 to 10, the first one included", rule.attempts);
        faults.push(Fault::error(format!("{under}/attempts"), message));
    }
    if rule.budget_percent > 100 {
        let message = format!("{} percent: use 0 to 100", rule.budget_percent);
        faults.push(Fault::error(format!("{under}/budget_percent"), message));
    }
    if rule.attempts == 1 {
        faults.push(Fault::warning(
            format!("{under}/attempts"),
            "one attempt is no retry: leave \"retry\" out",
        ));
    }
    faults
}

fn health_check(check: &HealthCheck, under: &str) -> Vec<Fault> {
    let members = match check.probe {
        Probe::Tcp => misplaced_in_tcp(check),
        Probe::Http => http_check(check),
    };
    let errors = members.into_iter().chain(beyond(check));
    let mut faults: Vec<Fault> = errors
        .map(|(member, message)| Fault::error(format!("{under}/{member}"), message))
        .collect();
    if check.timeout.get() > check.interval.get().max(Duration::from_millis(100)) {
        let message = format!(
            "the timeout ({}) is longer than the interval ({})",
            check.timeout, check.interval
        );
        faults.push(Fault::warning(format!("{under}/timeout"), message));
    }
    faults
}

/// A member of a health check, and what is wrong with it.
type Wrong = (String, String);

/// What a check that only connects cannot have.
fn misplaced_in_tcp(check: &HealthCheck) -> Vec<Wrong> {
    let http_only = [
        ("path", check.path.is_some()),
        ("host", check.host.is_some()),
        ("status", check.status.is_some()),
        ("body", check.body.is_some()),
    ];
    let present = http_only.into_iter().filter(|(_, present)| *present);
    let wrong = |(member, _): (&str, bool)| {
        let message = format!("a check of type tcp only connects: leave {member:?} out or use type http");
        (member.to_owned(), message)
    };
    present.map(wrong).collect()
}

/// What an HTTP check asks for and expects.
fn http_check(check: &HealthCheck) -> Vec<Wrong> {
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let bad_path = |path: &String| !path.starts_with('/') || !visible(path) || path.contains('#');
    let bad_host = |host: &String| host.is_empty() || !visible(host) || host.contains(['/', '@', '?', '#']);
    let bad_body = |body: &String| body.is_empty() || body.len() > 1024;
    let whole = [
        (
            "path",
            check.path.as_ref().is_some_and(bad_path),
            "a path starts with \"/\" and has no spaces: write it percent-encoded, as in \"/health\"",
        ),
        (
            "host",
            check.host.as_ref().is_some_and(bad_host),
            "a host is a name or an address, with a port if need be, as in \"users.internal:8080\"",
        ),
        (
            "status",
            check.status.as_ref().is_some_and(Vec::is_empty),
            "no status would be healthy: name at least one, or leave \"status\" out for 200",
        ),
        (
            "body",
            check.body.as_ref().is_some_and(bad_body),
            "the expected text is 1 to 1024 bytes: leave \"body\" out if any body will do",
        ),
    ];
    let whole = whole.into_iter().filter(|(_, bad, _)| *bad);
    let whole = whole.map(|(member, _, message)| (member.to_owned(), message.to_owned()));
    let statuses = check.status.iter().flatten().enumerate();
    let bad_statuses = statuses.filter(|(_, status)| !(200..=599).contains(*status));
    let wrong = |(at, status)| {
        (
            format!("status/{at}"),
            format!("{status} is no status of an answer: use 200 to 599"),
        )
    };
    whole.chain(bad_statuses.map(wrong)).collect()
}

/// Numbers and times of a check that are too small or too large.
fn beyond(check: &HealthCheck) -> Vec<Wrong> {
    let (ms, secs) = (Timespan::from_millis, Timespan::from_secs);
    let spans = [
        ("interval", check.interval, ms(100), secs(3600)),
        ("timeout", check.timeout, ms(1), secs(60)),
    ];
    let spans = spans
        .into_iter()
        .filter(|(_, span, least, most)| !(least..=most).contains(&span));
    let spans =
        spans.map(|(member, span, least, most)| (member.to_owned(), out_of_bounds(span, least, most)));
    let counts = [
        ("healthy_after", check.healthy_after),
        ("unhealthy_after", check.unhealthy_after),
    ];
    let counts = counts.into_iter().filter(|(_, times)| !(1..=100).contains(times));
    let counts = counts.map(|(member, times)| (member.to_owned(), out_of_bounds(times, 1, 100)));
    spans.chain(counts).collect()
}

/// Servers in no cluster and clusters that nothing calls: allowed, but worth a word. What is `mentioned` counts as used.
pub(super) fn unused(checked: &Checked, mentioned: &HashSet<String>) -> Vec<(Kind, Id, Fault)> {
    let bound: HashSet<&Id> = checked
        .clusters()
        .flat_map(|cluster| &cluster.servers)
        .map(|binding| &binding.id)
        .collect();
    let of_routes = checked.routes().flat_map(|route| route.clusters());
    let of_aggregations = checked
        .aggregations()
        .flat_map(|aggregation| aggregation.clusters());
    let called: HashSet<&Id> = of_routes.chain(of_aggregations).collect();
    let idle = |used: &HashSet<&Id>, id: &Id| !used.contains(id) && !mentioned.contains(id.as_str());
    let servers = checked
        .servers()
        .filter(|server| idle(&bound, &server.id))
        .map(|server| (Kind::Server, &server.id, "no cluster uses this server"));
    let clusters = checked
        .clusters()
        .filter(|cluster| idle(&called, &cluster.id))
        .map(|cluster| {
            (
                Kind::Cluster,
                &cluster.id,
                "no route and no aggregation uses this cluster",
            )
        });
    servers
        .chain(clusters)
        .map(|(kind, id, message)| (kind, id.clone(), Fault::warning("", message)))
        .collect()
}
