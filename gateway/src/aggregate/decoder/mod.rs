//! Undoes the `Content-Encoding` of a body that arrives in pieces (RFC 9110 §8.4), in bounded memory.
//!
//! Each coding is a stage that hands what it decodes to the next one through a small buffer on the stack; what leaves
//! the last stage is held until the end. Worst case: `max_bytes`, 24 KiB that were decoded too much, and
//! for each of at most three stages 48 KiB of inflate state, or for brotli a window of 4 MiB and 3 MiB of code tables.

mod body;
mod stage;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_ENCODING};

use self::{
    body::Body,
    stage::{Format, Stage},
};
use super::content::ContentFault;

const MAX_STAGES: usize = 3;
/// What a stage decodes at once.
const BUFFER_BYTES: usize = 8 << 10;

/// A body on its way from its coded pieces to its plain bytes.
///
/// After an error the body is lost: the decoder is good for nothing but being dropped.
pub(crate) struct Decoder {
    stages: Vec<Stage>,
    body: Body,
}

impl Decoder {
    /// A decoder for a body with these headers, whose coded and plain forms may have `max_bytes` each.
    ///
    /// Understands `gzip`, `x-gzip`, `deflate` and `br`; anything else, or more than three codings one over the
    /// other, is [`ContentFault::Coding`].
    pub(crate) fn new(headers: &HeaderMap, max_bytes: usize) -> Result<Self, ContentFault> {
        let mut stages = Vec::new();
        for value in headers.get_all(CONTENT_ENCODING) {
            let codings = value.to_str().map_err(|_| ContentFault::Coding)?;
            for name in codings.split(',').map(str::trim).filter(|name| is_coding(name)) {
                stages.push(Stage::new(Format::named(name)?));
            }
        }
        if stages.len() > MAX_STAGES {
            return Err(ContentFault::Coding);
        }
        // They are listed in the order in which they were applied.
        stages.reverse();
        Ok(Self {
            stages,
            body: Body::new(max_bytes),
        })
    }

    /// Takes the next piece of the coded body.
    ///
    /// [`ContentFault::TooLarge`] as soon as the body has more than `max_bytes` in any of its forms;
    /// [`ContentFault::Corrupt`] if it is not what its coding says or does not end where the coded stream ends.
    pub(crate) fn push(&mut self, piece: Bytes) -> Result<(), ContentFault> {
        if self.stages.is_empty() {
            return self.body.keep(piece);
        }
        feed(&mut self.stages, &piece, &mut self.body)
    }

    /// The plain body; [`ContentFault::Corrupt`] if the coded one is cut off.
    ///
    /// A body without a single byte is empty whatever its coding: servers leave the field on answers without content.
    pub(crate) fn finish(self) -> Result<Bytes, ContentFault> {
        if self.stages.iter().any(Stage::is_running) {
            return Err(ContentFault::Corrupt);
        }
        Ok(self.body.join())
    }

    /// The bytes of memory held for this body: what is decoded and the states of its stages. A plain piece counts
    /// with its length, though it may keep a larger buffer alive; of brotli, the code tables are not counted.
    pub(crate) fn held(&self) -> usize {
        self.body.held() + self.stages.iter().map(Stage::held).sum::<usize>()
    }
}

/// An empty list element says nothing, and `identity` changes nothing.
fn is_coding(name: &str) -> bool {
    !name.is_empty() && !name.eq_ignore_ascii_case("identity")
}

/// Runs `input` through `stages`, and what leaves the last one into `body`.
fn feed(stages: &mut [Stage], mut input: &[u8], body: &mut Body) -> Result<(), ContentFault> {
    let Some((stage, later)) = stages.split_first_mut() else {
        return body.copy(input);
    };
    stage.count(input.len(), body.max_bytes)?;
    let mut buffer = [0; BUFFER_BYTES];
    loop {
        let step = stage.step(input, &mut buffer)?;
        feed(later, &buffer[..step.written], body)?;
        input = &input[step.read..];
        if input.is_empty() && step.written < buffer.len() {
            return Ok(());
        }
    }
}
