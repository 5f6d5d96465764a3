//! The decoded body while it grows: no copy for a single piece, one for several, little waste for tiny ones.

use bytes::Bytes;

use super::super::content::ContentFault;

/// Pieces below this size are copied together, so that a body of tiny pieces costs little more than its length.
const SMALL_BYTES: usize = 4 << 10;
pub(super) const TAIL_BYTES: usize = 16 << 10;

/// The plain body so far: whole pieces, and a tail into which what comes in small parts is copied.
pub(super) struct Body {
    pieces: Vec<Bytes>,
    tail: Vec<u8>,
    pieces_bytes: usize,
    pub(super) max_bytes: usize,
}

impl Body {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            pieces: Vec::new(),
            tail: Vec::new(),
            pieces_bytes: 0,
            max_bytes,
        }
    }

    /// Takes a piece as it is if it is the first or large enough.
    pub(super) fn keep(&mut self, piece: Bytes) -> Result<(), ContentFault> {
        let first = self.length() == 0;
        if !first && piece.len() < SMALL_BYTES {
            return self.copy(&piece);
        }
        self.admit(piece.len())?;
        self.seal();
        self.append(piece);
        Ok(())
    }

    /// Takes a part of the body by copying it.
    pub(super) fn copy(&mut self, part: &[u8]) -> Result<(), ContentFault> {
        self.admit(part.len())?;
        if self.tail.len() + part.len() > TAIL_BYTES {
            self.seal();
        }
        self.tail.extend_from_slice(part);
        Ok(())
    }

    fn admit(&self, more: usize) -> Result<(), ContentFault> {
        if more > self.max_bytes - self.length() {
            Err(ContentFault::TooLarge)
        } else {
            Ok(())
        }
    }

    fn seal(&mut self) {
        let tail = std::mem::take(&mut self.tail);
        // Without its spare room, which would stay with the body for as long as it lives.
        self.append(Bytes::from(tail.into_boxed_slice()));
    }

    fn append(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.pieces_bytes += piece.len();
            self.pieces.push(piece);
        }
    }

    fn length(&self) -> usize {
        self.pieces_bytes + self.tail.len()
    }

    pub(super) fn held(&self) -> usize {
        self.pieces_bytes + self.pieces.capacity() * size_of::<Bytes>() + self.tail.capacity()
    }

    /// A lone piece as it is; several are copied together, each freed as soon as it is copied.
    pub(super) fn join(mut self) -> Bytes {
        self.seal();
        if self.pieces.len() == 1 {
            return self.pieces.pop().unwrap_or_default();
        }
        let mut whole = Vec::with_capacity(self.pieces_bytes);
        self.pieces
            .into_iter()
            .for_each(|piece| whole.extend_from_slice(&piece));
        Bytes::from(whole)
    }
}
