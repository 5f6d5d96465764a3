//! What the service can be told to do instead of simply answering, and how that is written:
//! `normal`, `slow:300ms`, `fail:503`, `hang`, `close`, `garbage`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The way one request is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Answers at once.
    #[default]
    Normal,
    /// Waits, then answers.
    Slow(Duration),
    /// Answers with this status, 400 to 599.
    Fail(u16),
    /// Reads the request and never answers; ends when the client goes away.
    Hang,
    /// Closes the connection without an answer.
    Close,
    /// Answers with bytes that are not HTTP, then closes.
    Garbage,
}

/// Why a text is no behaviour; says what would be one.
#[derive(Debug)]
pub(crate) struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = &self.0;
        write!(
            out,
            "unknown behaviour {given:?}: one of normal, slow:300ms (at most 1h), fail:503 (400 to 599), hang, close, garbage"
        )
    }
}

impl FromStr for Behaviour {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let unknown = || Unknown(text.chars().take(80).collect());
        let (word, detail) = match text.split_once(':') {
            Some((word, detail)) => (word, Some(detail)),
            None => (text, None),
        };
        match (word, detail) {
            ("normal", None) => Ok(Self::Normal),
            ("hang", None) => Ok(Self::Hang),
            ("close", None) => Ok(Self::Close),
            ("garbage", None) => Ok(Self::Garbage),
            ("slow", Some(detail)) => duration(detail).map(Self::Slow).ok_or_else(unknown),
            ("fail", Some(detail)) => detail
                .parse()
                .ok()
                .filter(|status| (400..600).contains(status))
                .map(Self::Fail)
                .ok_or_else(unknown),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => out.write_str("normal"),
            Self::Slow(pause) => write!(out, "slow:{}ms", pause.as_millis()),
            Self::Fail(status) => write!(out, "fail:{status}"),
            Self::Hang => out.write_str("hang"),
            Self::Close => out.write_str("close"),
            Self::Garbage => out.write_str("garbage"),
        }
    }
}

/// `250ms` or `2s`, at most an hour.
fn duration(text: &str) -> Option<Duration> {
    let (digits, unit_ms) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => (text.strip_suffix('s')?, 1000),
    };
    let ms = digits.parse::<u64>().ok()?.checked_mul(unit_ms)?;
    (ms <= 3_600_000).then(|| Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_behaviour_reads_back_as_it_was_written() {
        for text in ["normal", "slow:300ms", "fail:503", "hang", "close", "garbage"] {
            assert_eq!(text.parse::<Behaviour>().unwrap().to_string(), text);
        }
        assert_eq!(
            "slow:2s".parse::<Behaviour>().unwrap(),
            Behaviour::Slow(Duration::from_secs(2))
        );
    }

    #[test]
    fn an_unknown_behaviour_is_named_with_what_is_allowed() {
        for text in [
            "",
            "sleepy",
            "slow",
            "slow:",
            "slow:1h",
            "slow:99999999999s",
            "fail:200",
            "fail:x",
            "hang:1",
        ] {
            let message = text.parse::<Behaviour>().unwrap_err().to_string();
            assert!(
                message.contains(&format!("{text:?}")) && message.contains("fail:503"),
                "{message}"
            );
        }
    }
}
