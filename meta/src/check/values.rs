//! Which values the calls and the response of an aggregation read that are not there, or need not be.

use std::collections::{BTreeSet, HashMap};

use super::{Fault, MOST_FAULTS, front::no_parameter, near};
use crate::{
    language::{Reading, Value},
    model::{Aggregation, Method, Node},
};

/// Knows what there is to read.
pub(super) struct Scope<'a> {
    aggregation: &'a Aggregation,
    places: HashMap<&'a str, usize>,
}

impl<'a> Scope<'a> {
    pub(super) fn of(aggregation: &'a Aggregation) -> Self {
        let mut places = HashMap::new();
        for (at, node) in aggregation.nodes.iter().enumerate() {
            places.entry(node.name.as_str()).or_insert(at);
        }
        Self { aggregation, places }
    }

    /// What the node listed at `own` reads; pointers begin at the node.
    pub(super) fn node(&self, own: usize, node: &Node) -> Vec<Fault> {
        let mut faults = Vec::new();
        // One word about each node that may fail is enough.
        let mut warned = BTreeSet::new();
        node.for_each_value(|reading| {
            if faults.len() < MOST_FAULTS {
                let never = self.never_there(Some(own), &reading);
                faults.extend(never.or_else(|| self.perhaps_not_there(&reading, &mut warned)));
            }
        });
        faults
    }

    /// What `response` reads. It may read what need not be there: null stands for that.
    pub(super) fn response(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(response) = &self.aggregation.response {
            response.for_each_value("/response", |reading| {
                if faults.len() < MOST_FAULTS {
                    faults.extend(self.never_there(None, &reading));
                }
            });
        }
        faults
    }

    /// `own` is the node that reads, `None` is the response.
    fn never_there(&self, own: Option<usize>, reading: &Reading<'_>) -> Option<Fault> {
        let message = match reading.value {
            Value::Param(name) => no_parameter(&self.aggregation.matching, name)?,
            Value::Body(_) => {
                let method = bodiless_of(&self.aggregation.matching.methods)?.get();
                format!(
                    "{}: {method} has no body: add POST to match.methods",
                    reading.value
                )
            }
            Value::Node { name, .. } => match self.places.get(&**name) {
                None => self.no_node(name),
                Some(at) if own == Some(*at) => {
                    format!("{}: a node cannot read its own answer", reading.value)
                }
                Some(_) => return None,
            },
            _ => return None,
        };
        Some(Fault::error(reading.pointer, message).at(reading))
    }

    fn no_node(&self, name: &str) -> String {
        let shown: String = name.chars().take(70).collect();
        let names = self.aggregation.nodes.iter().map(|node| node.name.as_str());
        match near(name, names.clone()) {
            Some(near) => format!("there is no node {shown:?}; did you mean {near:?}?"),
            None => {
                let names: Vec<&str> = names.collect();
                format!("there is no node {shown:?}; there are: {}", names.join(", "))
            }
        }
    }

    /// A value of a node that may fail and has nothing to stand in for its answer.
    fn perhaps_not_there(&self, reading: &Reading<'_>, warned: &mut BTreeSet<usize>) -> Option<Fault> {
        let Value::Node { name, .. } = reading.value else {
            return None;
        };
        let at = *self.places.get(&**name)?;
        let read = self.aggregation.nodes.get(at)?;
        if read.required || read.fallback.is_some() || !warned.insert(at) {
            return None;
        }
        let then = match reading.pointer {
            "/url" => "this call is not made",
            "/when" => "this condition does without it",
            _ => "this call is made without it",
        };
        let message = format!(
            "if {name:?} fails there is no such value and {then}: give {name:?} a \"fallback\", be it null"
        );
        Some(Fault::warning(reading.pointer, message).at(reading))
    }
}

/// The first of `methods` if requests of none of them have a body (RFC 9110 §9.3); no methods stand for all.
pub(super) fn bodiless_of(methods: &[Method]) -> Option<&Method> {
    let first = methods.first()?;
    let none = methods.iter().all(|method| is_bodiless(method.get()));
    none.then_some(first)
}

/// Whether requests with the method have no body.
pub(super) fn is_bodiless(method: &http::Method) -> bool {
    method.is_safe() || *method == http::Method::CONNECT
}
