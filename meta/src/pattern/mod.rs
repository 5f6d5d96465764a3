//! What a route matches a request's host and path by, and the normal form both sides are compared in.
//!
//! A pattern is text that became a type: whoever holds a [`PathPattern`] or a [`HostPattern`] holds a correct one.
//! Finding the best of many patterns for a request is the router's work, not done here.

mod constraint;
mod host;
mod normal;
mod path;

pub use constraint::Constraint;
pub use host::HostPattern;
pub use normal::{MergeSlashes, normal_host, normal_path};
pub use path::{MAX_PARAMETERS, MAX_SEGMENTS, PathPattern, Segment, Specificity};

/// Why a text is not a pattern, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at character {character}")]
pub struct PatternError {
    /// Byte of the text at which the problem begins.
    pub offset: usize,
    /// The same place for a reader: characters, counted from 1.
    pub character: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl PatternError {
    /// An error at a byte `offset` of `text`.
    fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let character = text
            .char_indices()
            .take_while(|(at, c)| at + c.len_utf8() <= offset)
            .count()
            + 1;
        PatternError {
            offset,
            character,
            message: message.into(),
        }
    }
}

/// Makes a type with `FromStr` and `as_str()` read and written as that text everywhere: `Display`, serde, JSON Schema.
macro_rules! spelled_as_text {
    ($name:ident, $description:literal, $shape:literal) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $description, "pattern": $shape })
            }
        }
    };
}
use spelled_as_text;
