//! Reads an answer's head: `httparse` for the grammar, [`Framing`] for the meaning of its fields.
//!
//! Field values are slices of the read buffer; names that the `http` crate knows cost nothing, others one allocation.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};

use super::framing::{Framing, Keep, Persistence};
use super::{AnswerBody, Limits, Malformed};

/// The head of an answer, final or 1xx, with the end-to-end fields only.
///
/// Fields about the connection (`Connection` and what it names, `Keep-Alive`, `Proxy-Connection`, `TE`,
/// `Transfer-Encoding`, `Upgrade`) are consumed. `Content-Length` occurs at most once, as a plain number, and never in a 204.
#[derive(Debug)]
pub struct AnswerHead {
    /// The status code, 100 to 999.
    pub status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The fields, in order for each name.
    pub headers: HeaderMap,
    /// The reason phrase, where it differs from the usual one.
    pub reason: Option<Bytes>,
    /// How the body is framed.
    pub body: AnswerBody,
}

/// The field lines that a head can have at most.
const MAX_FIELDS: usize = 256;

/// Room for the fields that whoever passes the answer on adds, so that the map need not grow: date, connection, request id, framing.
const HEADROOM: usize = 4;

/// The bytes every answer starts with.
const PREFIX: &[u8] = b"HTTP/1.";

/// Tells as early as possible that the other side does not speak HTTP/1.
pub(super) fn starts_like_http(input: &[u8]) -> bool {
    let length = input.len().min(PREFIX.len());
    input[..length] == PREFIX[..length]
}

/// Reads a whole head, empty line included. `to_head`: the request's method was HEAD.
pub(super) fn parse(
    text: &Bytes,
    to_head: bool,
    limits: &Limits,
) -> Result<(AnswerHead, Persistence), Malformed> {
    let mut lines = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let lines = &mut lines[..limits.fields.min(MAX_FIELDS)];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let complete = config
        .parse_response_with_uninit_headers(&mut parsed, text, lines)
        .map_err(malformed)?;
    if complete != httparse::Status::Complete(text.len()) {
        return Err(Malformed::StatusLine);
    }
    let version = if parsed.version == Some(1) {
        Version::HTTP_11
    } else {
        Version::HTTP_10
    };
    let status = parsed
        .code
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or(Malformed::StatusLine)?;
    let reason = parsed.reason.filter(|reason| {
        !reason.is_empty() && status.canonical_reason().is_none_or(|usual| usual != *reason)
    });

    let mut framing = Framing::default();
    let mut headers = HeaderMap::with_capacity(parsed.headers.len() + HEADROOM);
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed::FieldName)?;
        let value = match framing.observe(&name, field.value)? {
            Keep::Field => HeaderValue::from_maybe_shared(text.slice_ref(field.value))
                .map_err(|_| Malformed::FieldValue)?,
            Keep::Length(length) => HeaderValue::from(length),
            Keep::Nothing => continue,
        };
        headers.append(name, value);
    }
    let (body, persistence) = framing.settle(status, version, to_head)?;
    for name in framing
        .nominated()
        .iter()
        .filter(|name| **name != header::CONTENT_LENGTH)
    {
        headers.remove(name);
    }
    if status == StatusCode::NO_CONTENT {
        headers.remove(header::CONTENT_LENGTH);
    }
    let reason = reason.map(|reason| text.slice_ref(reason.as_bytes()));
    Ok((
        AnswerHead {
            status,
            version,
            headers,
            reason,
            body,
        },
        persistence,
    ))
}

fn malformed(error: httparse::Error) -> Malformed {
    match error {
        httparse::Error::HeaderName => Malformed::FieldName,
        httparse::Error::HeaderValue | httparse::Error::NewLine => Malformed::FieldValue,
        httparse::Error::TooManyHeaders => Malformed::TooManyFields,
        _ => Malformed::StatusLine,
    }
}
