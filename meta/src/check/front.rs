//! What is wrong with what routes and aggregations have alike, and which values can be read before either does its work.

use std::fmt;

use super::{Fault, MOST_FAULTS, breakers, endpoint::Front, limits, near};
use crate::{
    bounds::out_of_bounds,
    document::{Flaw, pointer_token},
    filters::{FilterKind, FilterKinds},
    language::Value,
    model::{FilterSpec, HashKey, Kind, Match},
};

const PRIORITIES: std::ops::RangeInclusive<i32> = -1_000_000..=1_000_000;

/// Whether a filter of an endpoint answers every request by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    Yes,
    No,
    /// A filter that is not known may have been meant to.
    Perhaps,
}

/// The faults of what every endpoint has, and whether a filter answers.
pub(super) fn front(front: Front<'_>, kinds: &FilterKinds) -> (Vec<Fault>, Answers) {
    let mut faults = Vec::new();
    if !PRIORITIES.contains(&front.priority) {
        let message = out_of_bounds(front.priority, PRIORITIES.start(), PRIORITIES.end());
        faults.push(Fault::error("/priority", message));
    }
    let reader = Reader::of(front);
    if let Some(when) = &front.matching.when {
        faults.extend(reader.text("/match/when", when, when.values()));
    }
    faults.extend(limits::limit(front.limit, front.kind.into()));
    faults.extend(limit_key(front, reader));
    faults.extend(breakers::breaker(front.breaker, front.kind));
    let (of_filters, answers) = filters(front.filters, kinds, reader);
    faults.extend(of_filters);
    (faults, answers)
}

/// What a limit's key asks for and the request does not have.
fn limit_key(front: Front<'_>, reader: Reader<'_>) -> Vec<Fault> {
    match front.limit.and_then(|limit| limit.key.as_ref()) {
        None => Vec::new(),
        Some(key) => match key.values() {
            [HashKey(one)] => reader.fault("/limit/key", one).into_iter().collect(),
            several => reader.keys("/limit/key", several),
        },
    }
}

fn filters(specs: &[FilterSpec], kinds: &FilterKinds, reader: Reader<'_>) -> (Vec<Fault>, Answers) {
    let mut faults = Vec::new();
    let mut answers = Answers::No;
    for (at, spec) in specs.iter().enumerate() {
        let under = format!("/filters/{at}{}", pointer_token(&spec.kind));
        let Some(kind) = kinds.get(&spec.kind) else {
            faults.push(Fault::error(under, no_filter(&spec.kind, kinds)).of_key());
            if answers == Answers::No {
                answers = Answers::Perhaps;
            }
            continue;
        };
        if answers == Answers::Yes {
            let message = "a filter before this one answers: this one never sees a request";
            faults.push(Fault::warning(&under, message));
        }
        if kind.answers {
            answers = Answers::Yes;
        }
        faults.extend(filter(kind, spec, &under, reader));
    }
    (faults, answers)
}

fn filter(kind: &FilterKind, spec: &FilterSpec, under: &str, reader: Reader<'_>) -> Vec<Fault> {
    match kind.read(&spec.config) {
        Ok(values) => {
            let at = |(pointer, value): (String, Value)| reader.fault(&format!("{under}{pointer}"), &value);
            values.into_iter().filter_map(at).take(MOST_FAULTS).collect()
        }
        Err(flaws) => flaws
            .into_iter()
            .map(|flaw| {
                let pointer = format!("{under}{}", flaw.pointer);
                Fault::from(Flaw { pointer, ..flaw })
            })
            .collect(),
    }
}

fn no_filter(wanted: &str, kinds: &FilterKinds) -> String {
    let shown: String = wanted.chars().take(60).collect();
    let all = kinds.names().collect::<Vec<_>>().join(", ");
    match near(wanted, kinds.names()) {
        Some(near) => format!("there is no filter {shown:?}; did you mean {near:?}? There are: {all}"),
        None => format!("there is no filter {shown:?}; there are: {all}"),
    }
}

/// Knows which values a request has before a server or a node is called.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    kind: Kind,
    matching: &'a Match,
}

impl<'a> Reader<'a> {
    pub(super) fn of(front: Front<'a>) -> Self {
        Self {
            kind: front.kind,
            matching: front.matching,
        }
    }

    /// Why `value`, which is asked for at `pointer`, is not there.
    pub(super) fn fault(self, pointer: &str, value: &Value) -> Option<Fault> {
        if let Value::Param(name) = value {
            return Some(Fault::error(pointer, no_parameter(self.matching, name)?));
        }
        let why = match (value, self.kind) {
            (Value::Body(_), Kind::Aggregation) => {
                "match, limit and filters come before the body is read: only nodes and \"response\" read it"
            }
            (Value::Node { .. }, Kind::Aggregation) => {
                "match, limit and filters run before any node is called: only nodes and \"response\" read it"
            }
            (Value::Body(_), _) => "a route does not read bodies",
            (Value::Node { .. }, _) => "only an aggregation has nodes",
            _ => return None,
        };
        Some(Fault::error(pointer, format!("{value}: {why}")))
    }

    /// The same for all values of the text at `pointer`, each with the byte where it stands.
    pub(super) fn text<'v>(
        self,
        pointer: &str,
        text: &dyn fmt::Display,
        values: impl Iterator<Item = (usize, &'v Value)>,
    ) -> Vec<Fault> {
        let at = |(offset, value)| Some(self.fault(pointer, value)?.within(&text.to_string(), offset));
        values.filter_map(at).take(MOST_FAULTS).collect()
    }

    /// The same for the list of values at `pointer`.
    pub(super) fn keys(self, pointer: &str, keys: &[HashKey]) -> Vec<Fault> {
        let keys = keys.iter().enumerate();
        keys.filter_map(|(at, HashKey(value))| self.fault(&format!("{pointer}/{at}"), value))
            .take(MOST_FAULTS)
            .collect()
    }
}

/// What is said of a parameter that the path does not have.
pub(super) fn no_parameter(matching: &Match, name: &str) -> Option<String> {
    let path = matching.path.as_ref();
    let names: Vec<&str> = path.into_iter().flat_map(|path| path.parameters()).collect();
    if names.contains(&name) {
        return None;
    }
    let there = match names.as_slice() {
        [] => "the path has no parameters".to_owned(),
        names => format!("the path has: {}", names.join(", ")),
    };
    Some(format!("there is no parameter {name:?}; {there}"))
}
