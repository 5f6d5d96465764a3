//! Lengths of time as people write them: `250ms`, `10s`, `1.5m`, `2h`.

use std::{fmt, ops::Deref, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time in whole milliseconds: 1 ms to 1,000 hours.
///
/// Zero is refused: every place that takes one means a wait, an interval or a deadline, and none of those can be nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timespan(Duration);

/// The text is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no duration: write a number and one of ms, s, m, h, from \"1ms\" to \"1000h\", as in \"250ms\" or \"10s\""
)]
pub struct BadTimespan(String);

const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
const LONGEST_MS: f64 = 3_600_000_000.0;

impl Timespan {
    /// `millis` milliseconds; what is beyond the bounds becomes the bound.
    pub const fn from_millis(millis: u64) -> Self {
        let at_least = if millis == 0 { 1 } else { millis };
        Self(Duration::from_millis(if at_least > 3_600_000_000 {
            3_600_000_000
        } else {
            at_least
        }))
    }

    /// `secs` seconds; what is beyond the bounds becomes the bound.
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// The same as the standard library's type.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl Deref for Timespan {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl FromStr for Timespan {
    type Err = BadTimespan;

    fn from_str(text: &str) -> Result<Self, BadTimespan> {
        let bad = || BadTimespan(text.chars().take(40).collect());
        let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(bad)?;
        let (number, unit) = text.split_at(unit_at);
        let plain = |c: char| c.is_ascii_digit() || c == '.';
        if !number.starts_with(|c: char| c.is_ascii_digit()) || !number.chars().all(plain) {
            return Err(bad());
        }
        let (_, per_unit) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
        let millis = number.parse::<f64>().map_err(|_| bad())? * *per_unit as f64;
        if !(1.0..=LONGEST_MS).contains(&millis) {
            return Err(bad());
        }
        Ok(Self::from_millis(millis.round() as u64))
    }
}

impl fmt::Display for Timespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis() as u64;
        let fits = UNITS
            .iter()
            .rev()
            .find(|(_, per_unit)| millis.is_multiple_of(*per_unit));
        let (unit, per_unit) = fits.copied().unwrap_or(("ms", 1));
        write!(f, "{}{unit}", millis / per_unit)
    }
}

impl fmt::Debug for Timespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Timespan {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Timespan;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration as in \"250ms\" or \"10s\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timespan, E> {
                text.parse().map_err(E::custom)
            }
        }
        from.deserialize_str(Text)
    }
}

impl Serialize for Timespan {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl JsonSchema for Timespan {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timespan".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|m|h)$",
            "description": "A length of time: a number and one of ms, s, m, h; from 1ms to 1000h.",
            "examples": ["250ms", "10s"]
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn spans_are_read_as_written_and_written_in_the_largest_whole_unit() {
        for (text, millis, again) in [
            ("1ms", 1, "1ms"),
            ("250ms", 250, "250ms"),
            ("10s", 10_000, "10s"),
            ("0.5s", 500, "500ms"),
            ("1.5m", 90_000, "90s"),
            ("2h", 7_200_000, "2h"),
            ("1000h", 3_600_000_000, "1000h"),
        ] {
            let span: Timespan = text.parse().unwrap();
            assert_eq!((span.as_millis(), span.to_string().as_str()), (millis, again));
        }
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for bad in [
            "", "10", "s", "0s", "0.1ms", "-1s", "1d", "1 s", "1e3s", "1001h", "infs", "NaNs", "1..2s",
            ".5s", "1S",
        ] {
            assert!(bad.parse::<Timespan>().is_err(), "{bad}");
        }
    }
}
