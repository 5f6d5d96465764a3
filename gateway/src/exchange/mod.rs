//! One request to one server and its answer, over HTTP/1.1 (RFC 9112): the client half of forwarding.
//!
//! An exchange in order: [`Pool::take`] gives a kept connection (or the caller opens one), [`Connection::start`] writes the
//! request head into the connection's own buffer, [`Connection::queue_body`] and [`Connection::finish_body`] add the body,
//! [`Connection::progress`] moves bytes both ways until the answer's head is here, [`Connection::ready_chunk`] and
//! [`Connection::chunk`] give its body, [`Pool::put`] keeps the connection if it may be used again.
//!
//! What it promises:
//! - Framing has one reading or the answer is refused; a refused answer's connection is never used again (the table of
//!   answers in `tests/table.rs` is the exact contract).
//! - Every wait may be cancelled: all state lives in the [`Connection`], none in a future.
//! - Memory is bounded: one read buffer of at most 64 KiB beyond the head, no reading ahead of what the caller takes.
//! - An ordinary exchange costs one write and one read.
//!
//! What it leaves to its caller: connecting, deadlines, retries, choosing a server, upgrades, what to do with trailers.

mod answer;
mod body;
mod connection;
mod error;
mod framing;
#[doc(hidden)]
pub mod fuzz;
mod head;
mod lines;
mod outbox;
mod pool;
mod request;
#[cfg(test)]
mod tests;

pub use answer::AnswerHead;
pub use body::AnswerBody;
pub use connection::{Connection, Progress};
pub use error::{Ending, ExchangeError, Malformed, Part, RequestFault};
pub use head::{FieldBlock, HeadWriter, RequestBody};
pub use pool::{Idleness, Pool};

/// The most an answer may cost before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the status line and all field lines together.
    pub head_bytes: usize,
    /// Field lines in a head; at most 256 whatever is set here.
    pub fields: usize,
    /// 1xx answers before the final one.
    pub interims: u32,
    /// Bytes of one chunk's size line, extensions included.
    pub chunk_line_bytes: usize,
    /// Bytes of all trailer lines together; at most 64 of them are read.
    pub trailer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 64 * 1024,
            fields: 256,
            interims: 16,
            chunk_line_bytes: 1024,
            trailer_bytes: 16 * 1024,
        }
    }
}
