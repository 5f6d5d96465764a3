//! A look into JSON that is known to be valid: parts are found by skipping, nothing is checked again.

use std::borrow::Cow;

use super::string::{decode, string_length};
use meta::language::Step;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// One value in a [`Json`](super::Json), as it is spelled there, without whitespace around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a>(&'a [u8]);

impl<'a> Raw<'a> {
    /// `text` is one valid value and nothing else.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// The spelling.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// What the value is.
    pub fn kind(self) -> Kind {
        match self.0.first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            _ => Kind::Null,
        }
    }

    /// The value is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The value as text: the characters of a string, the spelling of anything else; `null` has none.
    ///
    /// A lone surrogate in a string becomes U+FFFD. Only a string with escapes allocates.
    pub fn text(self) -> Option<Cow<'a, str>> {
        match self.kind() {
            Kind::Null => None,
            Kind::String => Some(decode(self.inside())),
            _ => Some(String::from_utf8_lossy(self.0)),
        }
    }

    /// The members of an object, names and values in their order, duplicates included; of anything else none.
    pub fn members(self) -> Members<'a> {
        Members(match self.kind() {
            Kind::Object => Rest(self.inside()),
            _ => Rest(&[]),
        })
    }

    /// The items of an array; of anything else none.
    pub fn items(self) -> Items<'a> {
        Items(match self.kind() {
            Kind::Array => Rest(self.inside()),
            _ => Rest(&[]),
        })
    }

    /// The part one step further; see [`Json::find`](super::Json::find).
    pub fn step(self, step: &Step) -> Option<Raw<'a>> {
        match step {
            Step::Member(name) => self.member(name),
            Step::Index(index) if self.kind() == Kind::Array => self.items().nth(*index),
            Step::Index(index) => self.member(&index.to_string()),
        }
    }

    fn member(self, name: &str) -> Option<Raw<'a>> {
        let named = self
            .members()
            .filter(|(key, _)| key.text().is_some_and(|key| key == name));
        named.last().map(|(_, value)| value)
    }

    /// What is between the quotes or brackets.
    fn inside(self) -> &'a [u8] {
        match self.0 {
            [_, inside @ .., _] => inside,
            _ => &[],
        }
    }
}

/// The members of an object, each a name (a string) and a value.
#[derive(Debug, Clone)]
pub struct Members<'a>(Rest<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (Raw<'a>, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next_value()?, self.0.next_value()?))
    }
}

/// The items of an array.
#[derive(Debug, Clone)]
pub struct Items<'a>(Rest<'a>);

impl<'a> Iterator for Items<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_value()
    }
}

/// What has not been visited yet between two brackets.
#[derive(Debug, Clone)]
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// In a valid text, commas and colons are where they belong, so they can be skipped like whitespace.
    fn next_value(&mut self) -> Option<Raw<'a>> {
        let start = self.0.iter().position(|byte| !is_between_values(*byte))?;
        let (_, rest) = self.0.split_at_checked(start)?;
        let (value, rest) = rest.split_at_checked(value_length(rest))?;
        self.0 = rest;
        Some(Raw(value))
    }
}

fn is_between_values(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | b':')
}

/// The length of the value at the start of `text`.
fn value_length(text: &[u8]) -> usize {
    match text.first() {
        Some(b'"') => string_length(text),
        Some(b'{' | b'[') => container_length(text),
        _ => text
            .iter()
            .position(|byte| is_between_values(*byte) || matches!(byte, b']' | b'}'))
            .unwrap_or(text.len()),
    }
}

/// The length of the array or object at the start of `text`: brackets in strings do not count.
fn container_length(text: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at += string_length(text.get(at..).unwrap_or_default());
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return at + 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    at
}
