//! The graph of an aggregation's calls: which of them reads the answer of which other one.
//!
//! A call is made as soon as those that it reads from are done, all others at once; so the whole takes about as long as its
//! longest chain. A name that no node has is left out here; [`crate::check`] reports it. So are nodes beyond the 32nd.

mod describe;

pub(crate) use describe::show_chain;

use std::{cmp::Reverse, collections::HashMap, time::Duration};

use crate::{
    language::Value,
    model::{Aggregation, Node},
};

/// How many nodes an aggregation has at most.
pub const MOST_NODES: usize = 32;

/// The graph of calls of one aggregation. Sets of nodes are bits: bit `i` is the node listed at `i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Of each node, those whose answers it reads.
    needs: Vec<u32>,
    /// Each node after all that it needs, else as listed.
    order: Vec<usize>,
    response: u32,
}

impl Plan {
    /// The graph; the first cycle in it if there is one.
    pub fn new(aggregation: &Aggregation) -> Result<Self, Cycle> {
        let (needs, response) = read(aggregation);
        let reach = closure(&needs);
        if let Some(cycle) = cycles_in(aggregation, &needs, &reach).next() {
            return Err(cycle);
        }
        let mut order: Vec<usize> = (0..needs.len()).collect();
        // Without cycles a node reaches itself never, and whatever its needs reach: always more than each of them.
        order.sort_by_key(|&node| reach[node].count_ones());
        Ok(Self {
            needs,
            order,
            response,
        })
    }

    /// The nodes whose answers the call of node `index` reads; none if there is no such node.
    pub fn needs(&self, index: usize) -> u32 {
        self.needs.get(index).copied().unwrap_or_default()
    }

    /// The nodes whose answers `response` reads; none if there is no `response`.
    pub fn response_needs(&self) -> u32 {
        self.response
    }

    /// For people: the nodes by when they can start at the earliest, if every call took the same time.
    pub fn stages(&self) -> Vec<Vec<usize>> {
        let mut stages: Vec<Vec<usize>> = Vec::new();
        let mut stage_of = vec![0; self.needs.len()];
        for &node in &self.order {
            let stage = members(self.needs[node]).map(|other| stage_of[other] + 1).max();
            stage_of[node] = stage.unwrap_or_default();
        }
        for (node, &stage) in stage_of.iter().enumerate() {
            stages.resize_with(stages.len().max(stage + 1), Vec::new);
            stages[stage].push(node);
        }
        stages
    }

    /// The chain that can take longest, and how long: the sum of its timeouts, or `None` if one of its nodes has none. Of chains
    /// that take the same, one with most nodes.
    pub fn longest(&self, timeout_of: impl Fn(usize) -> Option<Duration>) -> (Vec<usize>, Option<Duration>) {
        let mut lengths = vec![Length::default(); self.needs.len()];
        let mut before = vec![None; self.needs.len()];
        let last = |nodes: &mut dyn Iterator<Item = usize>, lengths: &[Length]| {
            nodes.max_by_key(|&node| (lengths[node], Reverse(node)))
        };
        for &node in &self.order {
            before[node] = last(&mut members(self.needs[node]), &lengths);
            let until = before[node].map_or_else(Length::default, |other: usize| lengths[other]);
            lengths[node] = until.and(timeout_of(node));
        }
        let Some(end) = last(&mut (0..lengths.len()), &lengths) else {
            return (Vec::new(), Some(Duration::ZERO));
        };
        let mut chain: Vec<usize> = std::iter::successors(Some(end), |&node| before[node]).collect();
        chain.reverse();
        let Length { unbounded, sum, .. } = lengths[end];
        (chain, (unbounded == 0).then_some(sum))
    }
}

/// How long a chain can take; more nodes without a timeout are longer than any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Length {
    unbounded: usize,
    sum: Duration,
    nodes: usize,
}

impl Length {
    fn and(self, timeout: Option<Duration>) -> Self {
        Self {
            unbounded: self.unbounded + usize::from(timeout.is_none()),
            sum: self.sum.saturating_add(timeout.unwrap_or_default()),
            nodes: self.nodes + 1,
        }
    }
}

/// Nodes each of which waits for the next one's answer and the last for the first's. Reads `user → orders → user`, where each
/// reads the one before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}")]
pub struct Cycle {
    /// The nodes in the order shown, each once; the first one is listed first. A node that reads itself is alone.
    pub nodes: Vec<usize>,
    path: String,
}

/// A cycle of each part of the graph that has any, shortest through the first node of that part.
pub(crate) fn cycles(aggregation: &Aggregation) -> Vec<Cycle> {
    let (needs, _) = read(aggregation);
    cycles_in(aggregation, &needs, &closure(&needs)).collect()
}

fn cycles_in<'a>(
    aggregation: &'a Aggregation,
    needs: &'a [u32],
    reach: &'a [u32],
) -> impl Iterator<Item = Cycle> + 'a {
    let on_cycle = |node: usize| has(reach[node], node);
    let first_of_its_part =
        move |&node: &usize| !members(reach[node]).any(|other| other < node && has(reach[other], node));
    (0..needs.len())
        .filter(move |&node| on_cycle(node))
        .filter(first_of_its_part)
        .map(move |node| Cycle::through(node, aggregation, needs))
}

impl Cycle {
    /// The shortest one through `start`, which is on one.
    fn through(start: usize, aggregation: &Aggregation, needs: &[u32]) -> Self {
        // Breadth first from the start; `reader` is who led to a node.
        let mut reader = vec![None; needs.len()];
        let mut queue = vec![start];
        let mut at = 0;
        while let (None, Some(&node)) = (reader[start], queue.get(at)) {
            for other in members(needs[node]) {
                if reader[other].is_none() {
                    reader[other] = Some(node);
                    queue.push(other);
                }
            }
            at += 1;
        }
        let back = |&node: &usize| reader[node].filter(|&other| other != start);
        let nodes: Vec<usize> = std::iter::successors(Some(start), back).collect();
        let there_and_back = nodes.iter().chain([&start]);
        let names: Vec<&str> = there_and_back.map(|&node| name(aggregation, node)).collect();
        let path = names.join(" → ");
        Self { nodes, path }
    }
}

/// Who reads whom: of each node, and of `response`.
fn read(aggregation: &Aggregation) -> (Vec<u32>, u32) {
    let nodes = aggregation.nodes.iter().take(MOST_NODES);
    let mut places = HashMap::new();
    for (at, node) in nodes.clone().enumerate() {
        places.entry(node.name.as_str()).or_insert(1_u32 << at);
    }
    let bit = |value: &Value| match value {
        Value::Node { name, .. } => places.get(&**name).copied().unwrap_or_default(),
        _ => 0,
    };
    let of_node = |node: &Node| {
        let mut needs = 0;
        node.for_each_value(|reading| needs |= bit(reading.value));
        needs
    };
    let needs = nodes.map(of_node).collect();
    let mut response = 0;
    if let Some(template) = &aggregation.response {
        template.for_each_value("", |reading| response |= bit(reading.value));
    }
    (needs, response)
}

/// Of each node, all that it waits for, through whichever others (Warshall, 1962).
fn closure(needs: &[u32]) -> Vec<u32> {
    let mut reach = needs.to_vec();
    for through in 0..reach.len() {
        let further = reach[through];
        for set in &mut reach {
            if has(*set, through) {
                *set |= further;
            }
        }
    }
    reach
}

fn has(set: u32, node: usize) -> bool {
    set >> node & 1 == 1
}

fn members(set: u32) -> impl Iterator<Item = usize> {
    (0..MOST_NODES).filter(move |&node| has(set, node))
}

fn name(aggregation: &Aggregation, node: usize) -> &str {
    aggregation.nodes.get(node).map_or("", |node| node.name.as_str())
}

#[cfg(test)]
mod tests;
