//! A route: what a client calls, and where it goes.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::Value as Json;

use super::{Breaker, Cache, Coalesce, HashKey, Limit, Method, Retry, Weight, is_true, yes};
use crate::{
    id::Id,
    language::{Condition, UrlTemplate},
    pattern::{HostPattern, PathPattern},
};

/// What a client calls, and where it goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The name of the route.
    pub id: Id,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For people: words to filter by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// A route that is not enabled matches nothing.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// Higher first: -1,000,000 to 1,000,000.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// Which requests it takes; all if absent.
    #[serde(default, rename = "match")]
    pub matching: Match,
    /// The clusters the requests are split over. Absent only if a filter answers by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<Target>,
    /// Keeps whoever has the same value on the same target of a split; by chance for each request if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<HashKey>,
    /// The path, and after a `?` the query, that is sent upstream. Without a `?` the client's query is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<UrlTemplate>,
    /// Where copies of requests are sent whose answers are discarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
    /// When a request is sent again, instead of what the cluster says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How many of its requests pass: all together, or those of each value of `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// When the route gets a pause, whichever servers its requests failed on; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Whether requests of several clients that are the same and made at the same time are sent once.
    #[serde(default, skip_serializing_if = "Coalesce::is_off")]
    pub coalesce: Coalesce,
    /// Keeps answers for a while; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// Which requests are refused first when a cluster with `max_in_flight: auto` has too many; `normal` if absent.
    #[serde(default, skip_serializing_if = "PriorityClass::is_default")]
    pub priority_class: PriorityClass,
    /// What is done to the request in this order, and to the response in reverse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterSpec>,
    /// From when on the route matches nothing (RFC 3339).
    #[serde(default, deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub expires: Option<jiff::Timestamp>,
}

pub(super) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<jiff::Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        de::Error::custom(format!(
            "{shown:?} is no time: write one as in \"2026-12-31T00:00:00Z\" (RFC 3339)"
        ))
    })
}

pub(super) fn is_zero(value: &i32) -> bool {
    *value == 0
}

/// Which requests a route takes: those for which everything that is said here holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// One of these hosts; any if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostPattern>,
    /// One of these methods; any if empty. `GET` brings `HEAD`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Method>,
    /// This path; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathPattern>,
    /// This condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
}

/// How much a request matters when a cluster with `max_in_flight: auto` has too many.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PriorityClass {
    /// Refused first.
    Sheddable,
    /// Refused when there is nothing sheddable left to refuse.
    #[default]
    Normal,
    /// Refused last.
    Critical,
}

impl PriorityClass {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One part of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The cluster.
    pub cluster: Id,
    /// Its share relative to the others, 1 to 1000.
    #[serde(default)]
    pub weight: Weight,
}

/// Where copies of requests are sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// The cluster.
    pub cluster: Id,
    /// Of how many percent of the requests, chosen by chance: more than 0, up to 100.
    #[serde(default = "Mirror::all")]
    pub percent: f64,
}

impl Mirror {
    fn all() -> f64 {
        100.0
    }
}

/// A filter as written, `{ headers: {…} }`: its kind and a configuration that the kind's own type reads.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterSpec {
    /// The kind of filter.
    pub kind: String,
    /// What it is configured with.
    pub config: Json,
}

impl<'de> Deserialize<'de> for FilterSpec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneKey;
        impl<'de> de::Visitor<'de> for OneKey {
            type Value = FilterSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a filter: one kind and its configuration, as in { headers: {…} }")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<FilterSpec, A::Error> {
                let (kind, config) = map
                    .next_entry()?
                    .ok_or_else(|| de::Error::invalid_length(0, &"one kind of filter"))?;
                match map.next_key::<String>()? {
                    None => Ok(FilterSpec { kind, config }),
                    Some(second) => Err(de::Error::custom(format!(
                        "a filter has one kind, here are {kind:?} and {second:?}: write each as its own list item"
                    ))),
                }
            }
        }
        from.deserialize_map(OneKey)
    }
}

impl Serialize for FilterSpec {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map([(&self.kind, &self.config)])
    }
}

impl JsonSchema for FilterSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Filter".into()
    }

    /// Any kind; [`crate::schema`] puts the known kinds in.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "minProperties": 1, "maxProperties": 1 })
    }
}
