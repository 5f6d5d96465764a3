//! What may be compared with what, decided when a condition is read.
//!
//! - Headers, cookies, parameters, bodies and nodes hold text that may be a number: they take part in everything.
//! - `method host path scheme` and the whole `query` are text that is never a number and has no useful order.
//! - `client_ip` is an address: `==`, `!=` and `in`, with addresses and networks.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use regex::RegexBuilder;

use super::super::error::SyntaxError;
use super::super::number::Number;
use super::super::value::Value;
use super::Test;
use super::lexer::Comparison;

/// How much memory a compiled regex, and the cache it matches with, may take at most. Some 250 regexes fit in the longest
/// condition, so the worst one takes as many times this; it can only come from whoever may change the configuration.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Something, and the byte where it stands.
pub(super) struct Placed<T> {
    pub(super) at: usize,
    pub(super) is: T,
}

/// What stands on one side of an operator.
pub(super) enum Side {
    Value(Value),
    Literal(Literal),
}

/// What is written out in the condition itself.
pub(super) enum Literal {
    Text(Box<str>),
    Number(Number<'static>),
}

/// The typing of one term.
pub(super) struct Typing<'a> {
    pub(super) source: &'a str,
    pub(super) operator_at: usize,
}

impl Typing<'_> {
    pub(super) fn presence(&self, side: Placed<Side>) -> Result<Test, SyntaxError> {
        match side.is {
            Side::Value(Value::ClientIp) => Err(self.fail(self.operator_at, ADDRESS_OPERATORS)),
            Side::Value(value) => Ok(Test::Present(value)),
            Side::Literal(_) => Err(self.fail(
                self.operator_at,
                "expected a comparison with a value, like `== header.x-user`",
            )),
        }
    }

    pub(super) fn comparison(
        &self,
        left: Placed<Side>,
        comparison: Comparison,
        right: Placed<Side>,
    ) -> Result<Test, SyntaxError> {
        match (left.is, right.is) {
            (Side::Value(left), Side::Value(right)) => self.two_values(left, comparison, right),
            (Side::Value(value), Side::Literal(literal)) => self.with_literal(
                value,
                comparison,
                Placed {
                    at: right.at,
                    is: literal,
                },
            ),
            (Side::Literal(literal), Side::Value(value)) => self.with_literal(
                value,
                comparison.mirrored(),
                Placed {
                    at: left.at,
                    is: literal,
                },
            ),
            (Side::Literal(_), Side::Literal(_)) => Err(self.fail(
                left.at,
                "expected a value, like `header.x-user`, on one side of the comparison",
            )),
        }
    }

    pub(super) fn membership(
        &self,
        left: Placed<Side>,
        items: Vec<Placed<Literal>>,
    ) -> Result<Test, SyntaxError> {
        let value = self.value(left, "in")?;
        if value == Value::ClientIp {
            let networks = items
                .into_iter()
                .map(|item| self.network(item))
                .collect::<Result<_, _>>()?;
            return Ok(Test::ClientIn {
                networks,
                wanted: true,
            });
        }
        let (mut texts, mut numbers) = (Vec::new(), Vec::new());
        for item in items {
            match item.is {
                Literal::Text(text) => texts.push(text),
                Literal::Number(_) if !may_be_number(&value) => {
                    return Err(self.never_a_number(item.at, &value));
                }
                Literal::Number(number) => numbers.push(number),
            }
        }
        Ok(Test::OneOf {
            value,
            texts: texts.into(),
            numbers: numbers.into(),
        })
    }

    pub(super) fn matching(
        &self,
        left: Placed<Side>,
        pattern: Placed<String>,
        wanted: bool,
    ) -> Result<Test, SyntaxError> {
        let value = self.value(left, if wanted { "~" } else { "!~" })?;
        if value == Value::ClientIp {
            return Err(self.fail(self.operator_at, ADDRESS_OPERATORS));
        }
        let regex = RegexBuilder::new(&pattern.is)
            .size_limit(MAX_REGEX_BYTES)
            .dfa_size_limit(MAX_REGEX_BYTES)
            .build();
        let regex = regex.map_err(|error| self.bad_regex(pattern.at, &error))?;
        Ok(Test::Matches { value, regex, wanted })
    }

    fn value(&self, side: Placed<Side>, operator: &str) -> Result<Value, SyntaxError> {
        match side.is {
            Side::Value(value) => Ok(value),
            Side::Literal(_) => Err(self.fail(
                side.at,
                format!("expected a value, like `header.x-user`, before \"{operator}\""),
            )),
        }
    }

    fn two_values(&self, left: Value, comparison: Comparison, right: Value) -> Result<Test, SyntaxError> {
        for value in [&left, &right] {
            if *value == Value::ClientIp {
                return Err(self.fail(
                    self.operator_at,
                    "expected \"client_ip\" to be compared with an address in quotes",
                ));
            }
            self.check_order(value, comparison)?;
        }
        Ok(Test::Values {
            left,
            comparison,
            right,
        })
    }

    fn with_literal(
        &self,
        value: Value,
        comparison: Comparison,
        literal: Placed<Literal>,
    ) -> Result<Test, SyntaxError> {
        if value == Value::ClientIp {
            if comparison.orders() {
                return Err(self.fail(self.operator_at, ADDRESS_OPERATORS));
            }
            let networks = [self.network(literal)?].into();
            return Ok(Test::ClientIn {
                networks,
                wanted: comparison == Comparison::Equal,
            });
        }
        match literal.is {
            Literal::Number(_) if !may_be_number(&value) => Err(self.never_a_number(literal.at, &value)),
            Literal::Number(number) => Ok(Test::Number {
                value,
                comparison,
                number,
            }),
            Literal::Text(text) => {
                self.check_order(&value, comparison)?;
                if comparison.orders() && Number::parse(&text).is_some() {
                    return Err(self.fail(
                        literal.at,
                        format!("expected `{text}` without quotes, to compare numbers"),
                    ));
                }
                Ok(Test::Text {
                    value,
                    comparison,
                    text,
                })
            }
        }
    }

    fn check_order(&self, value: &Value, comparison: Comparison) -> Result<(), SyntaxError> {
        if comparison.orders() && !may_be_number(value) {
            let message = format!("expected `==`, `!=`, `in`, `~` or `!~` with \"{value}\"");
            return Err(self.fail(self.operator_at, message));
        }
        Ok(())
    }

    /// A network, or an address as the network of itself. IPv4 written as IPv6 (`::ffff:10.0.0.1`) is IPv4.
    fn network(&self, literal: Placed<Literal>) -> Result<IpNet, SyntaxError> {
        let network = match &literal.is {
            Literal::Text(text) => text
                .parse()
                .ok()
                .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)),
            Literal::Number(_) => None,
        };
        network.map(as_ipv4_if_mapped).ok_or_else(|| {
            self.fail(
                literal.at,
                "expected an address or a network in quotes, like `\"10.0.0.0/8\"`,",
            )
        })
    }

    fn never_a_number(&self, at: usize, value: &Value) -> SyntaxError {
        self.fail(
            at,
            format!("expected text in quotes, as \"{value}\" is never a number,"),
        )
    }

    fn bad_regex(&self, at: usize, error: &regex::Error) -> SyntaxError {
        let reason = error.to_string();
        // The reason is the last line; those before it draw an arrow under the pattern.
        let reason = reason.lines().last().unwrap_or_default();
        let reason = reason
            .strip_prefix("error: ")
            .unwrap_or(reason)
            .trim_end_matches('.');
        self.fail(at, format!("expected a valid regular expression ({reason})"))
    }

    fn fail(&self, at: usize, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.source, at, message)
    }
}

const ADDRESS_OPERATORS: &str = "expected `==`, `!=` or `in` with \"client_ip\"";

fn may_be_number(value: &Value) -> bool {
    match value {
        Value::Header(_)
        | Value::Cookie(_)
        | Value::Query(_)
        | Value::Param(_)
        | Value::Body(_)
        | Value::Node { .. } => true,
        Value::Method | Value::Host | Value::Path | Value::QueryString | Value::ClientIp | Value::Scheme => {
            false
        }
    }
}

fn as_ipv4_if_mapped(network: IpNet) -> IpNet {
    /// The length of `::ffff:0:0/96`, below which the IPv4 addresses lie.
    const MAPPED: u8 = 96;
    let mapped = |network: &IpNet| -> Option<Ipv4Net> {
        let IpNet::V6(v6) = network else { return None };
        let address: Ipv4Addr = v6.addr().to_ipv4_mapped()?;
        Ipv4Net::new(address, v6.prefix_len().checked_sub(MAPPED)?).ok()
    };
    mapped(&network).map_or(network, IpNet::V4)
}
