//! Why an exchange ended without a complete answer, in the terms a retry decision needs.

use std::io;

/// An exchange that failed. Its connection is over.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The connection ended before the first byte of an answer.
    #[error("connection {how} before any answer, {written} bytes of the request written")]
    Unanswered {
        /// An earlier exchange on this connection had succeeded, so the server may just have stopped waiting.
        reused: bool,
        /// Bytes of the request handed to the kernel.
        written: u64,
        /// How it ended.
        how: Ending,
    },
    /// The connection ended inside the answer.
    #[error("connection {how} inside the answer's {part}")]
    Truncated {
        /// What was being read.
        part: Part,
        /// How it ended.
        how: Ending,
    },
    /// The answer breaks RFC 9112, can be read in two ways, or exceeds a limit.
    #[error("refused answer: {0}")]
    Malformed(#[from] Malformed),
    /// The caller asked for something that must not be sent; nothing of it was.
    #[error("refused request: {0}")]
    Request(#[from] RequestFault),
    /// Any other failure of the stream (TLS, local resources).
    #[error("stream failed: {0}")]
    Io(#[from] io::Error),
}

impl ExchangeError {
    /// No byte of the request left this process, so repeating it cannot do anything twice.
    pub fn nothing_sent(&self) -> bool {
        matches!(self, Self::Unanswered { written: 0, .. } | Self::Request(_))
    }

    /// A kept connection that the server gave up before any byte of an answer: worth one attempt on a fresh one.
    pub fn stale(&self) -> bool {
        matches!(self, Self::Unanswered { reused: true, .. })
    }
}

/// How the server ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// An orderly end of stream.
    Closed,
    /// A reset, or a broken pipe seen while writing.
    Reset,
}

impl Ending {
    /// Tells an end made by the peer from other failures.
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        use io::ErrorKind::*;
        matches!(
            error.kind(),
            ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected | UnexpectedEof | WriteZero
        )
        .then_some(Self::Reset)
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Reset => "reset",
        })
    }
}

/// A part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Status line and fields.
    Head,
    /// Content, chunk framing and trailers.
    Body,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Head => "head",
            Self::Body => "body",
        })
    }
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The first bytes are not those of an HTTP/1 status line (HTTP/0.9, HTTP/2, another protocol).
    #[error("not HTTP/1")]
    NotHttp,
    /// A version other than 1.0 and 1.1, or a bad status code or reason.
    #[error("bad status line")]
    StatusLine,
    /// A line that ends without CR.
    #[error("a line ends in a bare line feed")]
    BareLineFeed,
    /// A bad field name (also: space before the colon, folded line).
    #[error("bad field name")]
    FieldName,
    /// A control byte in a field value.
    #[error("bad field value")]
    FieldValue,
    /// The head is longer than [`Limits::head_bytes`](super::Limits::head_bytes).
    #[error("head too long")]
    HeadTooLong,
    /// More than [`Limits::fields`](super::Limits::fields) field lines.
    #[error("too many fields")]
    TooManyFields,
    /// `Content-Length` is not one number, or not one that fits.
    #[error("bad Content-Length")]
    Length,
    /// Two different lengths (RFC 9112 section 6.3, rule 5).
    #[error("conflicting Content-Length")]
    LengthsDiffer,
    /// `Transfer-Encoding` is not exactly one `chunked`.
    #[error("transfer coding other than one chunked")]
    TransferCoding,
    /// `Transfer-Encoding` next to `Content-Length` (RFC 9112 section 6.3, rule 3).
    #[error("both Transfer-Encoding and Content-Length")]
    CodingAndLength,
    /// `Transfer-Encoding` in an HTTP/1.0 answer (RFC 9112 section 6.1).
    #[error("Transfer-Encoding in HTTP/1.0")]
    CodingInHttp10,
    /// 101 without a request for it: an exchange never asks.
    #[error("switched protocols unasked")]
    Switched,
    /// A 1xx answer that announces content.
    #[error("1xx with content")]
    InterimContent,
    /// More than [`Limits::interims`](super::Limits::interims) 1xx answers.
    #[error("too many 1xx answers")]
    TooManyInterims,
    /// A chunk size that is not hexadecimal or does not fit, or an extension with control bytes.
    #[error("bad chunk size line")]
    ChunkLine,
    /// A chunk size line longer than [`Limits::chunk_line_bytes`](super::Limits::chunk_line_bytes).
    #[error("chunk size line too long")]
    ChunkLineTooLong,
    /// Chunk content that is not followed by CR LF.
    #[error("chunk longer than its size")]
    ChunkEnd,
    /// Chunk framing far larger than the content it frames.
    #[error("too much chunk framing")]
    ChunkOverhead,
    /// A trailer line that is not a field.
    #[error("bad trailer")]
    Trailer,
    /// Trailers beyond [`Limits::trailer_bytes`](super::Limits::trailer_bytes) or 64 lines.
    #[error("trailers too long")]
    TrailersTooLong,
}

/// What the caller must not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// `CONNECT`: its answer has no HTTP framing.
    #[error("CONNECT is not an exchange")]
    Connect,
    /// A target that is neither origin-form nor `*`, or contains a space or control byte.
    #[error("bad request target")]
    Target,
    /// A field name that is not a token.
    #[error("bad field name")]
    FieldName,
    /// A field value with a control byte (CR, LF and NUL among them).
    #[error("bad field value")]
    FieldValue,
    /// `Content-Length` or `Transfer-Encoding` as a field: [`RequestBody`](super::RequestBody) writes them.
    #[error("framing fields are written by the body's kind")]
    FramingField,
    /// More body than announced.
    #[error("body longer than its announced length")]
    BodyTooLong,
    /// The body was finished before its announced length.
    #[error("body shorter than its announced length")]
    BodyTooShort,
    /// A call out of order: a second request before the answer's end, a body after its end, an answer not begun.
    #[error("call out of order")]
    OutOfOrder,
}
