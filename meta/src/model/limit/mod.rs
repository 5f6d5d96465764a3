//! A limit: how many requests pass in a time, and how many are under way at once. The same for a server, a cluster, a route, an
//! aggregation and a whole proxy; what only some of them can say, [`crate::check`] knows.

mod key;
mod rate;

pub use key::{LimitKey, MissingKey};
pub use rate::{PerSecond, Rate, RateLimit};

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::bounds::{MINUTE, Span, Whole};

/// How many requests pass in a time, and how many are under way at once, on each proxy; 429 for those beyond.
///
/// Names at least one of `requests_per_second`, `rate` and `max_in_flight`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// How many requests a second pass in the long run: 1/3600 to 10,000,000, fractions allowed. Not together with `rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<PerSecond>,
    /// The same as requests in a time, `100/1m` or `100/m` for short. Not together with `requests_per_second`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// How many pass at once after a pause: 1 to 10,000,000. If absent, what comes in 50 ms, at least 2; below one a second, 1.
    ///
    /// Needs `requests_per_second` or `rate`, and is no more than that brings in 1000 h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Whole<1, 10_000_000>>,
    /// How many requests are under way at once: 1 to 1,000,000; any number if absent. A cluster can say `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<MaxInFlight>,
    /// Where requests wait for one of `max_in_flight` to end; refused at once if absent. Not together with `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// Whether requests beyond the limit are refused (`enforce`, the default) or only counted (`shadow`).
    #[serde(default, skip_serializing_if = "LimitMode::is_default")]
    pub mode: LimitMode,
    /// Of a route or an aggregation only: each value of this has the limit for itself; all requests share it if absent.
    ///
    /// `client_ip`, or 1 to 4 values that count together, as in `[client_ip, header.x-tenant]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<LimitKey>,
    /// What happens to a request that lacks a value of `key`; `admit` if absent. Needs `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingKey>,
}

impl Limit {
    /// The limit of the rate with its burst worked out; `None` if any rate will do.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        let (requests, per) = match (self.requests_per_second, self.rate) {
            (Some(rate), _) => (rate.get(), std::time::Duration::from_secs(1)),
            (None, Some(rate)) => (f64::from(rate.requests()), rate.per().get()),
            (None, None) => return None,
        };
        Some(RateLimit::new(requests, per, self.burst.map(Whole::get)))
    }

    /// What happens to a request without the values of the key.
    pub fn missing(&self) -> MissingKey {
        self.missing.unwrap_or_default()
    }
}

/// How many requests are under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MaxInFlight {
    /// So many: 1 to 1,000,000.
    Requests(Whole<1, 1_000_000>),
    /// As many as answers keep coming back in time for; found out while running.
    Auto,
}

impl MaxInFlight {
    /// The number, if one is set.
    pub const fn requests(self) -> Option<u32> {
        match self {
            Self::Requests(most) => Some(most.get()),
            Self::Auto => None,
        }
    }
}

impl<'de> Deserialize<'de> for MaxInFlight {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl de::Visitor<'_> for Either {
            type Value = MaxInFlight;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 1 to 1000000, or auto")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<MaxInFlight, E> {
                Whole::read(number).map(MaxInFlight::Requests)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<MaxInFlight, E> {
                Whole::read(number).map(MaxInFlight::Requests)
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<MaxInFlight, E> {
                match word {
                    "auto" => Ok(MaxInFlight::Auto),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }
        }
        from.deserialize_any(Either)
    }
}

impl Serialize for MaxInFlight {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Requests(most) => most.serialize(to),
            Self::Auto => to.serialize_str("auto"),
        }
    }
}

impl JsonSchema for MaxInFlight {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MaxInFlight".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let number = generator.subschema_for::<Whole<1, 1_000_000>>();
        json_schema!({ "anyOf": [number, { "const": "auto" }] })
    }
}

/// Where requests wait that came when `max_in_flight` were under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// How many wait at once: 1 to 100,000. Who comes when it is full is refused.
    pub size: Whole<1, 100_000>,
    /// How long one waits before it is refused: 1 ms to 1 min.
    pub wait: Span<1, MINUTE>,
}

/// What a limit does to what is beyond it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitMode {
    /// Refuses it with 429.
    #[default]
    Enforce,
    /// Lets it pass and counts what would have been refused.
    Shadow,
}

impl LimitMode {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests;
