//! Conditions: what a request must be like, such as `header.x-version >= 2 && cookie.group == "b"`.
//!
//! - Compared with a number, a value counts if it is one; with text in quotes, as text. Two values are compared as numbers if
//!   both are, else as text. Numbers are compared exactly, however large.
//! - A value that the request does not have is different from everything: `!=` and `!~` hold, nothing else does. The same
//!   goes for a value that is no number, compared with one.
//! - A value alone holds if it is there and not empty.
//! - `client_ip` is in a network or not; IPv4 addresses in IPv6 form are IPv4.

mod grammar;
mod lexer;
#[cfg(test)]
mod tests;
mod typing;

use std::cmp::Ordering;
use std::sync::Arc;

use ipnet::IpNet;
use regex::Regex;

use super::error::SyntaxError;
use super::number::Number;
use super::text_form::{known_by_its_source, written_as_text};
use super::value::{Value, Values};
use crate::shared::Shared;
use lexer::Comparison;

/// A condition on a request. Cheap to clone; two are equal if they are written alike.
#[derive(Clone)]
pub struct Condition {
    parsed: Arc<Parsed>,
}

impl Condition {
    /// Reads and types a condition of at most 4096 bytes; the error is the first mistake in it.
    pub fn parse(source: &str) -> Result<Self, SyntaxError> {
        Ok(Self {
            parsed: PARSED.get_or_make(source, || grammar::parse(source))?,
        })
    }

    /// Whether the request meets the condition. Allocates nothing beyond what `values` does.
    pub fn holds<V: Values + ?Sized>(&self, values: &V) -> bool {
        self.parsed.root.holds(values)
    }

    /// How many tests it is made of; at least 1. The more, the more specific.
    pub fn terms(&self) -> usize {
        self.parsed.terms
    }

    /// The values it asks for, each with the byte where it stands, in the order they are written.
    pub fn values(&self) -> impl Iterator<Item = (usize, &Value)> {
        self.parsed.values.iter().map(|(at, value)| (*at, value))
    }
}

static PARSED: Shared<Parsed> = Shared::new();

struct Parsed {
    source: Box<str>,
    root: Expression,
    terms: usize,
    values: Box<[(usize, Value)]>,
}

enum Expression {
    Any(Box<[Expression]>),
    All(Box<[Expression]>),
    Not(Box<Expression>),
    Test(Test),
}

/// One question to the request.
enum Test {
    Present(Value),
    Text {
        value: Value,
        comparison: Comparison,
        text: Box<str>,
    },
    Number {
        value: Value,
        comparison: Comparison,
        number: Number<'static>,
    },
    Values {
        left: Value,
        comparison: Comparison,
        right: Value,
    },
    OneOf {
        value: Value,
        texts: Box<[Box<str>]>,
        numbers: Box<[Number<'static>]>,
    },
    Matches {
        value: Value,
        regex: Regex,
        wanted: bool,
    },
    ClientIn {
        networks: Box<[IpNet]>,
        wanted: bool,
    },
}

impl Expression {
    /// The only part there is, or all of them joined.
    fn one_or(mut parts: Vec<Expression>, join: fn(Box<[Expression]>) -> Expression) -> Expression {
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => {
                parts.extend(last);
                join(parts.into())
            }
        }
    }

    fn holds<V: Values + ?Sized>(&self, values: &V) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.holds(values)),
            Self::All(parts) => parts.iter().all(|part| part.holds(values)),
            Self::Not(part) => !part.holds(values),
            Self::Test(test) => test.holds(values),
        }
    }
}

impl Test {
    fn holds<V: Values + ?Sized>(&self, values: &V) -> bool {
        match self {
            Self::Present(value) => values.text(value).is_some_and(|text| !text.is_empty()),
            Self::Text {
                value,
                comparison,
                text,
            } => comparison.holds(values.text(value).map(|found| (*found).cmp(&**text))),
            Self::Number {
                value,
                comparison,
                number,
            } => comparison.holds(
                values
                    .text(value)
                    .and_then(|found| Some(Number::parse(&found)?.compare(number))),
            ),
            Self::Values {
                left,
                comparison,
                right,
            } => {
                let sides = values.text(left).zip(values.text(right));
                comparison.holds(sides.map(|(left, right)| compare(&left, &right)))
            }
            Self::OneOf {
                value,
                texts,
                numbers,
            } => values.text(value).is_some_and(|found| {
                let same_number = |found| numbers.iter().any(|number| number.compare(&found).is_eq());
                texts.iter().any(|text| **text == *found)
                    || !numbers.is_empty() && Number::parse(&found).is_some_and(same_number)
            }),
            Self::Matches { value, regex, wanted } => {
                values.text(value).is_some_and(|found| regex.is_match(&found)) == *wanted
            }
            Self::ClientIn { networks, wanted } => {
                let client = values.client_ip().to_canonical();
                networks.iter().any(|network| network.contains(&client)) == *wanted
            }
        }
    }
}

/// As numbers if both are, else as text.
fn compare(left: &str, right: &str) -> Ordering {
    match (Number::parse(left), Number::parse(right)) {
        (Some(left), Some(right)) => left.compare(&right),
        _ => left.cmp(right),
    }
}

known_by_its_source!(Condition);

written_as_text!(
    Condition,
    "What a request must be like. Values as in header.NAME, cookie.NAME, query.NAME, param.NAME, method, host, path, client_ip; \
     operators == != < <= > >= in ~ !~, && || ! and parentheses; text in quotes, numbers without. A value alone means that it is \
     there and not empty.",
    examples: [
        "header.x-version >= 2 && cookie.group == \"b\"",
        "client_ip in [\"10.0.0.0/8\"] || query.beta ~ \"^1$\""
    ]
);
