//! What the limit of a route or an aggregation tells requests apart by.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::super::HashKey;

/// The values of a request that a limit counts apart: one, as in `client_ip`, or a list of up to 4 that count together.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitKey(Vec<HashKey>);

const MOST_VALUES: usize = 4;

impl LimitKey {
    /// The values: 1 to 4.
    pub fn values(&self) -> &[HashKey] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for LimitKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = LimitKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of the request as in client_ip, or a list of 1 to 4 of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<LimitKey, E> {
                let value = HashKey::deserialize(de::value::StrDeserializer::new(text))?;
                Ok(LimitKey(vec![value]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<LimitKey, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element()? {
                    values.push(value);
                }
                match values.len() {
                    1..=MOST_VALUES => Ok(LimitKey(values)),
                    count => Err(de::Error::custom(format!(
                        "a key of {count} values: name 1 to {MOST_VALUES}, as in [client_ip, header.x-tenant]"
                    ))),
                }
            }
        }
        from.deserialize_any(Either)
    }
}

impl Serialize for LimitKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(to),
            several => to.collect_seq(several),
        }
    }
}

impl JsonSchema for LimitKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LimitKey".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<HashKey>();
        json_schema!({ "anyOf": [
            value,
            { "type": "array", "items": value, "minItems": 1, "maxItems": MOST_VALUES }
        ]})
    }
}

/// What happens to a request that lacks a value of a limit's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingKey {
    /// It passes without being counted.
    #[default]
    Admit,
    /// All such requests are counted together, as if they had one value in common.
    Share,
    /// It is refused.
    Refuse,
}
