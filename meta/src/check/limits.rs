//! What is wrong with a limit where it stands, beyond what its types refuse.

use std::fmt;

use super::{Checked, Fault, endpoint::Endpoint};
use crate::{
    bounds::out_of_bounds,
    document::Flaw,
    id::Id,
    model::{Aggregation, Cluster, Kind, Limit, MaxInFlight, PriorityClass, RateLimit, Route},
};

/// What a limit is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitOf {
    Proxy,
    Server,
    Cluster,
    Route,
    Aggregation,
}

impl LimitOf {
    /// Whether it is of what clients call, so that their requests can be told apart.
    fn is_of_endpoint(self) -> bool {
        matches!(self, Self::Route | Self::Aggregation)
    }
}

impl From<Kind> for LimitOf {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Server => Self::Server,
            Kind::Cluster => Self::Cluster,
            Kind::Route => Self::Route,
            Kind::Aggregation => Self::Aggregation,
        }
    }
}

impl fmt::Display for LimitOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proxy => "a proxy",
            Self::Server => "a server",
            Self::Cluster => "a cluster",
            Self::Route => "a route",
            Self::Aggregation => "an aggregation",
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
    let endpoints_only = [("key", limit.key.is_some()), ("missing", limit.missing.is_some())];
    let misplaced = |(member, present): (&'static str, bool)| {
        let message = || {
            format!("only a route's limit or an aggregation's has {member:?}, this is {of}'s: leave it out")
        };
        (present && !of.is_of_endpoint()).then(|| (member, message()))
    };
    let mut wrong: Vec<Wrong> = endpoints_only.into_iter().filter_map(misplaced).collect();
    if limit.max_in_flight == Some(MaxInFlight::Auto) && of != LimitOf::Cluster {
        let message = format!("only a cluster's limit can be \"auto\", this is {of}'s: use 1 to 1000000");
        wrong.push(("max_in_flight", message));
    }
    if of.is_of_endpoint() && limit.missing.is_some() && limit.key.is_none() {
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

/// Routes and aggregations that say how much they matter to clusters none of which asks.
pub(super) fn idle_classes(checked: &Checked) -> Vec<(Kind, Id, Fault)> {
    let mut idle = idle_classes_of::<Route>(checked);
    idle.extend(idle_classes_of::<Aggregation>(checked));
    idle
}

fn idle_classes_of<E: Endpoint>(checked: &Checked) -> Vec<(Kind, Id, Fault)> {
    let asks = |cluster: &Cluster| {
        let limit = cluster.limit.as_ref();
        limit.is_some_and(|limit| limit.max_in_flight == Some(MaxInFlight::Auto))
    };
    let message = format!(
        "it makes no difference: none of the {}'s clusters has a limit with max_in_flight: auto",
        E::KIND.singular()
    );
    let endpoints = E::all(checked).iter();
    endpoints
        .filter(|(_, entry)| entry.object.front().priority_class != PriorityClass::default())
        .filter(|(_, entry)| !checked.answering(&*entry.object).any(asks))
        .map(|(id, _)| (E::KIND, id.clone(), Fault::warning("/priority_class", &*message)))
        .collect()
}
