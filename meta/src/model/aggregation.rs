//! An aggregation: one URL that several services answer together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Breaker, FilterSpec, Limit, Match, Node, PriorityClass, is_true, yes};
use crate::{
    bounds::{MINUTE, Span, Whole},
    id::Id,
    language::JsonTemplate,
    timespan::Timespan,
};

/// A number of bytes up to 1 GiB.
pub type Bytes = Whole<1, 1_073_741_824>;

/// One URL that several services answer together: each node is a call, and the answers become one JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aggregation {
    /// The name of the aggregation.
    pub id: Id,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For people: words to filter by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// An aggregation that is not enabled matches nothing.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// Higher first, among routes and aggregations alike: -1,000,000 to 1,000,000.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub priority: i32,
    /// Which requests it takes; all if absent.
    #[serde(default, rename = "match")]
    pub matching: Match,
    /// For the whole answer: 1 ms to 10 min; 10 s if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span<1, { 10 * MINUTE }>>,
    /// The calls, 1 to 32. One that reads another one's answer waits for it; all others are made at the same time.
    #[schemars(length(min = 1, max = 32))]
    pub nodes: Vec<Node>,
    /// What the answers are put together to; `object` if absent.
    ///
    /// With a single node and neither `merge` nor `response`, its answer is passed on as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
    /// What becomes of a member that two nodes have, with `merge: flat`; `error` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_collision: Option<OnCollision>,
    /// The answer's body in place of the merged one: any JSON, with values in its texts. A text that is one value and nothing else, as
    /// in `"{node.user}"`, becomes that value with its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<JsonTemplate>,
    /// Bytes of all nodes' answers together, decompressed: 1 to 1 GiB; 10 MiB if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<Bytes>,
    /// Bytes of the client's body, where a node uses it: 1 to 1 GiB; 1 MiB if absent. 413 beyond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_request_bytes: Option<Bytes>,
    /// Whether an answer of 1 KiB and more is compressed for a client that accepts it.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub compress: bool,
    /// How many of its requests pass: all together, or those of each value of `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// When the aggregation gets a pause, whichever nodes its requests failed on; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Which requests are refused first when a cluster with `max_in_flight: auto` has too many; `normal` if absent.
    #[serde(default, skip_serializing_if = "PriorityClass::is_default")]
    pub priority_class: PriorityClass,
    /// What is done to the request in this order, and to the response in reverse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterSpec>,
    /// From when on it matches nothing (RFC 3339).
    #[serde(
        default,
        deserialize_with = "super::time",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub expires: Option<jiff::Timestamp>,
}

impl Aggregation {
    /// The longest the whole may take.
    pub fn timeout(&self) -> Timespan {
        self.timeout
            .map_or_else(|| Timespan::from_secs(10), |timeout| timeout.get())
    }

    /// The most bytes of all nodes' answers together.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
            .map_or(10 * 1024 * 1024, |bytes| bytes.get() as usize)
    }

    /// The most bytes of the client's body.
    pub fn max_request_bytes(&self) -> usize {
        self.max_request_bytes
            .map_or(1024 * 1024, |bytes| bytes.get() as usize)
    }

    /// What the nodes' answers are put together to.
    pub fn merge(&self) -> Merge {
        self.merge.unwrap_or_default()
    }

    /// Whether the answer of the only node is passed on as it is.
    pub fn is_plain(&self) -> bool {
        let [node] = self.nodes.as_slice() else {
            return false;
        };
        let own = self.merge.is_none() && self.response.is_none();
        own && node.required && node.is_plain()
    }
}

/// What the nodes' answers are put together to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Merge {
    /// `{"user": …, "orders": …}`: each answer under its node's name.
    #[default]
    Object,
    /// The members of all answers in one object. An answer that is no object stands under its node's name; null adds nothing.
    Flat,
    /// `[…, …]` in the order of the nodes.
    List,
}

/// What becomes of a member that two nodes have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnCollision {
    /// The whole fails with 502.
    #[default]
    Error,
    /// The one of the node that is listed first stays.
    First,
    /// The one of the node that is listed last stays.
    Last,
}
