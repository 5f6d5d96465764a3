//! A server: one backend address, how it is reached, how its health is checked and how it is protected.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{Breaker, Limit, is_true, yes};
use crate::{address::Address, id::Id, timespan::Timespan};

/// One backend address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The name of the server.
    pub id: Id,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For people: words to filter by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// A server that is not enabled gets no new request and finishes those in flight.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// Where it listens. A name is resolved in the background and all its addresses are used.
    pub address: Address,
    /// How it is spoken to.
    #[serde(default, skip_serializing_if = "Scheme::is_default")]
    pub scheme: Scheme,
    /// Its share of a cluster's traffic relative to the others, 1 to 1000; a binding may say otherwise.
    #[serde(default, skip_serializing_if = "Weight::is_default")]
    pub weight: Weight,
    /// How its health is checked; without it, as its cluster says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// How many requests it gets, over all clusters it is in. At its limit it is passed over for another server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// When it gets a pause; without it, as its cluster says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// HTTP/1.1 in the clear.
    #[default]
    Http,
}

impl Scheme {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A share of traffic relative to others: 1 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Weight(u32);

impl Weight {
    /// The weight of whoever has none set.
    pub const ONE: Self = Self(1);

    /// `weight` if it is from 1 to 1000.
    pub fn new(weight: u32) -> Option<Self> {
        (1..=1000).contains(&weight).then_some(Self(weight))
    }

    /// The number, 1 to 1000.
    pub const fn get(self) -> u32 {
        self.0
    }

    fn is_default(&self) -> bool {
        *self == Self::ONE
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ONE
    }
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;
        impl de::Visitor<'_> for Number {
            type Value = Weight;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 1 to 1000")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Weight, E> {
                let weight = u32::try_from(number).ok().and_then(Weight::new);
                weight.ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }
        }
        from.deserialize_u64(Number)
    }
}

impl JsonSchema for Weight {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Weight".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "minimum": 1, "maximum": 1000 })
    }
}

/// How a server's health is checked: at once at start, then at a constant, jittered interval.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// `http` asks for `path`; `tcp` only connects.
    #[serde(default, rename = "type")]
    pub probe: Probe,
    /// What an HTTP check asks for; `/` if absent. Only for `type: http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The `Host` an HTTP check sends; the server's address if absent. Only for `type: http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// From one check to the next, ±10 %: 100 ms to 1 h.
    #[serde(default = "HealthCheck::default_interval")]
    pub interval: Timespan,
    /// How long one check may take in all: 1 ms to 1 min.
    #[serde(default = "HealthCheck::default_timeout")]
    pub timeout: Timespan,
    /// The statuses that count as healthy; 200 if absent. Only for `type: http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Vec<u16>>,
    /// What the first 64 KiB of the body must contain; any body will do if absent. Only for `type: http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// So many good checks in a row make an unhealthy server healthy: 1 to 100.
    #[serde(default = "HealthCheck::default_after")]
    pub healthy_after: u32,
    /// So many failed checks in a row make a healthy server unhealthy: 1 to 100.
    #[serde(default = "HealthCheck::default_after")]
    pub unhealthy_after: u32,
}

impl HealthCheck {
    fn default_interval() -> Timespan {
        Timespan::from_secs(5)
    }

    fn default_timeout() -> Timespan {
        Timespan::from_secs(1)
    }

    fn default_after() -> u32 {
        1
    }

    /// The path an HTTP check asks for.
    pub fn path(&self) -> &str {
        self.path.as_deref().unwrap_or("/")
    }

    /// Whether an HTTP check takes `status` as healthy.
    pub fn accepts_status(&self, status: u16) -> bool {
        self.status
            .as_ref()
            .map_or(status == 200, |statuses| statuses.contains(&status))
    }
}

/// What a health check does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Sends a GET and judges the answer.
    #[default]
    Http,
    /// Connects, no more.
    Tcp,
}
