//! What the fields of an answer say about where it ends and whether the connection outlives it (RFC 9112 sections 6 and 9).
//!
//! The rule is refusal: whenever two readers of the same head could disagree, the answer is an error. The one tolerance is
//! the one RFC 9112 section 6.3 names: a length repeated with the same value, in one line or several, counts once.

use std::time::Duration;

use http::{HeaderName, StatusCode, Version, header};

use super::{AnswerBody, Malformed};

/// Gathered field by field while a head is read.
#[derive(Debug, Default)]
pub(super) struct Framing {
    length: Option<u64>,
    coded: bool,
    closes: bool,
    keeps: bool,
    /// `Keep-Alive: timeout=N`.
    kept_for: Option<Duration>,
    nominated: Vec<HeaderName>,
}

/// What becomes of a field in the head that the caller gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// End to end: handed on.
    Field,
    /// Speaks of this connection only: consumed here.
    Nothing,
    /// The first `Content-Length`, in a form other than the plain number.
    Length(u64),
}

/// How the connection goes on after an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Persistence {
    pub(super) keep: bool,
    pub(super) kept_for: Option<Duration>,
}

impl Framing {
    /// Notes what one field says.
    pub(super) fn observe(&mut self, name: &HeaderName, value: &[u8]) -> Result<Keep, Malformed> {
        if name == header::CONTENT_LENGTH {
            return self.observe_length(value);
        }
        if name == header::TRANSFER_ENCODING {
            if self.coded || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed::TransferCoding);
            }
            self.coded = true;
        } else if name == header::CONNECTION {
            self.observe_connection(value);
        } else if name.as_str() == "keep-alive" {
            self.kept_for = options(value).find_map(keep_alive_timeout).or(self.kept_for);
        } else if name != header::UPGRADE && name != header::TE && name.as_str() != "proxy-connection" {
            return Ok(Keep::Field);
        }
        Ok(Keep::Nothing)
    }

    fn observe_length(&mut self, value: &[u8]) -> Result<Keep, Malformed> {
        let first = self.length.is_none();
        for text in value.split(|&b| b == b',') {
            let length = number(text.trim_ascii()).ok_or(Malformed::Length)?;
            match self.length.replace(length) {
                Some(other) if other != length => return Err(Malformed::LengthsDiffer),
                _ => {}
            }
        }
        Ok(match self.length {
            Some(length) if first => {
                let plain = value.len() == 1 || (value[0] != b'0' && !value.contains(&b','));
                if plain { Keep::Field } else { Keep::Length(length) }
            }
            _ => Keep::Nothing,
        })
    }

    fn observe_connection(&mut self, value: &[u8]) {
        for option in options(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.closes = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keeps = true;
            } else if let Ok(name) = HeaderName::from_bytes(option) {
                self.nominated.push(name);
            }
        }
    }

    /// Fields that `Connection` named: they end here (RFC 9110 section 7.6.1).
    pub(super) fn nominated(&self) -> &[HeaderName] {
        &self.nominated
    }

    /// Where the body ends (RFC 9112 section 6.3) and whether the connection may serve again (section 9.3).
    pub(super) fn settle(
        &self,
        status: StatusCode,
        version: Version,
        to_head: bool,
    ) -> Result<(AnswerBody, Persistence), Malformed> {
        if self.coded && self.length.is_some() {
            return Err(Malformed::CodingAndLength);
        }
        if self.coded && version == Version::HTTP_10 {
            return Err(Malformed::CodingInHttp10);
        }
        let announces = self.coded || self.length.is_some_and(|length| length > 0);
        if status.is_informational() && announces {
            return Err(Malformed::InterimContent);
        }
        let body = if to_head || status.is_informational() || matches!(status.as_u16(), 204 | 304) {
            AnswerBody::Empty
        } else if self.coded {
            AnswerBody::Chunked
        } else {
            match self.length {
                Some(0) => AnswerBody::Empty,
                Some(length) => AnswerBody::Length(length),
                None => AnswerBody::UntilClose,
            }
        };
        // A 204 has no content whatever it announces, but a server that announced some may still send it.
        let trusted = body != AnswerBody::UntilClose && !(status == StatusCode::NO_CONTENT && announces);
        let persistent = !self.closes && (version == Version::HTTP_11 || self.keeps);
        Ok((
            body,
            Persistence {
                keep: trusted && persistent,
                kept_for: self.kept_for,
            },
        ))
    }
}

fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

fn keep_alive_timeout(option: &[u8]) -> Option<Duration> {
    let (name, value) = option.split_at_checked(8)?;
    name.eq_ignore_ascii_case(b"timeout=")
        .then(|| number(value))
        .flatten()
        .map(Duration::from_secs)
}

/// `1*DIGIT` that fits 64 bits; no sign, no space, no empty text.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}
