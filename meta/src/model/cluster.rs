//! A cluster: servers that give the same service, how to balance over them, how long to wait, when to try again.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Breaker, HealthCheck, Limit, Weight, is_true, yes};
use crate::{id::Id, language::Value, timespan::Timespan};

/// Servers that give the same service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// The name of the cluster.
    pub id: Id,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For people: words to filter by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// A cluster that is not enabled gets no new request: 503.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// How a server is chosen.
    #[serde(default)]
    pub load_balance: LoadBalance,
    /// The members.
    #[serde(default)]
    pub servers: Vec<Binding>,
    /// How the health of members is checked that do not say so themselves; without it they are not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// What happens when every member is unhealthy.
    #[serde(default, skip_serializing_if = "OnAllUnhealthy::is_default")]
    pub on_all_unhealthy: OnAllUnhealthy,
    /// How long the share of a server that is new or healthy again grows from nothing to its weight; at once if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<Timespan>,
    /// How long is waited for what.
    #[serde(default)]
    pub timeout: Timeouts,
    /// When a request is sent again; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How many requests the cluster gets from a proxy as a whole, which also bounds each of its servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// When members get a pause that do not say so themselves; never if absent.
    ///
    /// Of clusters that share a server and say different things, the one with the smallest id decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
}

/// A server's membership in a cluster: `users-1` or `{ id: users-1, weight: 3 }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The server.
    pub id: Id,
    /// Its weight here; the server's own if absent.
    pub weight: Option<Weight>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongBinding {
    id: Id,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<Weight>,
}

impl<'de> Deserialize<'de> for Binding {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = Binding;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the id of a server, or { id, weight }")
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<Binding, E> {
                Ok(Binding {
                    id: id.parse().map_err(E::custom)?,
                    weight: None,
                })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Binding, A::Error> {
                let long = LongBinding::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Binding {
                    id: long.id,
                    weight: long.weight,
                })
            }
        }
        from.deserialize_any(Either)
    }
}

impl Serialize for Binding {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.weight {
            None => self.id.serialize(to),
            weight => LongBinding {
                id: self.id.clone(),
                weight,
            }
            .serialize(to),
        }
    }
}

impl JsonSchema for Binding {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Binding".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let id = generator.subschema_for::<Id>();
        let long = generator.subschema_for::<LongBinding>();
        json_schema!({ "anyOf": [id, long] })
    }
}

/// How a server is chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadBalance {
    /// In turn by weight, smoothly: with weights 5, 1, 1 the small ones stand between the large one's turns.
    #[default]
    RoundRobin,
    /// At random by weight.
    Random,
    /// Of two taken at random the one with fewer requests in flight for its weight; failures count as slow.
    LeastRequest,
    /// By the client's address, consistently (ketama).
    IpHash,
    /// By a value of the request, consistently (ketama); by the client's address if the value is absent.
    ConsistentHash(HashKey),
}

/// The value of a request that decides: `header.NAME`, `cookie.NAME`, `query.NAME`, `param.NAME`, `path`, `host` or `client_ip`.
#[derive(Clone, Debug, PartialEq)]
pub struct HashKey(pub Value);

impl<'de> Deserialize<'de> for HashKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let value = Value::parse(&text).map_err(de::Error::custom)?;
        match value {
            Value::Body(_) | Value::Node { .. } => Err(de::Error::custom(format!(
                "{text:?} cannot be a key: use header.NAME, cookie.NAME, query.NAME, param.NAME, path, host or client_ip"
            ))),
            value => Ok(Self(value)),
        }
    }
}

impl Serialize for HashKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl JsonSchema for HashKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HashKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A value of the request: header.NAME, cookie.NAME, query.NAME, param.NAME, path, host or client_ip.",
            "examples": ["header.x-user", "cookie.session", "client_ip"]
        })
    }
}

/// What happens when every member of a cluster is unhealthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnAllUnhealthy {
    /// Requests are refused with 503.
    #[default]
    Refuse,
    /// All members are used as if they were healthy.
    UseAll,
}

impl OnAllUnhealthy {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How long is waited for what; 504 when it takes longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// For a connection.
    #[serde(default = "Timeouts::default_connect")]
    pub connect: Timespan,
    /// From the last byte of the request sent to the first of the answer.
    #[serde(default = "Timeouts::default_first_byte")]
    pub first_byte: Timespan,
    /// Between two reads of the answer's body.
    #[serde(default = "Timeouts::default_idle")]
    pub idle: Timespan,
    /// For all attempts together until the last byte of the answer; as long as it takes if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Timespan>,
}

impl Timeouts {
    fn default_connect() -> Timespan {
        Timespan::from_secs(1)
    }

    fn default_first_byte() -> Timespan {
        Timespan::from_secs(30)
    }

    fn default_idle() -> Timespan {
        Timespan::from_secs(60)
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Self::default_connect(),
            first_byte: Self::default_first_byte(),
            idle: Self::default_idle(),
            total: None,
        }
    }
}

/// When a request is sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// How often a request is sent at most, the first time included: 1 to 10.
    #[serde(default = "Retry::default_attempts")]
    pub attempts: u32,
    /// After what it is sent again.
    #[serde(default = "Retry::default_on")]
    pub on: Vec<RetryOn>,
    /// Retries may be so many percent of the requests of the last ten seconds, and at least 3 a second: 0 to 100.
    #[serde(default = "Retry::default_budget_percent")]
    pub budget_percent: u32,
    /// Methods that may be sent again although they are not idempotent (RFC 9110 §9.2.2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<super::Method>,
}

impl Retry {
    fn default_attempts() -> u32 {
        2
    }

    fn default_on() -> Vec<RetryOn> {
        use RetryOn::{Connect, Status, Timeout};
        vec![Connect, Timeout, Status(502), Status(503), Status(504)]
    }

    fn default_budget_percent() -> u32 {
        20
    }
}

/// After what a request is sent again: `connect`, `timeout`, or a status from 400 to 599.
///
/// `502` covers a connection that was reset or an answer that was malformed as well as a backend's own 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryOn {
    /// No connection came about; nothing was sent, so every method may be sent again.
    Connect,
    /// The answer did not begin in time.
    Timeout,
    /// The backend answered so, or the gateway would have for it.
    Status(u16),
}

impl<'de> Deserialize<'de> for RetryOn {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl de::Visitor<'_> for Either {
            type Value = RetryOn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("connect, timeout or a status from 400 to 599")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<RetryOn, E> {
                match word {
                    "connect" => Ok(RetryOn::Connect),
                    "timeout" => Ok(RetryOn::Timeout),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }

            fn visit_u64<E: de::Error>(self, status: u64) -> Result<RetryOn, E> {
                match u16::try_from(status) {
                    Ok(status @ 400..=599) => Ok(RetryOn::Status(status)),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(status), &self)),
                }
            }
        }
        from.deserialize_any(Either)
    }
}

impl Serialize for RetryOn {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Connect => to.serialize_str("connect"),
            Self::Timeout => to.serialize_str("timeout"),
            Self::Status(status) => to.serialize_u16(*status),
        }
    }
}

impl JsonSchema for RetryOn {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RetryOn".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "enum": ["connect", "timeout"] },
            { "type": "integer", "minimum": 400, "maximum": 599 }
        ]})
    }
}
