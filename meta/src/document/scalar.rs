//! What a plain scalar means: the core schema of YAML 1.2.2 (§10.3.2), which JSON agrees with. Dates stay text.

use saphyr_parser::{ScalarStyle, Tag};
use serde_json::Number;

/// The meaning of a scalar.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    Null,
    Bool(bool),
    Number(Number),
    Text,
}

/// What the scalar `text` means in its style and with its tag, or why it means nothing.
pub(super) fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Meaning, String> {
    let Some(tag) = tag else {
        return match style {
            ScalarStyle::Plain => plain(text),
            _ => Ok(Meaning::Text),
        };
    };
    let meaning = match core_suffix(tag)? {
        "str" => return Ok(Meaning::Text),
        "null" | "bool" | "int" | "float" => plain(text)?,
        other => return Err(format!("a value cannot have the tag !!{other}")),
    };
    let fits = match (tag.suffix.as_str(), &meaning) {
        ("null", Meaning::Null) | ("bool", Meaning::Bool(_)) | ("float", Meaning::Number(_)) => true,
        ("int", Meaning::Number(number)) => !number.is_f64(),
        _ => false,
    };
    if fits {
        Ok(meaning)
    } else {
        Err(format!("{text:?} is no !!{}", tag.suffix))
    }
}

/// The name of a tag of the core schema; any other tag means nothing here.
pub(super) fn core_suffix(tag: &Tag) -> Result<&str, String> {
    match (
        tag.is_yaml_core_schema(),
        tag.handle.as_str(),
        tag.suffix.as_str(),
    ) {
        (true, _, suffix) => Ok(suffix),
        // The non-specific tag: not to be resolved.
        (_, "", "!") | (_, "!", "") => Ok("str"),
        _ => Err(format!("the tag {tag} means nothing here; leave it out")),
    }
}

/// What `text` without quotes means.
pub(super) fn plain(text: &str) -> Result<Meaning, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Meaning::Null),
        "true" | "True" | "TRUE" => return Ok(Meaning::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Meaning::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned.as_bytes().first() {
        Some(b'0'..=b'9' | b'.') => number(text, unsigned),
        _ => Ok(Meaning::Text),
    }
}

fn number(text: &str, unsigned: &str) -> Result<Meaning, String> {
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(format!(
            "{text} is no number that can be used here; put it in quotes if it is meant as text"
        ));
    }
    let based = |prefix: &str, base: u32| {
        let digits = text.strip_prefix(prefix)?;
        let all = !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
        all.then(|| u64::from_str_radix(digits, base).ok())
    };
    if let Some(value) = based("0x", 16).or_else(|| based("0o", 8)) {
        return value
            .map(|value| Meaning::Number(value.into()))
            .ok_or_else(|| too_large(text));
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let value = match text.strip_prefix('-') {
            Some(_) => text.parse::<i64>().ok().map(Number::from),
            None => unsigned.parse::<u64>().ok().map(Number::from),
        };
        return value.map(Meaning::Number).ok_or_else(|| too_large(text));
    }
    if !is_float(unsigned) {
        return Ok(Meaning::Text);
    }
    let value = text.parse::<f64>().ok().and_then(Number::from_f64);
    value.map(Meaning::Number).ok_or_else(|| too_large(text))
}

fn too_large(text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    format!("the number {shown} is too large; put it in quotes if it is meant as text")
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(unsigned: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_fits
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn plain_scalars_mean_what_the_core_schema_says() {
        for (text, number) in [
            ("0", Number::from(0)),
            ("-0", Number::from(0)),
            ("+12", Number::from(12)),
            ("007", Number::from(7)),
            ("0x1F", Number::from(31)),
            ("0o17", Number::from(15)),
            ("18446744073709551615", Number::from(u64::MAX)),
            ("-9223372036854775808", Number::from(i64::MIN)),
            ("1.5", Number::from_f64(1.5).unwrap()),
            ("1.", Number::from_f64(1.0).unwrap()),
            ("-.5", Number::from_f64(-0.5).unwrap()),
            ("1e3", Number::from_f64(1000.0).unwrap()),
        ] {
            assert_eq!(plain(text), Ok(Meaning::Number(number)), "{text}");
        }
        for text in [
            "yes",
            "no",
            "on",
            "2026-12-31T00:00:00Z",
            "2026-12-31",
            "10s",
            "127.0.0.1",
            "0x",
            "0xg",
            "-0x1",
            "1e",
            "e3",
            ".",
            "-",
            "+",
            "..",
            "1_000",
            "10:30",
            "tRUE",
            "nul",
            "-.",
            "1.2.3",
            "0b1",
        ] {
            assert_eq!(plain(text), Ok(Meaning::Text), "{text}");
        }
    }

    #[test]
    fn numbers_that_cannot_be_held_exactly_or_at_all_are_refused() {
        for text in [
            ".inf",
            "-.INF",
            "+.Inf",
            ".nan",
            "1e999",
            "18446744073709551616",
            "-9223372036854775809",
            "0xffffffffffffffff0",
        ] {
            assert!(plain(text).is_err(), "{text}");
        }
    }
}
