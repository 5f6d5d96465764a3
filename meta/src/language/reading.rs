//! A value that a text reads, and where.

use std::fmt;

use super::Value;

/// A value that a text reads, and where it stands.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// Where the text stands (RFC 6901).
    pub pointer: &'a str,
    /// The text.
    pub text: &'a dyn fmt::Display,
    /// The byte of the text at which the value stands.
    pub offset: usize,
    /// The value.
    pub value: &'a Value,
}

impl<'a> Reading<'a> {
    /// Of each value in the text at `pointer`.
    pub(crate) fn all(
        pointer: &'a str,
        text: &'a dyn fmt::Display,
        values: impl Iterator<Item = (usize, &'a Value)>,
    ) -> impl Iterator<Item = Self> {
        values.map(move |(offset, value)| Self {
            pointer,
            text,
            offset,
            value,
        })
    }
}
