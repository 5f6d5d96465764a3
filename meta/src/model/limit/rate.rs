//! Requests in a time: as people write them, and as they are counted.

use std::{fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    bounds::{HOUR, Span, Whole, out_of_bounds},
    timespan::Timespan,
};

/// The lowest rate, in requests a second: one an hour.
const LEAST_PER_SECOND: f64 = 1.0 / 3600.0;
/// The highest.
const MOST_PER_SECOND: f64 = 10_000_000.0;

/// Requests a second: 1/3600 to 10,000,000, with fractions.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct PerSecond(f64);

impl PerSecond {
    /// `rate` requests a second if that is within the bounds.
    pub fn new(rate: f64) -> Option<Self> {
        (LEAST_PER_SECOND..=MOST_PER_SECOND)
            .contains(&rate)
            .then_some(Self(rate))
    }

    /// The number of requests.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for PerSecond {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;
        impl de::Visitor<'_> for Number {
            type Value = PerSecond;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0.000278 (one an hour) to 10000000")
            }

            fn visit_f64<E: de::Error>(self, rate: f64) -> Result<PerSecond, E> {
                PerSecond::new(rate).ok_or_else(|| {
                    // Without the exponent a number of 300 digits would be all there is to read.
                    let short = rate.abs() < 1e15;
                    let shown = if short {
                        rate.to_string()
                    } else {
                        format!("{rate:e}")
                    };
                    E::custom(out_of_bounds(shown, "0.000278 (one an hour)", MOST_PER_SECOND))
                })
            }

            fn visit_u64<E: de::Error>(self, rate: u64) -> Result<PerSecond, E> {
                self.visit_f64(rate as f64)
            }

            fn visit_i64<E: de::Error>(self, rate: i64) -> Result<PerSecond, E> {
                self.visit_f64(rate as f64)
            }
        }
        from.deserialize_f64(Number)
    }
}

impl Serialize for PerSecond {
    /// A whole number without a point, as people write it.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.fract() == 0.0 {
            true => to.serialize_u64(self.0 as u64),
            false => to.serialize_f64(self.0),
        }
    }
}

impl JsonSchema for PerSecond {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PerSecond".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": LEAST_PER_SECOND, "maximum": MOST_PER_SECOND })
    }
}

/// Requests in a time, `100/1m`: 1 to 10,000,000 in 1 ms to 24 h, from one an hour to 10,000,000 a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    requests: Whole<1, 10_000_000>,
    per: Span<1, { 24 * HOUR }>,
}

impl Rate {
    /// How many requests: 1 to 10,000,000.
    pub const fn requests(self) -> u32 {
        self.requests.get()
    }

    /// In what time: 1 ms to 24 h.
    pub const fn per(self) -> Timespan {
        self.per.get()
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = format!("{:?}", text.chars().take(40).collect::<String>());
        let bad = || {
            format!(
                "{shown} is no rate: write a whole number of requests, \"/\" and a time from 1ms to 24h, as in \"100/1m\" or \"5/s\""
            )
        };
        let (requests, per) = text.split_once('/').ok_or_else(bad)?;
        if requests.is_empty() || !requests.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        let requests = requests.parse().ok().and_then(Whole::new);
        let requests = requests.ok_or_else(|| out_of_bounds(&shown, 1, "10000000 requests"))?;
        let per = match per.starts_with(|c: char| c.is_ascii_digit()) {
            true => per.parse::<Timespan>(),
            false => format!("1{per}").parse(),
        };
        let per = Span::new(per.map_err(|_| bad())?);
        let per = per.ok_or_else(|| out_of_bounds(&shown, "a time from 1ms", "24h"))?;
        let rate = Self { requests, per };
        let per_second = per_second(f64::from(rate.requests()), *rate.per());
        PerSecond::new(per_second)
            .map(|_| rate)
            .ok_or_else(|| out_of_bounds(&shown, "one an hour", "10000000 a second"))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.requests(), self.per())
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Rate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("requests in a time as in \"100/1m\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Rate, E> {
                text.parse().map_err(E::custom)
            }
        }
        from.deserialize_str(Text)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+/([0-9]+(\\.[0-9]+)?)?(ms|s|m|h)$",
            "description": "Requests in a time: 1 to 10,000,000 in 1 ms to 24 h, from one an hour to 10,000,000 a second.",
            "examples": ["100/1m", "5/s"]
        })
    }
}

/// A rate with its burst: in any time `t` no more than `burst + requests × t / per` pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// How many requests.
    pub requests: f64,
    /// In what time.
    pub per: Duration,
    /// How many pass at once after a pause: at least 1.
    pub burst: u32,
}

impl RateLimit {
    pub(super) fn new(requests: f64, per: Duration, burst: Option<u32>) -> Self {
        let burst = burst.unwrap_or_else(|| default_burst(per_second(requests, per)));
        Self { requests, per, burst }
    }

    /// The rate in requests a second.
    pub fn per_second(&self) -> f64 {
        per_second(self.requests, self.per)
    }
}

/// In whole milliseconds, so that 24 in 24 h is exactly as much as one an hour.
fn per_second(requests: f64, per: Duration) -> f64 {
    requests * 1000.0 / per.as_millis() as f64
}

/// What arrives in 50 ms, and at least two, so that two clients that come at once are not in each other's way. Below one request a
/// second two at once would be a burst worth asking for.
fn default_burst(per_second: f64) -> u32 {
    if per_second < 1.0 {
        1
    } else {
        ((per_second / 20.0) as u32).max(2)
    }
}
