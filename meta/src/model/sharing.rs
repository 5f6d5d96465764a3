//! One answer for several clients: calls made once at a time, and answers kept for a while.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{HashKey, is_false};
use crate::bounds::{HOUR, Span};

/// A time that answers are kept: 1 ms to 24 h.
pub type TtlSpan = Span<1, { 24 * HOUR }>;

/// Keeps answers to `GET` and `HEAD` in memory for a while and gives them to other clients that ask for the same.
///
/// The same is: the same method, cluster, path and query, the same `accept`, `accept-encoding` and `accept-language`, and the same
/// values of `key`. `Cache-Control` of both sides is honoured (RFC 9111): it can shorten `ttl`, and never makes it longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// How long an answer is given out at most: 1 ms to 24 h.
    pub ttl: TtlSpan,
    /// How much longer it is given out when there is no better one: the call fails, a breaker rejects, or the answer is a 5xx. 0 s if
    /// absent, up to 24 h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_if_error: Option<TtlSpan>,
    /// What else has to be the same, such as `header.x-tenant` or `cookie.group`. Of a node, a header is one that the node is sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<HashKey>,
    /// Whether clients with an `Authorization` share answers too. Name `header.authorization` in `key` for one answer each.
    #[serde(default, skip_serializing_if = "is_false")]
    pub share_authorized: bool,
    /// Whether clients with a `Cookie` share answers too, and answers with a `Set-Cookie` are kept. Name the cookie that matters in `key`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub share_cookies: bool,
}

/// Whether calls that are the same and made at the same time are made once: `true`, `false`, or what makes them the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Coalesce {
    /// Each call is made.
    #[default]
    Off,
    /// One call for all of the same key.
    On(CoalesceKey),
}

/// When two calls are the same. As in a cache, that are the same method, cluster, path and query, the same `accept`,
/// `accept-encoding` and `accept-language`, and the same values of `key`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CoalesceKey {
    /// What else has to be the same, such as `header.x-tenant` or `cookie.group`. Of a node, a header is one that the node is sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<HashKey>,
    /// Whether clients with an `Authorization` share answers too. Name `header.authorization` in `key` for one answer each.
    #[serde(skip_serializing_if = "is_false")]
    pub share_authorized: bool,
    /// Whether clients with a `Cookie` share answers too, and an answer with a `Set-Cookie` is shared.
    #[serde(skip_serializing_if = "is_false")]
    pub share_cookies: bool,
}

impl Coalesce {
    /// Whether each call is made.
    pub fn is_off(&self) -> bool {
        *self == Self::Off
    }
}

impl<'de> Deserialize<'de> for Coalesce {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = Coalesce;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false, or { key: [..] }")
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Coalesce, E> {
                Ok(match on {
                    true => Coalesce::On(CoalesceKey::default()),
                    false => Coalesce::Off,
                })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Coalesce, A::Error> {
                CoalesceKey::deserialize(de::value::MapAccessDeserializer::new(map)).map(Coalesce::On)
            }
        }
        from.deserialize_any(Either)
    }
}

impl Serialize for Coalesce {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => to.serialize_bool(false),
            Self::On(key) if *key == CoalesceKey::default() => to.serialize_bool(true),
            Self::On(key) => key.serialize(to),
        }
    }
}

impl JsonSchema for Coalesce {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Coalesce".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let key = generator.subschema_for::<CoalesceKey>();
        json_schema!({ "anyOf": [{ "type": "boolean" }, key] })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::document::decode;

    #[test]
    fn coalescing_is_off_on_or_on_with_a_key_and_is_written_as_briefly_as_it_can_be() {
        for (written, shortest, is_off) in [
            (json!(false), json!(false), true),
            (json!(true), json!(true), false),
            (json!({}), json!(true), false),
            (json!({ "share_cookies": false, "key": [] }), json!(true), false),
            (
                json!({ "key": ["header.x", "cookie.a"], "share_authorized": true }),
                json!({ "key": ["header.x", "cookie.a"], "share_authorized": true }),
                false,
            ),
        ] {
            let coalesce: Coalesce = decode(&written).unwrap();
            assert_eq!(coalesce.is_off(), is_off, "{written}");
            assert_eq!(serde_json::to_value(&coalesce).unwrap(), shortest);
            assert_eq!(decode::<Coalesce>(&shortest).unwrap(), coalesce);
        }
    }

    #[test]
    fn whatever_else_stands_there_is_told_what_would_be_right() {
        for (written, pointer, expected) in [
            (
                json!("yes"),
                "",
                "expected true, false, or { key: [..] }, found text \"yes\"",
            ),
            (
                json!(null),
                "",
                "expected true, false, or { key: [..] }, found nothing (null)",
            ),
            (
                json!({ "keys": [] }),
                "/keys",
                "unknown key \"keys\"; did you mean \"key\"? allowed: key, share_authorized, share_cookies",
            ),
            (
                json!({ "key": ["header.x", "header"] }),
                "/key/1",
                "expected a name after \"header\", like `header.x-user` at character 7",
            ),
        ] {
            let flaws = decode::<Coalesce>(&written).unwrap_err();
            assert_eq!((&*flaws[0].pointer, &*flaws[0].message), (pointer, expected));
        }
    }
}
