//! What is wrong with a limit where it stands, beyond what its types refuse.

use std::fmt;

use super::{Checked, Fault};
use crate::{
    bounds::out_of_bounds,
    document::Flaw,
    id::Id,
    model::{Cluster, Kind, Limit, MaxInFlight, PriorityClass, RateLimit, Route},
};

/// What a limit is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitOf {
    Proxy,
    Server,
    Cluster,
    Route,
}

impl fmt::Display for LimitOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proxy => "proxy",
            Self::Server => "server",
            Self::Cluster => "cluster",
            Self::Route => "route",
        })
    }
}

/// All that is wrong with the limit of a whole proxy, which stands in no object; pointers begin at the limit.
pub fn limit_of_proxy(limit: &Limit) -> Vec<Flaw> {
    let faults = faults(limit, LimitOf::Proxy, "").into_iter();
    faults.map(|fault| fault.flaw).collect()
}

/// The faults of the `limit` of an object.
pub(super) fn limit(limit: Option<&Limit>, of: LimitOf) -> Vec<Fault> {
    limit.map_or_else(Vec::new, |limit| faults(limit, of, "/limit"))
}

fn faults(limit: &Limit, of: LimitOf, under: &str) -> Vec<Fault> {
    let wrong = misplaced(limit, of).into_iter().chain(contradictions(limit));
    let mut faults: Vec<Fault> = wrong
        .map(|(member, message)| Fault::error(format!("{under}/{member}"), message))
        .collect();
    if limits_nothing(limit) {
        let message = "the limit limits nothing: add \"requests_per_second\", \"rate\" or \"max_in_flight\", or leave it out";
        faults.push(Fault::error(under, message));
    }
    faults
}

/// A member of a limit, and what is wrong with it.
type Wrong = (&'static str, String);

/// What a limit of that kind cannot have.
fn misplaced(limit: &Limit, of: LimitOf) -> Vec<Wrong> {
    let routes_only = [("key", limit.key.is_some()), ("missing", limit.missing.is_some())];
    let misplaced = |(member, present): (&'static str, bool)| {
        let message = || format!("only a route's limit has {member:?}, this is a {of}'s: leave it out");
        (present && of != LimitOf::Route).then(|| (member, message()))
    };
    let mut wrong: Vec<Wrong> = routes_only.into_iter().filter_map(misplaced).collect();
    if limit.max_in_flight == Some(MaxInFlight::Auto) && of != LimitOf::Cluster {
        let message = format!("only a cluster's limit can be \"auto\", this is a {of}'s: use 1 to 1000000");
        wrong.push(("max_in_flight", message));
    }
    if of == LimitOf::Route && limit.missing.is_some() && limit.key.is_none() {
        let message = "there is no \"key\" that could be missing: add one, or leave \"missing\" out";
        wrong.push(("missing", message.to_owned()));
    }
    wrong
}

/// Members that do not go together, wherever the limit stands.
fn contradictions(limit: &Limit) -> Vec<Wrong> {
    let rate = limit.rate_limit();
    let checks = [
        (
            "rate",
            limit.requests_per_second.is_some() && limit.rate.is_some(),
            "the rate is given twice: leave \"requests_per_second\" or \"rate\" out",
        ),
        (
            "burst",
            limit.burst.is_some() && rate.is_none(),
            "a burst needs a rate: add \"requests_per_second\" or \"rate\", or leave \"burst\" out",
        ),
        (
            "queue",
            limit.queue.is_some() && limit.max_in_flight.is_none(),
            "a queue needs \"max_in_flight\" to wait for: add it, or leave \"queue\" out",
        ),
        (
            "queue",
            limit.queue.is_some() && limit.key.is_some(),
            "a limit with a \"key\" has no queue: leave \"queue\" or \"key\" out",
        ),
    ];
    let broken = checks.into_iter().filter(|(_, broken, _)| *broken);
    let mut wrong: Vec<Wrong> = broken
        .map(|(member, _, message)| (member, message.to_owned()))
        .collect();
    wrong.extend(rate.and_then(slow_to_refill));
    wrong
}

/// A burst that the rate does not bring back within 1000 h: nobody would wait to see it again.
fn slow_to_refill(rate: RateLimit) -> Option<Wrong> {
    const LONGEST_SECS: f64 = 1000.0 * 3600.0;
    // Rounding must not cost the last of what fits exactly.
    let most = (rate.per_second() * LONGEST_SECS + 1e-6).floor();
    let message = || {
        let range = out_of_bounds(rate.burst, 1, most);
        format!("{range}, which this rate brings back within 1000h")
    };
    (f64::from(rate.burst) > most).then(|| ("burst", message()))
}

/// A burst or a queue without what it needs is told of by itself.
fn limits_nothing(limit: &Limit) -> bool {
    let members = limit.rate_limit().is_some() || limit.max_in_flight.is_some();
    !members && limit.burst.is_none() && limit.queue.is_none()
}

/// Routes that say how much they matter to clusters none of which asks.
pub(super) fn idle_classes(checked: &Checked) -> Vec<(Kind, Id, Fault)> {
    let asks = |cluster: &Cluster| {
        let limit = cluster.limit.as_ref();
        limit.is_some_and(|limit| limit.max_in_flight == Some(MaxInFlight::Auto))
    };
    let heard = |route: &Route| {
        let mut clusters = checked.targets(route);
        clusters.any(asks)
    };
    let message = "it makes no difference: none of the route's clusters has a limit with max_in_flight: auto";
    let fault = || Fault::warning("/priority_class", message);
    let routes = checked.routes();
    routes
        .filter(|route| route.priority_class != PriorityClass::default() && !heard(route))
        .map(|route| (Kind::Route, route.id.clone(), fault()))
        .collect()
}
