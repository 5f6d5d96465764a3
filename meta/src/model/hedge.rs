//! A hedge: a second call where the first one takes long.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::bounds::{MINUTE, Percent, Span, Whole};

/// A second call to another server where the first one takes long (Dean and Barroso, "The Tail at Scale", 2013): the first good
/// answer counts, the other call is given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hedge {
    /// When the second call is made: a time from 1 ms to 1 min, or `p95` (`p50`, `p90`, `p99`) of the node's recent
    /// answers, and at most four times their median.
    pub after: HedgeAfter,
    /// Second calls may be so many percent of the calls of the last ten seconds: 1 to 100; 5 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_percent: Option<Percent>,
}

impl Hedge {
    /// The share of calls that may be made twice, in percent.
    pub fn budget_percent(&self) -> u32 {
        self.budget_percent.map_or(5, Whole::get)
    }
}

/// When a second call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeAfter {
    /// After so long.
    Time(Span<1, MINUTE>),
    /// After so many percent of the recent answers had come.
    Percentile(u8),
}

impl HedgeAfter {
    const PERCENTILES: [u8; 4] = [50, 90, 95, 99];
}

impl<'de> Deserialize<'de> for HedgeAfter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let named = |percent: &u8| format!("p{percent}") == text;
        match Self::PERCENTILES.into_iter().find(named) {
            Some(percent) => Ok(Self::Percentile(percent)),
            None if text.starts_with('p') => Err(de::Error::custom(format!(
                "{text:?} is no percentile: use p50, p90, p95 or p99"
            ))),
            None => Span::deserialize(de::value::StringDeserializer::new(text)).map(Self::Time),
        }
    }
}

impl Serialize for HedgeAfter {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Time(time) => time.serialize(to),
            Self::Percentile(percent) => to.collect_str(&format_args!("p{percent}")),
        }
    }
}

impl JsonSchema for HedgeAfter {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HedgeAfter".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let time = generator.subschema_for::<Span<1, MINUTE>>();
        json_schema!({ "anyOf": [{ "enum": ["p50", "p90", "p95", "p99"] }, time] })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::document::decode;

    #[test]
    fn a_second_call_comes_after_a_time_or_a_percentile_and_is_written_as_it_was_read() {
        let time = Span::new(crate::timespan::Timespan::from_millis(10)).unwrap();
        for (text, after) in [
            ("10ms", HedgeAfter::Time(time)),
            ("p50", HedgeAfter::Percentile(50)),
            ("p90", HedgeAfter::Percentile(90)),
            ("p95", HedgeAfter::Percentile(95)),
            ("p99", HedgeAfter::Percentile(99)),
        ] {
            let hedge: Hedge = decode(&json!({ "after": text })).unwrap();
            assert_eq!((hedge.after, hedge.budget_percent()), (after, 5));
            assert_eq!(serde_json::to_value(&hedge).unwrap(), json!({ "after": text }));
        }
    }

    #[test]
    fn whatever_else_stands_there_is_told_what_would_be_right() {
        let percentile = |text: &str| format!("{text:?} is no percentile: use p50, p90, p95 or p99");
        let duration = |text: &str| {
            format!("{text:?} is no duration: write a number and one of ms, s, m, h, from \"1ms\" to \"1m\"")
        };
        for (after, expected) in [
            (json!("p42"), percentile("p42")),
            (json!("p"), percentile("p")),
            (json!("p+95"), percentile("p+95")),
            (json!("p095"), percentile("p095")),
            (json!("95"), duration("95")),
            (json!("2m"), "2m is out of bounds: use 1ms to 1m".to_owned()),
            (json!(95), "expected text, found the number 95".to_owned()),
        ] {
            let flaws = decode::<Hedge>(&json!({ "after": after })).unwrap_err();
            assert_eq!((&*flaws[0].pointer, &flaws[0].message), ("/after", &expected));
        }
    }
}
