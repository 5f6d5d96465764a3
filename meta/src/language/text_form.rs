//! How the types of the language appear outside: as plain strings in YAML, JSON and the JSON Schema.

/// Makes a type with `parse(&str)` and `Display` a string for serde and schemars. A text that does not parse is an error
/// that reads as its `SyntaxError`.
macro_rules! written_as_text {
    ($type:ident, $description:literal, examples: [$($example:literal),+ $(,)?]) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": $description,
                    "examples": [$($example),+],
                })
            }
        }
    };
}

/// For a type that keeps the text it was parsed from in `self.parsed.source`: it shows as that text and equals by it.
macro_rules! known_by_its_source {
    ($type:ident) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.parsed.source)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($type), "({:?})"), self.parsed.source)
            }
        }

        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.parsed.source == other.parsed.source
            }
        }

        impl Eq for $type {}
    };
}

pub(super) use {known_by_its_source, written_as_text};
