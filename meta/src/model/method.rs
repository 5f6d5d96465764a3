//! HTTP methods as a configuration names them.

use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An HTTP method as in a request line; upper case, since methods are case-sensitive (RFC 9110 §9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method(http::Method);

impl Method {
    /// The same as the `http` crate's type.
    pub fn get(&self) -> &http::Method {
        &self.0
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'-' || byte == b'_');
        let method = http::Method::from_bytes(text.as_bytes())
            .ok()
            .filter(|_| upper && text.len() <= 32);
        method
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no method: write it in capitals, as in GET or POST"))
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.as_str())
    }
}

impl JsonSchema for Method {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Method".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Z_-]{1,32}$", "examples": ["GET", "POST"] })
    }
}
