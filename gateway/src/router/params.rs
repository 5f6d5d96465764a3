//! What a pattern's parameters took from a path.

use std::sync::Arc;

use meta::pattern::{MAX_PARAMETERS, PathPattern, Segment};

use super::segments::Segments;

/// One named parameter of a pattern.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Parameter {
    name: Box<str>,
    /// How many segments come before it.
    depth: usize,
    is_tail: bool,
}

impl Parameter {
    /// The named parameters of a pattern, from left to right.
    pub(super) fn all(pattern: Option<&PathPattern>) -> Arc<[Parameter]> {
        let segments = pattern.map_or(&[][..], |pattern| pattern.segments());
        let named = segments.iter().enumerate().filter_map(|(depth, segment)| {
            let is_tail = matches!(segment, Segment::Tail(_));
            segment.name().map(|name| Parameter {
                name: name.into(),
                depth,
                is_tail,
            })
        });
        named.collect()
    }
}

/// The parameters of a match: pieces of the path in normal form, still percent-encoded.
///
/// Names live as long as the router (`'r`), values as the path (`'p`).
#[derive(Debug, Clone, Copy)]
pub struct Params<'r, 'p> {
    parameters: &'r [Parameter],
    values: [&'p str; MAX_PARAMETERS],
}

impl<'r, 'p> Params<'r, 'p> {
    /// Reads the values of `parameters` from a path that their pattern matched.
    pub(super) fn new(parameters: &'r [Parameter], segments: &Segments<'p>) -> Self {
        let mut values = [""; MAX_PARAMETERS];
        for (value, parameter) in values.iter_mut().zip(parameters) {
            *value = match parameter.is_tail {
                true => segments.rest(parameter.depth),
                false => segments.text(parameter.depth),
            };
        }
        Params { parameters, values }
    }

    /// The value of `name`; nothing if the pattern has no such parameter.
    pub fn get(&self, name: &str) -> Option<&'p str> {
        self.iter()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }

    /// Whether `name` is the pattern's tail, whose value may be empty and may contain slashes.
    pub fn is_tail(&self, name: &str) -> bool {
        self.parameters
            .last()
            .is_some_and(|last| last.is_tail && *last.name == *name)
    }

    /// Names and values, from left to right.
    pub fn iter(&self) -> impl Iterator<Item = (&'r str, &'p str)> {
        self.parameters
            .iter()
            .map(|parameter| &*parameter.name)
            .zip(self.values)
    }
}
