//! Takes the framing off an answer's body (RFC 9112 sections 6.3 and 7.1). Content is passed on as slices of the read buffer.
//!
//! Chunk extensions are read over. Trailers are kept apart from the head; a field that could change framing, routing,
//! authorisation or the meaning of the content is dropped from them (RFC 9110 section 6.5.1).

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::lines::LineScan;
use super::{Limits, Malformed};

/// How an answer's body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerBody {
    /// No content: by method, by status, or `Content-Length: 0`.
    Empty,
    /// Exactly this many bytes, at least one.
    Length(u64),
    /// Chunks, perhaps trailers.
    Chunked,
    /// Everything up to the end of the connection.
    UntilClose,
}

/// Trailer lines read at most.
const MAX_TRAILERS: usize = 64;

/// Framing that may exceed content, in bytes, before a chunked body is refused (a few bytes of content in kilobytes of
/// extensions would make us read without end for nothing).
const MAX_OVERHEAD: u64 = 16 * 1024;

/// What is still to come of a body.
#[derive(Debug)]
pub(super) enum Decoder {
    Done,
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

/// Where a chunked body stands.
#[derive(Debug)]
pub(super) struct Chunks {
    next: Next,
    overhead: u64,
    scan: LineScan,
}

#[derive(Debug)]
enum Next {
    Size,
    Content(u64),
    ContentEnd,
    Trailers,
}

impl Decoder {
    pub(super) fn new(body: AnswerBody) -> Self {
        match body {
            AnswerBody::Empty => Self::Done,
            AnswerBody::Length(length) => Self::Length(length),
            AnswerBody::Chunked => Self::Chunked(Chunks {
                next: Next::Size,
                overhead: 0,
                scan: LineScan::default(),
            }),
            AnswerBody::UntilClose => Self::UntilClose,
        }
    }

    pub(super) fn done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Takes what content is in the buffer, up to the next bit of framing. Call [`settle`](Self::settle) first.
    pub(super) fn piece(&mut self, input: &mut BytesMut) -> Option<Bytes> {
        let left = match self {
            Self::Length(left)
            | Self::Chunked(Chunks {
                next: Next::Content(left),
                ..
            }) => left,
            Self::UntilClose if !input.is_empty() => return Some(input.split().freeze()),
            _ => return None,
        };
        let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
        if length == 0 {
            return None;
        }
        *left -= length as u64;
        Some(input.split_to(length).freeze())
    }

    /// Reads over what framing is in the buffer, so that content or the end is next. Returns trailers when they end it.
    pub(super) fn settle(
        &mut self,
        input: &mut BytesMut,
        limits: &Limits,
    ) -> Result<Option<Box<HeaderMap>>, Malformed> {
        match self {
            Self::Length(0) => *self = Self::Done,
            Self::Chunked(chunks) => {
                if let Some(trailers) = chunks.settle(input, limits)? {
                    *self = Self::Done;
                    return Ok((!trailers.is_empty()).then(|| Box::new(trailers)));
                }
            }
            _ => {}
        }
        Ok(None)
    }

    /// The connection ended: whether the body is complete by that.
    pub(super) fn end_of_stream(&mut self) -> bool {
        let complete = matches!(self, Self::UntilClose | Self::Done);
        if complete {
            *self = Self::Done;
        }
        complete
    }
}

impl Chunks {
    /// `Some` with the trailers at the end of the body.
    fn settle(&mut self, input: &mut BytesMut, limits: &Limits) -> Result<Option<HeaderMap>, Malformed> {
        loop {
            match self.next {
                Next::Size => {
                    let Some((length, size)) = size_line(input, limits.chunk_line_bytes)? else {
                        return Ok(None);
                    };
                    input.advance(length);
                    self.weigh(length, size)?;
                    self.next = if size == 0 {
                        Next::Trailers
                    } else {
                        Next::Content(size)
                    };
                }
                Next::Content(0) => self.next = Next::ContentEnd,
                Next::Content(_) => return Ok(None),
                Next::ContentEnd => match input.get(..2) {
                    Some(b"\r\n") => {
                        input.advance(2);
                        self.next = Next::Size;
                    }
                    None if input.is_empty() || input[0] == b'\r' => return Ok(None),
                    _ => return Err(Malformed::ChunkEnd),
                },
                Next::Trailers => {
                    let end = self
                        .scan
                        .end(input, limits.trailer_bytes, Malformed::TrailersTooLong)?;
                    return end.map(|end| trailers(&input.split_to(end).freeze())).transpose();
                }
            }
        }
    }

    fn weigh(&mut self, line: usize, size: u64) -> Result<(), Malformed> {
        let framing = self.overhead + line as u64 + 2;
        self.overhead = framing.saturating_sub(size.saturating_mul(2).saturating_add(16));
        if self.overhead > MAX_OVERHEAD {
            Err(Malformed::ChunkOverhead)
        } else {
            Ok(())
        }
    }
}

/// `chunk-size [ chunk-ext ] CRLF`: the line's length and the size.
fn size_line(input: &[u8], limit: usize) -> Result<Option<(usize, u64)>, Malformed> {
    let window = &input[..input.len().min(limit)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        return if input.len() >= limit {
            Err(Malformed::ChunkLineTooLong)
        } else {
            Ok(None)
        };
    };
    let line = window[..end].strip_suffix(b"\r").ok_or(Malformed::BareLineFeed)?;
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (digits, extension) = line.split_at(digits);
    let spaces = extension.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let well_formed = extension.is_empty() || extension.get(spaces) == Some(&b';');
    let control = extension.iter().any(|&b| (b < b' ' && b != b'\t') || b == 0x7f);
    // Sixteen digits are what fits 64 bits.
    if !(1..=16).contains(&digits.len()) || !well_formed || control {
        return Err(Malformed::ChunkLine);
    }
    let size = digits.iter().fold(0u64, |size, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            _ => (digit | 0x20) - b'a' + 10,
        };
        size << 4 | u64::from(value)
    });
    Ok(Some((end + 1, size)))
}

fn trailers(text: &Bytes) -> Result<HeaderMap, Malformed> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_TRAILERS];
    let fields = match httparse::parse_headers(text, &mut lines) {
        Ok(httparse::Status::Complete((_, fields))) => fields,
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed::TrailersTooLong),
        _ => return Err(Malformed::Trailer),
    };
    let mut kept = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed::Trailer)?;
        if !FORBIDDEN.contains(&name) {
            let value = HeaderValue::from_maybe_shared(text.slice_ref(field.value))
                .map_err(|_| Malformed::Trailer)?;
            kept.append(name, value);
        }
    }
    Ok(kept)
}

/// Fields that mean something only before the content.
const FORBIDDEN: [HeaderName; 28] = [
    header::AGE,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::DATE,
    header::EXPECT,
    header::EXPIRES,
    header::HOST,
    header::LOCATION,
    header::MAX_FORWARDS,
    header::PRAGMA,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::RANGE,
    header::RETRY_AFTER,
    header::SET_COOKIE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::VARY,
    header::WWW_AUTHENTICATE,
];
