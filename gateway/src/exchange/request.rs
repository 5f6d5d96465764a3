//! What is still to be queued of a request's body, kept to what its head announced.

use bytes::Bytes;

use super::outbox::Outbox;
use super::{RequestBody, RequestFault};

/// The state of the request body of one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unqueued {
    /// Nothing: the request is complete.
    Nothing,
    /// Exactly so many bytes.
    Length { left: u64, room: Room },
    /// Any number of chunks.
    Chunks { room: Room },
    /// Whatever comes is dropped: the server no longer takes it.
    Refused,
}

/// Whether the caller has been told that everything queued is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Untold,
    Told,
}

impl Unqueued {
    pub(super) fn new(body: RequestBody) -> Self {
        match body {
            RequestBody::None | RequestBody::Length(0) => Self::Nothing,
            RequestBody::Length(left) => Self::Length {
                left,
                room: Room::Untold,
            },
            RequestBody::Chunked => Self::Chunks { room: Room::Untold },
        }
    }

    /// More may follow.
    pub(super) fn unfinished(&self) -> bool {
        matches!(self, Self::Length { .. } | Self::Chunks { .. })
    }

    pub(super) fn queue(&mut self, piece: Bytes, output: &mut Outbox) -> Result<(), RequestFault> {
        match self {
            Self::Refused => {}
            Self::Nothing if piece.is_empty() => {}
            Self::Nothing => return Err(RequestFault::BodyTooLong),
            Self::Length { left, room } => {
                *left = left
                    .checked_sub(piece.len() as u64)
                    .ok_or(RequestFault::BodyTooLong)?;
                *room = Room::Untold;
                if *left == 0 {
                    *self = Self::Nothing;
                }
                output.push(piece);
            }
            // An empty chunk would end the body; room is told again for what comes instead.
            Self::Chunks { room } if piece.is_empty() => *room = Room::Untold,
            Self::Chunks { room } => {
                *room = Room::Untold;
                let mut line = [0; 18];
                output.push_text(size_line(piece.len(), &mut line));
                output.push(piece);
                output.push_text(b"\r\n");
            }
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, output: &mut Outbox) -> Result<(), RequestFault> {
        match self {
            Self::Nothing | Self::Refused => {}
            Self::Length { .. } => return Err(RequestFault::BodyTooShort),
            Self::Chunks { .. } => {
                output.push_text(b"0\r\n\r\n");
                *self = Self::Nothing;
            }
        }
        Ok(())
    }

    /// Everything queued is written, more is wanted, and the caller does not know it: true once for each time.
    pub(super) fn tell_room(&mut self, output: &Outbox) -> bool {
        match self {
            Self::Length { room, .. } | Self::Chunks { room } if output.is_empty() => {
                std::mem::replace(room, Room::Told) == Room::Untold
            }
            _ => false,
        }
    }
}

/// `chunk-size CRLF` in hexadecimal.
fn size_line(mut size: usize, line: &mut [u8; 18]) -> &[u8] {
    line[16..].copy_from_slice(b"\r\n");
    let mut at = 16;
    loop {
        at -= 1;
        line[at] = b"0123456789abcdef"[size & 15];
        size >>= 4;
        if size == 0 {
            return &line[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_sizes_are_hexadecimal() {
        for size in [0, 1, 15, 16, 255, 65_536, usize::MAX] {
            assert_eq!(size_line(size, &mut [0; 18]), format!("{size:x}\r\n").as_bytes());
        }
    }
}
