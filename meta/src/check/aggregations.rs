//! What is wrong with one aggregation in itself: its nodes together, and what they are put together to.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Fault,
    endpoint::Endpoint,
    front::{Answers, front},
    nodes::node,
    values::{Scope, bodiless_of},
};
use crate::{
    filters::FilterKinds,
    language::Value,
    model::{Aggregation, Merge, Node},
    plan::{self, Cycle, MOST_NODES, Plan},
};

pub(super) fn aggregation(aggregation: &Aggregation, kinds: &FilterKinds) -> Vec<Fault> {
    let (mut faults, answers) = front(aggregation.front(), kinds);
    if answers == Answers::Yes {
        let message = "a filter answers every request: no node is called";
        faults.push(Fault::warning("/nodes", message));
    }
    faults.extend(merge(aggregation));
    faults.extend(slow(aggregation));
    let count = aggregation.nodes.len();
    if count == 0 || count > MOST_NODES {
        // What follows costs the square of the number of nodes.
        let message = format!("{count} nodes: use 1 to {MOST_NODES}");
        faults.push(Fault::error("/nodes", message));
        return faults;
    }
    faults.extend(twice(aggregation));
    let scope = Scope::of(aggregation);
    for (at, one) in aggregation.nodes.iter().enumerate() {
        let own = node(one, aggregation).into_iter().chain(scope.node(at, one));
        faults.extend(own.map(|fault| fault.under(&format!("/nodes/{at}"))));
    }
    faults.extend(scope.response());
    faults.extend(graph(aggregation));
    if let [only] = aggregation.nodes.as_slice()
        && aggregation.is_plain()
    {
        faults.extend(unread(only, aggregation));
        // What makes no difference is worth a word where there is nothing else to say.
        if faults.is_empty() {
            faults.extend(passed_on(only, aggregation));
        }
    }
    faults
}

/// Members that say how answers are put together, where they are not put together like that.
fn merge(aggregation: &Aggregation) -> Vec<Fault> {
    let mut faults = Vec::new();
    let collide = aggregation.on_collision.is_some();
    if collide && aggregation.merge() != Merge::Flat {
        let message =
            "only the members of a flat merge collide: add merge: flat, or leave \"on_collision\" out";
        faults.push(Fault::error("/on_collision", message));
    }
    // To write the merge out that there is anyway is no mistake.
    let other = aggregation.merge() != Merge::Object;
    if aggregation.response.is_some() && other {
        let message =
            "it makes no difference: \"response\" stands in place of the merged body; leave \"merge\" out";
        faults.push(Fault::warning("/merge", message));
    }
    faults
}

/// Members that are about putting answers together, where the only one is passed on as it comes.
fn passed_on(node: &Node, aggregation: &Aggregation) -> Vec<Fault> {
    let members = [
        ("/max_bytes", aggregation.max_bytes.is_some()),
        ("/max_request_bytes", aggregation.max_request_bytes.is_some()),
        ("/nodes/0/pass_headers", !node.pass_headers.is_empty()),
        ("/nodes/0/keep_headers", !node.keep_headers.is_empty()),
    ];
    let there = members.into_iter().filter(|(_, is_there)| *is_there);
    there
        .map(|(pointer, _)| {
            let member = pointer.rsplit('/').next().unwrap_or_default();
            let message = format!(
                "it makes no difference: request and answer of the only node are passed on whole; add merge: object, or leave {member:?} out"
            );
            Fault::warning(pointer, message)
        })
        .collect()
}

/// Values of a body that is passed on without being read. Where no method has a body, that is what is told.
fn unread(node: &Node, aggregation: &Aggregation) -> Vec<Fault> {
    let mut faults = Vec::new();
    if bodiless_of(&aggregation.matching.methods).is_some() {
        return faults;
    }
    node.for_each_value(|reading| {
        if matches!(reading.value, Value::Body(_)) {
            let message = format!(
                "{}: the request of the only node is passed on without being read; add merge: object, or \"response\"",
                reading.value
            );
            let fault = Fault::error(reading.pointer, message).at(&reading);
            faults.push(fault.under("/nodes/0"));
        }
    });
    faults
}

/// A `slow_call` that no answer ever reaches: the breaker sees the whole, which its timeout ends.
fn slow(aggregation: &Aggregation) -> Option<Fault> {
    let slow = aggregation.breaker.as_ref()?.slow_call?.get();
    let whole = aggregation.timeout();
    let message =
        || format!("an answer is a timeout before it is slow: timeout of the aggregation is {whole}");
    (whole <= slow).then(|| Fault::warning("/breaker/slow_call", message()))
}

/// Names that two nodes have.
fn twice(aggregation: &Aggregation) -> Vec<Fault> {
    let mut seen = BTreeSet::new();
    let names = aggregation
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .enumerate();
    names
        .filter(|(_, name)| !seen.insert(*name))
        .map(|(at, name)| {
            let message = format!("the name {name:?} stands twice: give this node another one");
            Fault::error(format!("/nodes/{at}/name"), message)
        })
        .collect()
}

/// Calls that wait for each other, or else for so long that the whole ends before them.
fn graph(aggregation: &Aggregation) -> Vec<Fault> {
    match Plan::new(aggregation) {
        Ok(plan) => long(aggregation, &plan).into_iter().collect(),
        Err(_) => {
            let cycles = plan::cycles(aggregation);
            cycles
                .iter()
                .filter_map(|cycle| waiting(aggregation, cycle))
                .collect()
        }
    }
}

/// The cycle, at the value of its first node that closes it. A node that reads itself is told so where it does.
fn waiting(aggregation: &Aggregation, cycle: &Cycle) -> Option<Fault> {
    let [first, .., last] = *cycle.nodes.as_slice() else {
        return None;
    };
    let closing = aggregation.nodes.get(last)?.name.as_str();
    let message = format!("the nodes wait for each other: {cycle}, where each reads the one before it");
    let mut fault = None;
    aggregation.nodes.get(first)?.for_each_value(|reading| {
        let closes = matches!(reading.value, Value::Node { name, .. } if **name == *closing);
        if fault.is_none() && closes {
            fault = Some(Fault::error(reading.pointer, &message).at(&reading));
        }
    });
    fault.map(|fault| fault.under(&format!("/nodes/{first}")))
}

/// A chain of calls each of which is within the timeout of the whole, and all together are not.
fn long(aggregation: &Aggregation, plan: &Plan) -> Option<Fault> {
    let whole = aggregation.timeout();
    let timeout = |at: usize| {
        aggregation
            .nodes
            .get(at)?
            .timeout
            .map(|timeout| timeout.get().get())
    };
    // What has no timeout may take no time.
    let (chain, length) = plan.longest(|at| timeout(at).or(Some(Duration::ZERO)));
    let longer = |time: Duration| time > whole.get();
    if !longer(length?) || chain.iter().filter_map(|at| timeout(*at)).any(longer) {
        return None;
    }
    let chain = plan::show_chain(aggregation, &chain, length);
    let message =
        format!("timeout ({whole}) ends the longest chain before its calls are out of time: {chain}");
    Some(Fault::warning("/timeout", message))
}
