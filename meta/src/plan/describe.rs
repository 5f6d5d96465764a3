//! A plan in words, for whoever checks a configuration.

use std::{fmt, time::Duration};

use super::{Plan, members, name};
use crate::{
    model::{Aggregation, Merge},
    timespan::Timespan,
};

impl Plan {
    /// For people, in two or three lines: what runs when, how long it can take, and what it is put together to. `aggregation` is
    /// the one the plan is of.
    pub fn describe(&self, aggregation: &Aggregation) -> String {
        let mut text = format!("aggregation {:?}: ", aggregation.id.as_str());
        text.push_str(&self.show_stages(aggregation));
        if aggregation.is_plain() {
            text.push_str(", passed on as it is");
        }
        text.push_str(&self.show_longest(aggregation));
        if !aggregation.is_plain() {
            text.push_str(&self.show_answer(aggregation));
        }
        text
    }

    fn show_stages(&self, aggregation: &Aggregation) -> String {
        let node = |&node: &usize| match self.needs[node] {
            0 => name(aggregation, node).to_owned(),
            needs => format!(
                "{} (reads {})",
                name(aggregation, node),
                listed(aggregation, members(needs))
            ),
        };
        let stages = self.stages();
        let stages = stages.iter().map(|stage| join(stage.iter().map(node), ", "));
        join(stages, " → ")
    }

    fn show_longest(&self, aggregation: &Aggregation) -> String {
        let timeout = |node: usize| Some(aggregation.nodes.get(node)?.timeout?.get().get());
        let (chain, length) = self.longest(timeout);
        let what = if chain.len() > 1 { "chain" } else { "call" };
        let whole = aggregation.timeout();
        let within = match length {
            None => "at most",
            Some(length) if length > whole.get() => "more than",
            Some(_) => "within",
        };
        let chain = show_chain(aggregation, &chain, length);
        format!("\nlongest {what}: {chain}, {within} the timeout of {whole}")
    }

    fn show_answer(&self, aggregation: &Aggregation) -> String {
        let all = || listed(aggregation, 0..self.needs.len());
        let answer = match (&aggregation.response, aggregation.merge()) {
            (Some(_), _) if self.response == 0 => "its response, which reads no node".to_owned(),
            (Some(_), _) => {
                let read = listed(aggregation, members(self.response));
                format!("its response, which reads {read}")
            }
            (None, Merge::Object) => format!("an object of {}", all()),
            (None, Merge::Flat) => format!("one object with the members of {}", all()),
            (None, Merge::List) => format!("a list of {}", all()),
        };
        format!("\nanswer: {answer}")
    }
}

/// `user 300ms → vip 500ms = 800ms`, as far as there are timeouts; `length` is their sum.
pub(crate) fn show_chain(aggregation: &Aggregation, chain: &[usize], length: Option<Duration>) -> String {
    let node = |&at: &usize| {
        let name = name(aggregation, at);
        match aggregation.nodes.get(at).and_then(|node| node.timeout) {
            Some(timeout) => format!("{name} {}", timeout.get()),
            None => name.to_owned(),
        }
    };
    let mut text = join(chain.iter().map(node), " → ");
    if let (Some(length), [_, _, ..]) = (length, chain) {
        let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        text.push_str(&format!(" = {}", Timespan::from_millis(millis)));
    }
    text
}

fn listed(aggregation: &Aggregation, nodes: impl Iterator<Item = usize>) -> String {
    join(nodes.map(|node| name(aggregation, node)), ", ")
}

fn join<T: fmt::Display>(parts: impl Iterator<Item = T>, between: &str) -> String {
    let parts: Vec<String> = parts.map(|part| part.to_string()).collect();
    parts.join(between)
}
