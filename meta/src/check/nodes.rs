//! What is wrong with one node of an aggregation in itself.

use std::collections::BTreeSet;

use super::{
    Fault, MOST_FAULTS,
    endpoint::Endpoint,
    front::Reader,
    objects,
    sharing::{Sharing, is_shared, unshared_of},
    values::{bodiless_of, is_bodiless},
};
use crate::model::{Aggregation, Node};

/// The faults of a node of `aggregation`; pointers begin at the node. What it reads is looked at elsewhere.
pub(super) fn node(node: &Node, aggregation: &Aggregation) -> Vec<Fault> {
    let mut faults = Vec::new();
    if node.url.is_absolute() {
        let message =
            "the url of a node is a path, as in \"/users/{param.id}\": the cluster decides the host";
        faults.push(Fault::error("/url", message));
    }
    faults.extend(body(node, aggregation));
    faults.extend(headers(node));
    faults.extend(success(node));
    faults.extend(failure(node));
    faults.extend(node.retry.iter().flat_map(|rule| objects::retry(rule, "/retry")));
    faults.extend(hedge(node));
    faults.extend(sharing(node, aggregation));
    faults.extend(beyond(node, aggregation));
    faults
}

/// A body where there is none.
fn body(node: &Node, aggregation: &Aggregation) -> Vec<Fault> {
    let mut faults = Vec::new();
    if node.body.is_some() && node.pass_body {
        let message = "the call has one body: leave \"body\" or \"pass_body\" out";
        faults.push(Fault::error("/pass_body", message));
    }
    let method = match &node.method {
        Some(method) => Some(method.get()),
        // The client's; what is said of that comes below.
        None if aggregation.is_plain() => None,
        None => Some(&http::Method::GET),
    };
    if let Some(method) = method.filter(|method| is_bodiless(method)) {
        let members = [("body", node.body.is_some()), ("pass_body", node.pass_body)];
        let there = members.into_iter().filter(|(_, is_there)| *is_there);
        faults.extend(there.map(|(member, _)| {
            let message = format!("{method} has no body: add method: POST, or leave {member:?} out");
            Fault::error(format!("/{member}"), message)
        }));
    }
    if let (true, Some(method)) = (node.pass_body, bodiless_of(&aggregation.matching.methods)) {
        let message = format!(
            "{} has no body: add POST to match.methods, or leave \"pass_body\" out",
            method.get()
        );
        faults.push(Fault::error("/pass_body", message));
    }
    faults
}

/// Fields that are named twice, or where they cannot be.
fn headers(node: &Node) -> Vec<Fault> {
    let passed = node.pass_headers.iter().enumerate();
    let overridden = passed.filter(|(_, name)| node.headers.contains_key(name));
    let overridden = overridden.map(|(at, name)| {
        let name = name.get().as_str();
        let message = format!("the client's {name:?} is never passed on: \"headers\" sets another one");
        Fault::warning(format!("/pass_headers/{at}"), message)
    });
    let kept = node.keep_headers.iter().enumerate();
    let hosts = kept.filter(|(_, name)| *name.get() == http::header::HOST);
    let hosts =
        hosts.map(|(at, _)| Fault::error(format!("/keep_headers/{at}"), "a response has no \"host\""));
    overridden.chain(hosts).collect()
}

/// Statuses that count as success.
fn success(node: &Node) -> Vec<Fault> {
    if node.status.as_ref().is_some_and(Vec::is_empty) {
        let message =
            "no status would be a success: name at least one, or leave \"status\" out for 200 to 299";
        return vec![Fault::error("/status", message)];
    }
    let mut seen = BTreeSet::new();
    let listed = node.status.iter().flatten().enumerate();
    let twice = listed.filter(|(_, status)| !seen.insert(status.get()));
    let fault = |(at, status): (usize, &crate::bounds::Whole<200, 599>)| {
        let message = format!("{} stands twice: name it once", status.get());
        Fault::error(format!("/status/{at}"), message)
    };
    twice.map(fault).take(MOST_FAULTS).collect()
}

/// What is said of failures that do not come about.
fn failure(node: &Node) -> Vec<Fault> {
    // A fallback also stands for the answer of a call that is not made.
    let always_there = node.required && node.when.is_none();
    let checks = [
        (
            "fallback",
            node.fallback.is_some() && always_there,
            "it makes no difference: a required node that fails fails the whole; add required: false, or leave \"fallback\" out",
        ),
        (
            "pass_status",
            node.pass_status && !node.required,
            "it makes no difference: only a required node that fails fails the whole; leave \"pass_status\" out",
        ),
    ];
    let idle = checks.into_iter().filter(|(_, idle, _)| *idle);
    idle.map(|(member, _, message)| Fault::warning(format!("/{member}"), message))
        .collect()
}

/// A second call of what may be done only once.
fn hedge(node: &Node) -> Option<Fault> {
    let method = node.method.as_ref()?.get();
    let message = format!("{method} may not be sent twice (RFC 9110 §9.2.2): leave \"hedge\" out");
    let wrong = node.hedge.is_some() && !method.is_idempotent();
    wrong.then(|| Fault::error("/hedge", message))
}

fn sharing(node: &Node, aggregation: &Aggregation) -> Vec<Fault> {
    let unshared = match &node.method {
        Some(method) => Some(method).filter(|method| !is_shared(method)),
        None if aggregation.is_plain() => unshared_of(&aggregation.matching.methods),
        None => None,
    };
    let sharing = Sharing {
        coalesce: &node.coalesce,
        cache: node.cache.as_ref(),
        unshared,
    };
    sharing.faults(Reader::of(aggregation.front()))
}

/// What the whole ends or refuses first.
fn beyond(node: &Node, aggregation: &Aggregation) -> Vec<Fault> {
    let whole = aggregation.timeout();
    let timeout = node.timeout.map(|timeout| timeout.get());
    let late = timeout.filter(|timeout| *timeout > whole).map(|timeout| {
        let message =
            format!("timeout ({timeout}) is longer than that of the whole ({whole}), which ends it first");
        Fault::warning("/timeout", message)
    });
    let most = aggregation.max_bytes();
    let bytes = node.max_bytes.map(|bytes| bytes.get() as usize);
    let large = bytes.filter(|bytes| *bytes > most).map(|bytes| {
        let message = format!("max_bytes ({bytes}) is more than all answers together may have ({most})");
        Fault::warning("/max_bytes", message)
    });
    late.into_iter().chain(large).collect()
}
