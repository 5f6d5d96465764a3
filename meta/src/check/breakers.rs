//! What is wrong with a breaker where it stands, beyond what its types refuse, and which breakers do not go together.

use std::collections::{BTreeMap, HashMap};

use super::{Checked, Fault};
use crate::{
    bounds::{HOUR, Span, out_of_bounds},
    id::Id,
    model::{Breaker, BreakerRules, Cluster, Kind, Timeouts},
    timespan::Timespan,
};

/// The faults of the `breaker` of one object.
pub(super) fn breaker(breaker: Option<&Breaker>, of: Kind) -> Vec<Fault> {
    let Some(breaker) = breaker else {
        return Vec::new();
    };
    let checks = [
        (
            "slow_percent",
            breaker.slow_percent.is_some() && breaker.slow_call.is_none(),
            "slow_percent needs to know what is slow: add \"slow_call\", or leave it out",
        ),
        (
            "failure_status",
            breaker.failure_status.as_ref().is_some_and(Vec::is_empty),
            "no status would be a failure: name at least one, or leave \"failure_status\" out for 500, 502, 503 and 504",
        ),
        (
            "max_rejecting_percent",
            breaker.max_rejecting_percent.is_some() && of != Kind::Cluster,
            "only a cluster's breaker has \"max_rejecting_percent\": say it there, or leave it out",
        ),
    ];
    let wrong = checks.into_iter().filter(|(_, wrong, _)| *wrong);
    wrong
        .map(|(member, _, message)| Fault::error(format!("/breaker/{member}"), message))
        .chain(pauses(breaker))
        .chain(unread(breaker))
        .collect()
}

/// A longest pause that is shorter than the first.
fn pauses(breaker: &Breaker) -> Option<Fault> {
    let (first, longest) = (breaker.rejecting_for(), breaker.max_rejecting_for?.get());
    let least = format!("rejecting_for ({first})");
    let message = || out_of_bounds(longest, least, Span::<1, { 24 * HOUR }>::MOST);
    (longest < first).then(|| Fault::error("/breaker/max_rejecting_for", message()))
}

/// What is said of percentages when none counts.
fn unread(breaker: &Breaker) -> Option<Fault> {
    let message =
        "it makes no difference: it is for \"failure_percent\" and \"slow_call\", and neither is named";
    let unread = breaker.min_requests.is_some() && !breaker.counts_percent();
    unread.then(|| Fault::warning("/breaker/min_requests", message))
}

/// A `slow_call` that no call to these clusters ever reaches.
pub(super) fn slow_for<'a>(
    breaker: Option<&Breaker>,
    clusters: impl IntoIterator<Item = &'a Cluster>,
) -> Option<Fault> {
    let slow = breaker?.slow_call?.get();
    let ends: Option<Vec<_>> = clusters
        .into_iter()
        .map(|cluster| Some((cluster, ends_before(&cluster.timeout, slow)?)))
        .collect();
    let (cluster, (timeout, after)) = ends?.into_iter().next()?;
    let message = format!(
        "a call is a timeout before it is slow: {timeout} of the cluster {:?} is {after}",
        cluster.id.as_str()
    );
    Some(Fault::warning("/breaker/slow_call", message))
}

/// The first deadline that a call of length `slow` has missed.
fn ends_before(timeout: &Timeouts, slow: Timespan) -> Option<(&'static str, Timespan)> {
    let deadlines = [("first_byte", Some(timeout.first_byte)), ("total", timeout.total)];
    let set = deadlines
        .into_iter()
        .filter_map(|(name, after)| Some((name, after?)));
    set.filter(|(_, after)| *after <= slow)
        .min_by_key(|(_, after)| *after)
}

/// As [`slow_for`], of servers by the clusters they are in, and of routes by those they go to. Of an aggregation the clusters tell
/// nothing: its breaker sees the whole, which may be slow though each call is quick.
pub(super) fn slow(checked: &Checked) -> Vec<(Kind, Id, Fault)> {
    let watches = |breaker: &Option<Breaker>| {
        breaker
            .as_ref()
            .is_some_and(|breaker| breaker.slow_call.is_some())
    };
    let watching = checked.servers().filter(|server| watches(&server.breaker));
    let mut around: HashMap<&Id, Vec<&Cluster>> = watching.map(|server| (&server.id, Vec::new())).collect();
    for cluster in checked.clusters() {
        for binding in &cluster.servers {
            if let Some(clusters) = around.get_mut(&binding.id) {
                clusters.push(cluster);
            }
        }
    }
    let servers = checked.servers().filter_map(|server| {
        let fault = slow_for(server.breaker.as_ref(), around.remove(&server.id)?)?;
        Some((Kind::Server, server.id.clone(), fault))
    });
    let routes = checked.routes().filter_map(|route| {
        let fault = slow_for(route.breaker.as_ref(), checked.answering(&**route))?;
        Some((Kind::Route, route.id.clone(), fault))
    });
    servers.chain(routes).collect()
}

/// Servers without a breaker of their own in clusters whose breakers differ: only one of these can decide.
pub(super) fn differing(checked: &Checked) -> Vec<(Kind, Id, Fault)> {
    let clusters = checked.clusters();
    let clusters: Vec<(&Cluster, BreakerRules)> = clusters
        .filter_map(|cluster| Some((&**cluster, cluster.breaker.as_ref()?.rules())))
        .collect();
    let mut first = HashMap::new();
    let mut differing = BTreeMap::new();
    for (cluster, rules) in &clusters {
        for binding in &cluster.servers {
            let (decides, its_rules) = *first.entry(&binding.id).or_insert((&cluster.id, rules));
            if its_rules != rules {
                differing.entry(&binding.id).or_insert((decides, &cluster.id));
            }
        }
    }
    let has_none = |id: &Id| {
        let server = checked.servers.get(id);
        server.is_some_and(|entry| entry.object.breaker.is_none())
    };
    let differing = differing.into_iter().filter(|(id, _)| has_none(id));
    differing
        .map(|(id, (decides, other))| {
            let (decides, other) = (decides.as_str(), other.as_str());
            let message = format!(
                "the clusters {decides:?} and {other:?} have different breakers: that of {decides:?} decides about this \
                server; give it a breaker of its own"
            );
            (Kind::Server, id.clone(), Fault::warning("", message))
        })
        .collect()
}
