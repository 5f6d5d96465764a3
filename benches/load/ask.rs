//! One request as a connection sends it again and again: its bytes, the answer it must get, and how often.

use std::time::Duration;

/// A request, the answer it must get, and when it is sent.
pub(crate) struct Ask {
    pub(crate) bytes: Vec<u8>,
    /// Bytes of the answer's body; any number if absent.
    pub(crate) answer_length: Option<usize>,
    pub(crate) afterwards: Afterwards,
    /// How long the connection waits before the first request, so that many do not send at the same moment.
    pub(crate) delay: Duration,
    /// From one request to the next; as soon as the answer is there if absent.
    pub(crate) every: Option<Duration>,
}

/// What becomes of a connection that had its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// It is used again.
    Kept,
    /// The other side closes it.
    Closed,
}

impl Ask {
    /// These bytes, time and again on a kept connection, for an answer of this length.
    pub(crate) fn new(bytes: Vec<u8>, answer_length: usize) -> Self {
        Self {
            bytes,
            answer_length: Some(answer_length),
            afterwards: Afterwards::Kept,
            delay: Duration::ZERO,
            every: None,
        }
    }

    /// A GET with few headers.
    pub(crate) fn get(path: &str, answer_length: usize) -> Self {
        let text = format!("GET {path} HTTP/1.1\r\nHost: bench.example\r\nAccept: */*\r\n\r\n");
        Self::new(text.into_bytes(), answer_length)
    }

    /// The same, as connection `index` of `connections` sends it that all send once in `every`, spread evenly.
    pub(crate) fn paced(mut self, every: Duration, index: usize, connections: usize) -> Self {
        self.every = Some(every);
        self.after(every.mul_f64(index as f64 / connections as f64))
    }

    /// The same, after a pause.
    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}
