//! What is wrong with one route in itself, and which routes no request can reach.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{Fault, breakers, limits, limits::LimitOf, near, objects};
use crate::{
    bounds::out_of_bounds,
    filters::FilterKinds,
    id::Id,
    language::Value,
    model::{HashKey, Kind, Route},
    pattern::Segment,
};

const PRIORITIES: std::ops::RangeInclusive<i32> = -1_000_000..=1_000_000;

pub(super) fn route(route: &Route, kinds: &FilterKinds) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !PRIORITIES.contains(&route.priority) {
        let message = out_of_bounds(route.priority, PRIORITIES.start(), PRIORITIES.end());
        faults.push(Fault::error("/priority", message));
    }
    let reader = Reader { route };
    if let Some(when) = &route.matching.when {
        let text = when.to_string();
        let at = |(offset, value)| {
            reader
                .fault("/match/when", value)
                .map(|fault| fault.within(&text, offset))
        };
        faults.extend(when.values().filter_map(at));
    }
    if let Some(rewrite) = &route.rewrite {
        if rewrite.is_absolute() {
            faults.push(Fault::error(
                "/rewrite",
                "a rewrite is a path, as in \"/users/{param.id}\": the cluster decides the host",
            ));
        }
        let text = rewrite.to_string();
        let at = |(offset, value)| {
            reader
                .fault("/rewrite", value)
                .map(|fault| fault.within(&text, offset))
        };
        faults.extend(rewrite.values().filter_map(at));
    }
    faults.extend(split(route, &reader));
    if let Some(mirror) = &route.mirror
        && !(mirror.percent > 0.0 && mirror.percent <= 100.0)
    {
        let message = format!("{} percent: use more than 0, up to 100", mirror.percent);
        faults.push(Fault::error("/mirror/percent", message));
    }
    faults.extend(route.retry.iter().flat_map(|rule| objects::retry(rule, "/retry")));
    faults.extend(limits::limit(route.limit.as_ref(), LimitOf::Route));
    faults.extend(limit_key(route, &reader));
    faults.extend(breakers::breaker(route.breaker.as_ref(), Kind::Route));
    faults.extend(filters(route, kinds, &reader));
    faults
}

/// What a limit's key asks for and the request does not have.
fn limit_key(route: &Route, reader: &Reader) -> Vec<Fault> {
    let key = route.limit.iter().filter_map(|limit| limit.key.as_ref());
    let values = key.flat_map(|key| match key.values() {
        [HashKey(one)] => vec![("/limit/key".to_owned(), one)],
        several => {
            let several = several.iter().enumerate();
            several
                .map(|(at, HashKey(value))| (format!("/limit/key/{at}"), value))
                .collect()
        }
    });
    values
        .filter_map(|(pointer, value)| reader.fault(&pointer, value))
        .collect()
}

fn split(route: &Route, reader: &Reader) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, target) in route.to.iter().enumerate() {
        if !seen.insert(&target.cluster) {
            let twice = format!(
                "the cluster {:?} stands twice: name it once, with the sum of the weights",
                target.cluster
            );
            faults.push(Fault::error(format!("/to/{at}/cluster"), twice));
        }
    }
    if let Some(HashKey(value)) = &route.sticky {
        if !matches!(value, Value::Cookie(_) | Value::Header(_) | Value::ClientIp) {
            let message = format!(
                "{value} cannot keep a client on its target: use cookie.NAME, header.NAME or client_ip"
            );
            faults.push(Fault::error("/sticky", message));
        } else if route.to.len() < 2 {
            faults.push(Fault::warning(
                "/sticky",
                "there is nothing to stick to: the route has fewer than two targets",
            ));
        }
        faults.extend(reader.fault("/sticky", value));
    }
    faults
}

fn filters(route: &Route, kinds: &FilterKinds, reader: &Reader) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (mut answers, mut unknown) = (false, false);
    for (at, spec) in route.filters.iter().enumerate() {
        let under = format!(
            "/filters/{at}/{}",
            spec.kind.replace('~', "~0").replace('/', "~1")
        );
        let Some(kind) = kinds.get(&spec.kind) else {
            faults.push(Fault::error(under, no_filter(&spec.kind, kinds)).of_key());
            unknown = true;
            continue;
        };
        if answers {
            faults.push(Fault::warning(
                &under,
                "a filter before this one answers: this one never sees a request",
            ));
        }
        answers |= kind.answers;
        match kind.read(&spec.config) {
            Ok(values) => {
                let at =
                    |(pointer, value): (String, Value)| reader.fault(&format!("{under}{pointer}"), &value);
                faults.extend(values.into_iter().filter_map(at));
            }
            Err(flaws) => faults.extend(flaws.into_iter().map(|flaw| {
                let pointer = format!("{under}{}", flaw.pointer);
                Fault::from(crate::document::Flaw { pointer, ..flaw })
            })),
        }
    }
    match (route.to.is_empty(), answers) {
        // An unknown filter may have been meant to be one that answers.
        (true, false) if !unknown => faults.push(Fault::error(
            "",
            "the route goes nowhere: \"to\" names its clusters, or a filter \"reply\" or \"redirect\" answers",
        )),
        (false, true) => {
            let message = "a filter answers every request: none reaches these clusters";
            faults.push(Fault::warning("/to", message));
        }
        _ => {}
    }
    faults
}

fn no_filter(wanted: &str, kinds: &FilterKinds) -> String {
    let shown: String = wanted.chars().take(60).collect();
    let all = kinds.names().collect::<Vec<_>>().join(", ");
    match near(wanted, kinds.names()) {
        Some(near) => format!("there is no filter {shown:?}; did you mean {near:?}? There are: {all}"),
        None => format!("there is no filter {shown:?}; there are: {all}"),
    }
}

/// Knows which values a route's request has.
struct Reader<'a> {
    route: &'a Route,
}

impl Reader<'_> {
    fn fault(&self, pointer: &str, value: &Value) -> Option<Fault> {
        match value {
            Value::Body(_) => Some(Fault::error(
                pointer,
                format!("{value}: a route does not read bodies"),
            )),
            Value::Node { .. } => Some(Fault::error(
                pointer,
                format!("{value}: only an aggregation has nodes"),
            )),
            Value::Param(name) => {
                let path = self.route.matching.path.as_ref();
                let names: Vec<&str> = path.into_iter().flat_map(|path| path.parameters()).collect();
                if names.contains(&&**name) {
                    return None;
                }
                let there = match names.as_slice() {
                    [] => "the path has no parameters".to_owned(),
                    names => format!("the path has: {}", names.join(", ")),
                };
                Some(Fault::error(
                    pointer,
                    format!("there is no parameter {name:?}; {there}"),
                ))
            }
            _ => None,
        }
    }
}

/// Whether the route has ended.
pub(super) fn is_over(route: &Route) -> bool {
    route.expires.is_some_and(|end| end <= jiff::Timestamp::now())
}

/// A hash of hosts, path and methods, the same for routes that match alike whatever their parameters are called.
pub(super) fn shape(route: &Route) -> u64 {
    let matching = &route.matching;
    let hosts: BTreeSet<&str> = matching.hosts.iter().map(|host| host.as_str()).collect();
    let methods: BTreeSet<&str> = matching
        .methods
        .iter()
        .map(|method| method.get().as_str())
        .collect();
    let mut hasher = DefaultHasher::new();
    (hosts, methods, matching.path.is_some()).hash(&mut hasher);
    for segment in matching.path.iter().flat_map(|path| path.segments()) {
        match segment {
            Segment::Literal(text) => (0, text).hash(&mut hasher),
            Segment::Constrained(_, constraint) => (1, constraint).hash(&mut hasher),
            Segment::Parameter(_) => 2.hash(&mut hasher),
            Segment::Tail(_) => 3.hash(&mut hasher),
        }
    }
    hasher.finish()
}

/// Routes of which another one takes every request: it matches alike, has no condition, and comes first. `routes` are in the
/// order of their ids, each with its shape; two shapes that are alike by chance would cost a wrong warning, no more.
pub(super) fn unreachable<'a>(routes: impl Iterator<Item = (&'a Route, u64)> + Clone) -> Vec<(Id, Fault)> {
    let enabled = routes.filter(|(route, _)| route.enabled);
    let mut first: HashMap<u64, &Route> = HashMap::new();
    for (route, shape) in enabled.clone() {
        if route.matching.when.is_none() && route.expires.is_none() {
            let first = first.entry(shape).or_insert(route);
            if route.priority > first.priority {
                *first = route;
            }
        }
    }
    let hidden = enabled.filter_map(|(route, shape)| {
        let first = first.get(&shape)?;
        // Of one priority a condition comes before none, then the smaller id.
        let behind = route.matching.when.is_none() && first.id < route.id;
        let hidden = first.priority > route.priority || first.priority == route.priority && behind;
        hidden.then(|| {
            let message = format!(
                "no request reaches this route: {:?} has the same match and comes first",
                first.id.as_str()
            );
            (route.id.clone(), Fault::warning("/match", message))
        })
    });
    hidden.collect()
}
