//! A node: one call of an aggregation.

use std::{collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value as Json;

use super::{Bytes, Cache, Coalesce, Hedge, Method, Retry, is_false, is_true, yes};
use crate::{
    bounds::{MINUTE, Span, Whole},
    document::pointer_token,
    filters::HeaderName,
    id::Id,
    language::{Condition, JsonTemplate, Reading, Template, UrlTemplate},
};

/// One call of an aggregation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name, by which others read its answer and under which the answer stands in a merged object.
    pub name: NodeName,
    /// Who is called.
    pub cluster: Id,
    /// Path and query. A node's value that is not there, or null, keeps the call from being made.
    pub url: UrlTemplate,
    /// `GET` if absent; for a single node whose answer is passed on, the client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Fields of the call, in place of the client's of that name. One whose value is empty is not sent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<HeaderName, Template>,
    /// Fields of the client that are passed on beside `authorization`, `cookie`, `accept-language`, `x-request-id`, `traceparent` and
    /// `tracestate`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_headers: Vec<HeaderName>,
    /// Fields of the node's answer that the client gets, beside `set-cookie`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep_headers: Vec<HeaderName>,
    /// The body of the call: any JSON, with values in its texts. A text alone is sent as it reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<JsonTemplate>,
    /// Whether the client's body is the body of the call.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pass_body: bool,
    /// Only then the call is made. The answer of one that is not is its `fallback`, else null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// Whether the whole fails if this node does.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub required: bool,
    /// For the call, within the timeout of the whole: 1 ms to 10 min; the cluster's timeouts alone if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span<1, { 10 * MINUTE }>>,
    /// What stands in place of the answer of a node that is not required and fails; null if absent.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Json")]
    pub fallback: Option<Json>,
    /// The statuses that count as success: each from 200 to 599; 200 to 299 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub status: Option<Vec<Whole<200, 599>>>,
    /// Whether the client gets this node's status, in place of 502, when it is required and answers with an error.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pass_status: bool,
    /// When the call is made again, instead of what the cluster says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// A second call to another server where the first one takes long; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedge: Option<Hedge>,
    /// Whether calls of several clients that are the same and made at the same time are made once.
    #[serde(default, skip_serializing_if = "Coalesce::is_off")]
    pub coalesce: Coalesce,
    /// Keeps answers for a while; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// Bytes of the answer, decompressed: 1 to 1 GiB; those of the aggregation if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<Bytes>,
}

impl Node {
    /// Whether nothing is asked of its answer but to be passed on.
    pub(super) fn is_plain(&self) -> bool {
        self.method.is_none()
            && self.body.is_none()
            && self.when.is_none()
            && self.fallback.is_none()
            && self.status.is_none()
            && !self.pass_status
            && self.hedge.is_none()
            && self.max_bytes.is_none()
    }

    /// Calls `each` with every value that the call reads, in the order of its members; pointers begin at the node.
    pub fn for_each_value(&self, mut each: impl FnMut(Reading<'_>)) {
        Reading::all("/url", &self.url, self.url.values()).for_each(&mut each);
        for (name, template) in &self.headers {
            let pointer = format!("/headers{}", pointer_token(name.get().as_str()));
            Reading::all(&pointer, template, template.values()).for_each(&mut each);
        }
        if let Some(body) = &self.body {
            body.for_each_value("/body", &mut each);
        }
        if let Some(when) = &self.when {
            Reading::all("/when", when, when.values()).for_each(&mut each);
        }
    }

    /// Whether an answer with this status is a success.
    pub fn is_success(&self, status: u16) -> bool {
        match &self.status {
            None => (200..300).contains(&status),
            Some(listed) => listed.iter().any(|one| one.get() == u32::from(status)),
        }
    }
}

/// A null that is written is a value too.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(from).map(Some)
}

/// The name of a node: 1 to 63 letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Box<str>);

impl NodeName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for NodeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=63).contains(&text.len()) && text.bytes().all(fits) {
            return Ok(Self(text.into()));
        }
        let shown: String = text.chars().take(70).collect();
        Err(format!(
            "{shown:?} is no name of a node: use 1 to 63 letters, digits, \"-\" and \"_\""
        ))
    }
}

impl<'de> Deserialize<'de> for NodeName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for NodeName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl JsonSchema for NodeName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NodeName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,63}$" })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::document::decode;

    #[test]
    fn a_name_can_be_read_in_a_value_without_quotes() {
        let longest = "n".repeat(63);
        for name in ["user", "User_2", "-", "_", "0", &longest] {
            let read: NodeName = name.parse().unwrap();
            assert_eq!(read.as_str(), name);
            assert_eq!(serde_json::to_value(&read).unwrap(), json!(name));
            let value = crate::language::Value::parse(&format!("node.{name}.x")).unwrap();
            assert_eq!(value.to_string(), format!("node.{name}.x"));
        }
        for name in ["", "a.b", "a b", "é", "a/b", &"n".repeat(64)] {
            let error = name.parse::<NodeName>().unwrap_err();
            assert_eq!(
                error,
                format!("{name:?} is no name of a node: use 1 to 63 letters, digits, \"-\" and \"_\"")
            );
        }
    }

    #[test]
    fn a_fallback_of_null_is_one() {
        let node = |fallback: &str| format!(r#"{{ "name": "n", "cluster": "c", "url": "/"{fallback} }}"#);
        let fallback = |text: &str| {
            let node: Node = decode(&serde_json::from_str(&node(text)).unwrap()).unwrap();
            (node.fallback.clone(), serde_json::to_string(&node).unwrap())
        };
        assert_eq!(fallback("").0, None);
        let (null, written) = fallback(r#", "fallback": null"#);
        assert_eq!(null, Some(Json::Null));
        assert!(written.contains(r#""fallback":null"#), "{written}");
    }

    #[test]
    fn success_is_2xx_or_what_is_listed() {
        let node = |status: Json| -> Node {
            decode(&json!({ "name": "n", "cluster": "c", "url": "/", "status": status })).unwrap()
        };
        let successes = |node: &Node| [199, 200, 204, 299, 300, 404].map(|status| node.is_success(status));
        assert_eq!(
            successes(&node(Json::Null)),
            [false, true, true, true, false, false]
        );
        assert_eq!(
            successes(&node(json!([200, 404]))),
            [false, true, false, false, false, true]
        );
    }

    #[test]
    fn a_node_tells_every_value_that_it_reads_and_where() {
        let node: Node = decode(&json!({
            "name": "n", "cluster": "c", "method": "POST",
            "url": "/{param.a}/{node.b.c}",
            "headers": { "x": "é {header.d}" },
            "body": { "e/f": ["{body.g}"] },
            "when": "method == \"GET\" && node.h",
        }))
        .unwrap();
        let mut found = Vec::new();
        node.for_each_value(|reading| {
            let Reading {
                pointer,
                text,
                offset,
                value,
            } = reading;
            found.push(format!("{pointer} {text} {offset} {value}"));
        });
        assert_eq!(
            found,
            [
                "/url /{param.a}/{node.b.c} 2 param.a",
                "/url /{param.a}/{node.b.c} 12 node.b.c",
                "/headers/x é {header.d} 4 header.d",
                "/body/e~1f/0 {body.g} 1 body.g",
                "/when method == \"GET\" && node.h 0 method",
                "/when method == \"GET\" && node.h 19 node.h",
            ]
        );
    }
}
