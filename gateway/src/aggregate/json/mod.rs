//! JSON as bytes: checked once, looked into and merged without being decoded.
//!
//! A value keeps its spelling: `1e400`, `0.10`, `12345678901234567890`, escapes, duplicate members and the order of
//! members come out as they went in. [`Json::parse`] is the border; behind it the bytes are known to be valid, and
//! the rest skips through them without checking again. Numbers are never computed with, and nothing is re-encoded.

#[doc(hidden)]
pub mod fuzz;
mod grammar;
mod merge;
mod raw;
mod string;
#[cfg(test)]
mod tests;

use bytes::{Buf, Bytes};
use meta::language::Step;

pub use grammar::{Fault, JsonFault, MAX_DEPTH};
pub use merge::{Collision, Merge, OnCollision, merge};
pub use raw::{Items, Kind, Members, Raw};
pub use string::push_string;

/// The bytes of one valid JSON text, without whitespace around it. A clone shares them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(Bytes);

impl Json {
    /// Takes `bytes` if they are exactly one JSON text (RFC 8259) in UTF-8, at most [`MAX_DEPTH`] deep.
    ///
    /// Whitespace around it is dropped, as is a byte order mark before it, which RFC 8259 §8.1 allows to ignore. A
    /// lone surrogate such as `"\ud800"` is in the grammar and passes. The fault says where the first violation is;
    /// one of UTF-8 is found before those of the grammar.
    pub fn parse(mut bytes: Bytes) -> Result<Self, JsonFault> {
        let value = grammar::find_value(&bytes)?;
        // Unlike `slice`, these allocate nothing for bytes that have one owner and end with the value.
        bytes.truncate(value.end);
        bytes.advance(value.start);
        Ok(Self(bytes))
    }

    /// The bytes of a [`Json`] that were put away as bytes.
    pub(crate) const fn known(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// A JSON string.
    pub fn from_text(text: &str) -> Self {
        let mut quoted = Vec::with_capacity(text.len() + 2);
        push_string(&mut quoted, text);
        Self(quoted.into())
    }

    /// A value of a configuration.
    pub fn from_value(value: &serde_json::Value) -> Self {
        Self(value.to_string().into())
    }

    /// `null`.
    pub const fn null() -> Self {
        Self(Bytes::from_static(b"null"))
    }

    /// `{}`.
    const fn empty_object() -> Self {
        Self(Bytes::from_static(b"{}"))
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The whole value, to look into.
    pub fn raw(&self) -> Raw<'_> {
        Raw::new(&self.0)
    }

    /// The part that `path` leads to, `None` if there is none. Of duplicate members the last counts, as most parsers
    /// have it (RFC 8259 §4); names are compared decoded. Time is linear in the text for each step.
    pub fn find(&self, path: &[Step]) -> Option<Raw<'_>> {
        path.iter().try_fold(self.raw(), |part, step| part.step(step))
    }
}
