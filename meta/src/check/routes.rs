//! What is wrong with one route in itself.

use std::collections::BTreeSet;

use super::{
    Fault,
    endpoint::Endpoint,
    front::{Answers, Reader, front},
    objects,
    sharing::{Sharing, unshared_of},
};
use crate::{
    filters::FilterKinds,
    language::{UrlTemplate, Value},
    model::{HashKey, Route},
};

pub(super) fn route(route: &Route, kinds: &FilterKinds) -> Vec<Fault> {
    let (mut faults, answers) = front(route.front(), kinds);
    let reader = Reader::of(route.front());
    faults.extend(aim(route, answers));
    faults.extend(route.rewrite.iter().flat_map(|url| rewrite(url, reader)));
    faults.extend(split(route, reader));
    if let Some(mirror) = &route.mirror
        && !(mirror.percent > 0.0 && mirror.percent <= 100.0)
    {
        let message = format!("{} percent: use more than 0, up to 100", mirror.percent);
        faults.push(Fault::error("/mirror/percent", message));
    }
    faults.extend(route.retry.iter().flat_map(|rule| objects::retry(rule, "/retry")));
    let sharing = Sharing {
        coalesce: &route.coalesce,
        cache: route.cache.as_ref(),
        unshared: unshared_of(&route.matching.methods),
    };
    faults.extend(sharing.faults(reader));
    faults
}

/// A route that goes nowhere, or to clusters that none of its requests reaches.
fn aim(route: &Route, answers: Answers) -> Option<Fault> {
    match (route.to.is_empty(), answers) {
        (true, Answers::No) => Some(Fault::error(
            "",
            "the route goes nowhere: \"to\" names its clusters, or a filter \"reply\" or \"redirect\" answers",
        )),
        (false, Answers::Yes) => {
            let message = "a filter answers every request: none reaches these clusters";
            Some(Fault::warning("/to", message))
        }
        _ => None,
    }
}

fn rewrite(url: &UrlTemplate, reader: Reader<'_>) -> Vec<Fault> {
    let mut faults = reader.text("/rewrite", url, url.values());
    if url.is_absolute() {
        faults.push(Fault::error(
            "/rewrite",
            "a rewrite is a path, as in \"/users/{param.id}\": the cluster decides the host",
        ));
    }
    faults
}

fn split(route: &Route, reader: Reader<'_>) -> Vec<Fault> {
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
