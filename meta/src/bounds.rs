//! Numbers and lengths of time that carry their bounds in their types: what is outside is refused where it is read, with the
//! range that is allowed, and the range stands in the JSON Schema.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::timespan::Timespan;

/// A whole number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Whole<const LEAST: u32, const MOST: u32>(u32);

/// A whole number of percent: 1 to 100.
pub type Percent = Whole<1, 100>;

impl<const LEAST: u32, const MOST: u32> Whole<LEAST, MOST> {
    /// `number` if it is within the bounds.
    pub fn new(number: u32) -> Option<Self> {
        (LEAST..=MOST).contains(&number).then_some(Self(number))
    }

    /// `number`, or the bound that is nearest to it.
    pub const fn clamped(number: u32) -> Self {
        Self(if number < LEAST {
            LEAST
        } else if number > MOST {
            MOST
        } else {
            number
        })
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// What a visitor reads that met a whole number.
    pub(crate) fn read<E: de::Error>(number: impl TryInto<u32> + Copy + fmt::Display) -> Result<Self, E> {
        let within = number.try_into().ok().and_then(Self::new);
        within.ok_or_else(|| E::custom(out_of_bounds(number, LEAST, MOST)))
    }
}

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number<const LEAST: u32, const MOST: u32>;
        impl<const LEAST: u32, const MOST: u32> de::Visitor<'_> for Number<LEAST, MOST> {
            type Value = Whole<LEAST, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {LEAST} to {MOST}")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                Whole::read(number)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                Whole::read(number)
            }
        }
        from.deserialize_u64(Number)
    }
}

impl<const LEAST: u32, const MOST: u32> JsonSchema for Whole<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Whole_{LEAST}_to_{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": LEAST, "maximum": MOST })
    }
}

/// One second in the unit of [`Span`]'s bounds.
pub const SECOND: u64 = 1_000;
/// One minute.
pub const MINUTE: u64 = 60 * SECOND;
/// One hour.
pub const HOUR: u64 = 60 * MINUTE;

/// A length of time from `LEAST` to `MOST` milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span<const LEAST: u64, const MOST: u64>(Timespan);

impl<const LEAST: u64, const MOST: u64> Span<LEAST, MOST> {
    /// The shortest there is.
    pub const LEAST: Timespan = Timespan::from_millis(LEAST);
    /// The longest there is.
    pub const MOST: Timespan = Timespan::from_millis(MOST);

    /// `span` if it is within the bounds.
    pub fn new(span: Timespan) -> Option<Self> {
        (Self::LEAST..=Self::MOST).contains(&span).then_some(Self(span))
    }

    /// The length of time.
    pub const fn get(self) -> Timespan {
        self.0
    }

    fn read(text: &str) -> Result<Self, String> {
        let (least, most) = (Self::LEAST, Self::MOST);
        let span = text.parse::<Timespan>().map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            format!(
                "{shown:?} is no duration: write a number and one of ms, s, m, h, from \"{least}\" to \"{most}\""
            )
        })?;
        Self::new(span).ok_or_else(|| out_of_bounds(span, least, most))
    }
}

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Span<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text<const LEAST: u64, const MOST: u64>;
        impl<const LEAST: u64, const MOST: u64> de::Visitor<'_> for Text<LEAST, MOST> {
            type Value = Span<LEAST, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (least, most) = (Self::Value::LEAST, Self::Value::MOST);
                write!(f, "a duration from \"{least}\" to \"{most}\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Span::read(text).map_err(E::custom)
            }
        }
        from.deserialize_str(Text)
    }
}

impl<const LEAST: u64, const MOST: u64> JsonSchema for Span<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Span_{LEAST}_to_{MOST}").into()
    }

    /// That of a [`Timespan`]: a pattern cannot bound a length.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Timespan>()
    }
}

/// `7 is out of bounds: use 1 to 5`
pub(crate) fn out_of_bounds(
    found: impl fmt::Display,
    least: impl fmt::Display,
    most: impl fmt::Display,
) -> String {
    format!("{found} is out of bounds: use {least} to {most}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::document::decode;

    type Few = Whole<2, 40>;
    type Short = Span<10, { 5 * MINUTE }>;

    fn flaws<T: de::DeserializeOwned + fmt::Debug>(value: &Json) -> Vec<String> {
        let flaws = decode::<T>(value).unwrap_err();
        flaws.into_iter().map(|flaw| flaw.message).collect()
    }

    #[test]
    fn what_is_within_is_read_and_written_as_it_was() {
        for number in [2, 3, 40] {
            let few: Few = decode(&json!(number)).unwrap();
            assert_eq!(
                (few.get(), serde_json::to_value(few).unwrap()),
                (number, json!(number))
            );
        }
        for text in ["10ms", "1s", "5m"] {
            let span: Short = decode(&json!(text)).unwrap();
            assert_eq!(span.get().to_string(), text);
            assert_eq!(serde_json::to_value(span).unwrap(), json!(text));
        }
    }

    #[test]
    fn whatever_else_is_there_one_message_says_the_range() {
        for (value, found) in [
            (json!(1), "1"),
            (json!(41), "41"),
            (json!(-3), "-3"),
            (json!(u64::MAX), "18446744073709551615"),
        ] {
            assert_eq!(
                flaws::<Few>(&value),
                [format!("{found} is out of bounds: use 2 to 40")]
            );
        }
        for (value, found) in [
            (json!(2.5), "the number 2.5"),
            (json!("many"), "text \"many\""),
            (json!(true), "true"),
            (json!([3]), "a list"),
            (json!(null), "nothing (null)"),
        ] {
            assert_eq!(
                flaws::<Few>(&value),
                [format!("expected a whole number from 2 to 40, found {found}")]
            );
        }
        for text in ["9ms", "301s", "1h"] {
            let shown: Timespan = text.parse().unwrap();
            assert_eq!(
                flaws::<Short>(&json!(text)),
                [format!("{shown} is out of bounds: use 10ms to 5m")]
            );
        }
        for text in ["", "10", "-1s", "0s", "soon"] {
            assert_eq!(
                flaws::<Short>(&json!(text)),
                [format!(
                    "{text:?} is no duration: write a number and one of ms, s, m, h, from \"10ms\" to \"5m\""
                )]
            );
        }
        assert_eq!(
            flaws::<Short>(&json!(10)),
            ["expected a duration from \"10ms\" to \"5m\", found the number 10"]
        );
    }
}
