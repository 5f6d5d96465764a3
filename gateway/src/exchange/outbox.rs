//! What is written but not yet sent: the head and small things copied into one buffer, large pieces of body as they are.
//!
//! Everything small goes out in one plain write, everything else in one vectored write, where the stream can do that.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

/// Pieces up to this size are copied behind the head: cheaper than a second slice.
const SMALL: usize = 2 * 1024;

/// Slices of one vectored write.
const SLICES: usize = 16;

/// A text buffer that grew beyond this is given back once sent.
const KEPT_TEXT: usize = 16 * 1024;

/// Bytes on their way out, in order: the unsent part of `text`, then `pieces`.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    text: BytesMut,
    sent: usize,
    pieces: VecDeque<Bytes>,
    piece_bytes: usize,
    unflushed: bool,
}

impl Outbox {
    /// The buffer for a head; only before anything else is queued.
    pub(super) fn text(&mut self) -> &mut BytesMut {
        &mut self.text
    }

    /// Forgets everything unsent.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes not yet taken by the stream.
    pub(super) fn pending(&self) -> usize {
        self.text.len() - self.sent + self.piece_bytes
    }

    /// Everything was taken by the stream and flushed.
    pub(super) fn is_empty(&self) -> bool {
        self.pending() == 0 && !self.unflushed
    }

    /// Adds content.
    pub(super) fn push(&mut self, piece: Bytes) {
        if self.pieces.is_empty() && piece.len() <= SMALL {
            self.text.extend_from_slice(&piece);
        } else if !piece.is_empty() {
            self.piece_bytes += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Adds framing.
    pub(super) fn push_text(&mut self, text: &[u8]) {
        if self.pieces.is_empty() {
            self.text.extend_from_slice(text);
        } else {
            self.piece_bytes += text.len();
            self.pieces.push_back(Bytes::copy_from_slice(text));
        }
    }

    /// Sends what the stream takes, adding the number of bytes to `written`. Ready when everything is sent and flushed.
    pub(super) fn poll_send<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        written: &mut u64,
    ) -> Poll<io::Result<()>> {
        while self.pending() > 0 {
            let count = ready!(self.poll_write(stream, cx))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += count as u64;
            self.unflushed = true;
            self.advance(count);
        }
        if self.unflushed {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let text = &self.text[self.sent..];
        let stream = Pin::new(stream);
        let Some(first) = self.pieces.front() else {
            return stream.poll_write(cx, text);
        };
        if !stream.is_write_vectored() {
            return stream.poll_write(cx, if text.is_empty() { first } else { text });
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0;
        let unsent = std::iter::once(text).filter(|text| !text.is_empty());
        for (slot, part) in slices
            .iter_mut()
            .zip(unsent.chain(self.pieces.iter().map(Bytes::as_ref)))
        {
            *slot = IoSlice::new(part);
            used += 1;
        }
        stream.poll_write_vectored(cx, &slices[..used])
    }

    fn advance(&mut self, mut count: usize) {
        let text = count.min(self.text.len() - self.sent);
        self.sent += text;
        count -= text;
        if self.sent == self.text.len() {
            self.sent = 0;
            self.text.clear();
            if self.text.capacity() > KEPT_TEXT {
                self.text = BytesMut::new();
            }
        }
        self.piece_bytes -= count;
        while let Some(piece) = self.pieces.front_mut() {
            if count < piece.len() {
                piece.advance(count);
                return;
            }
            count -= piece.len();
            self.pieces.pop_front();
        }
    }
}
