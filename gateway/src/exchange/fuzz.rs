//! The property every answer has to keep, as a plain function: the fuzz target calls it, and so does an ordinary test over
//! the target's corpus.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Method};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{AnswerBody, Connection, Ending, ExchangeError, Malformed, Part, Progress, RequestBody};

/// All that can be learnt from an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The 1xx answers before.
    pub interims: Vec<u16>,
    /// The final head: status, fields, framing.
    pub head: Option<(u16, HeaderMap, AnswerBody)>,
    /// The content.
    pub content: Vec<u8>,
    /// The trailers.
    pub trailers: Option<HeaderMap>,
    /// How it ended.
    pub end: End,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Complete, and the connection may be used again.
    Reusable,
    /// Complete, and the connection is over.
    Over,
    /// Refused.
    Refused(Malformed),
    /// Cut off.
    Cut(Option<Part>),
    /// Any other error; never expected.
    Other,
}

impl End {
    /// The answer was complete.
    pub fn complete(self) -> bool {
        matches!(self, Self::Reusable | Self::Over)
    }
}

/// Reads one answer, delivered in `pieces` and then cut off.
pub fn read(method: &Method, pieces: impl IntoIterator<Item = Bytes>) -> Outcome {
    let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
    let mut connection = Connection::new(Replay { pieces });
    let mut outcome = Outcome {
        interims: Vec::new(),
        head: None,
        content: Vec::new(),
        trailers: None,
        end: End::Other,
    };
    if connection
        .start(method, b"/", RequestBody::None, |_| Ok(()))
        .is_err()
    {
        return outcome;
    }
    loop {
        // The stream never waits, so neither does the exchange.
        let Poll::Ready(step) = connection.poll_progress(&mut Context::from_waker(Waker::noop())) else {
            return outcome;
        };
        match step {
            Ok(Progress::Room) => return outcome,
            Ok(Progress::Interim(head)) => outcome.interims.push(head.status.as_u16()),
            Ok(Progress::Answer(head)) => {
                outcome.head = Some((head.status.as_u16(), head.headers, head.body));
            }
            Ok(Progress::Piece(piece)) => outcome.content.extend_from_slice(&piece),
            Ok(Progress::End) => break,
            Err(error) => {
                outcome.end = match error {
                    ExchangeError::Malformed(what) => End::Refused(what),
                    ExchangeError::Unanswered {
                        how: Ending::Closed, ..
                    } => End::Cut(None),
                    ExchangeError::Truncated { part, .. } => End::Cut(Some(part)),
                    _ => End::Other,
                };
                return outcome;
            }
        }
    }
    outcome.trailers = connection.trailers();
    // Bytes not read yet are surplus too; the liveness check would find them.
    let surplus = !connection.stream().pieces.is_empty();
    outcome.end = if connection.reusable() && !surplus {
        End::Reusable
    } else {
        End::Over
    };
    outcome
}

/// Checks that an answer means the same however it arrives, and that a reusable connection consumed exactly its bytes.
/// Fails by assertion.
pub fn answer(bytes: &[u8]) {
    let whole = Bytes::copy_from_slice(bytes);
    for method in [Method::GET, Method::HEAD] {
        let at_once = read(&method, [whole.clone()]);
        assert_ne!(at_once.end, End::Other, "an outcome without a name");
        let last = whole.len().saturating_sub(1);
        let cuts = whole
            .first()
            .map_or(1, |&byte| usize::from(byte) % last.max(1) + 1);
        let by_two = [
            whole.slice(..cuts.min(whole.len())),
            whole.slice(cuts.min(whole.len())..),
        ];
        assert_eq!(at_once, read(&method, by_two), "in two parts");
        let bytewise = (0..whole.len()).map(|at| whole.slice(at..at + 1));
        assert_eq!(at_once, read(&method, bytewise), "byte by byte");
        if at_once.end == End::Reusable {
            let without_last = read(&method, [whole.slice(..last)]);
            assert!(!without_last.end.complete(), "complete without its last byte");
        }
    }
}

/// A stream that plays back pieces, then ends; what is written is forgotten.
#[derive(Debug)]
struct Replay {
    pieces: VecDeque<Bytes>,
}

impl AsyncRead for Replay {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(piece) = self.pieces.front_mut() {
            let count = piece.len().min(buffer.remaining());
            buffer.put_slice(&piece[..count]);
            piece.advance(count);
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Replay {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
