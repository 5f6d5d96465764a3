//! From a JSON pointer, and a character within the value it points at, to a place in the text.

use std::sync::Arc;

use saphyr_parser::{ScalarStyle, Span};

use super::{
    Flaw,
    decode::Subject,
    packed::{Packed, Places},
    tree::{Content, Entry, Node, Place},
};
use crate::problem::Position;

/// How a text was written, as far as the place of its characters depends on it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Style {
    /// The characters stand in one line as they are, so many columns after the start of the value.
    Verbatim(u8),
    /// In one line, in double quotes, with escapes: what stands between the quotes.
    DoubleQuoted(Box<str>),
    /// In one line, in single quotes, with `''` for `'`: what stands between the quotes.
    SingleQuoted(Box<str>),
    /// Over several lines.
    Block,
}

/// The places of one object and where in the text it stands: what is around an object can change without it.
///
/// Places are asked for only when there is a problem to report, so every question unpacks the whole object.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The value that the places are of.
    pub(super) value: Arc<Packed>,
    pub(super) places: Arc<Places>,
    pub(super) start: Place,
    /// How many lines further down it stands than when it was read.
    pub(super) moved: i64,
}

impl Placed {
    /// Where the object stands.
    pub fn start(&self) -> Position {
        self.shift(self.start.into())
    }

    /// As [`Node::find`]; the places of what it gives may be those of an earlier text.
    pub fn find(&self, pointer: &str) -> Option<Node> {
        self.tree().find(pointer).cloned()
    }

    /// As [`Node::position`].
    pub fn position(&self, pointer: &str) -> Option<Position> {
        self.tree().position(pointer).map(|position| self.shift(position))
    }

    /// As [`Node::key_position`].
    pub fn key_position(&self, pointer: &str) -> Option<Position> {
        self.tree()
            .key_position(pointer)
            .map(|position| self.shift(position))
    }

    /// As [`Node::position_in`].
    pub fn position_in(&self, pointer: &str, offset: usize) -> Option<Position> {
        self.tree()
            .position_in(pointer, offset)
            .map(|position| self.shift(position))
    }

    /// As [`Node::locate`].
    pub fn locate(&self, flaw: &Flaw) -> Option<Position> {
        self.tree().locate(flaw).map(|position| self.shift(position))
    }

    fn tree(&self) -> Node {
        self.value.tree(&self.places)
    }

    fn shift(&self, position: Position) -> Position {
        let line = i64::try_from(position.line)
            .unwrap_or(i64::MAX)
            .saturating_add(self.moved);
        Position {
            line: usize::try_from(line).unwrap_or(1),
            ..position
        }
    }
}

impl Node {
    /// The node at `pointer` (RFC 6901), if there is one.
    pub fn find(&self, pointer: &str) -> Option<&Node> {
        let (node, _, rest) = self.walk(pointer);
        rest.is_empty().then_some(node)
    }

    /// Where the value at `pointer` stands; if there is none, the nearest value around it that there is.
    pub fn position(&self, pointer: &str) -> Option<Position> {
        Some(self.walk(pointer).0.start())
    }

    /// Where the key at the end of `pointer` stands; if there is none, as [`Node::position`].
    pub fn key_position(&self, pointer: &str) -> Option<Position> {
        match self.walk(pointer) {
            (_, Some(entry), []) => Some(entry.key_position()),
            (node, ..) => Some(node.start()),
        }
    }

    /// Where the character number `offset` (from 0) of the text at `pointer` stands, quotes and escapes counted. The start of
    /// the value if it is no text or is written over several lines.
    pub fn position_in(&self, pointer: &str, offset: usize) -> Option<Position> {
        let (node, _, rest) = self.walk(pointer);
        let Position { line, column } = node.start();
        let shift = match &node.content {
            Content::Text(text) if rest.is_empty() => text.style.shift(offset),
            _ => 0,
        };
        Some(Position {
            line,
            column: column + shift,
        })
    }

    /// Where `flaw`, found in the value of this node, stands.
    pub fn locate(&self, flaw: &Flaw) -> Option<Position> {
        match (flaw.subject, flaw.offset) {
            (Subject::Key, _) => self.key_position(&flaw.pointer),
            (Subject::Value, Some(offset)) => self.position_in(&flaw.pointer, offset),
            (Subject::Value, None) => self.position(&flaw.pointer),
        }
    }

    /// As far along `pointer` as there are nodes: the last node, the entry it is the value of, and what is left.
    fn walk<'p>(&self, pointer: &'p str) -> (&Node, Option<&Entry>, &'p [u8]) {
        let (mut node, mut entry, mut rest) = (self, None, pointer);
        while let Some(tail) = rest.strip_prefix('/') {
            let end = tail.find('/').unwrap_or(tail.len());
            let token = tail[..end].replace("~1", "/").replace("~0", "~");
            (node, entry) = match &node.content {
                Content::List(items) => match token.parse().ok().and_then(|at: usize| items.get(at)) {
                    Some(item) => (item, None),
                    None => break,
                },
                Content::Mapping(entries) => match entries.iter().find(|entry| entry.key == token) {
                    Some(entry) => (&entry.value, Some(entry)),
                    None => break,
                },
                _ => break,
            };
            rest = &tail[end..];
        }
        (node, entry, rest.as_bytes())
    }
}

impl Style {
    /// How many columns after the start of the value its character number `offset` stands.
    fn shift(&self, offset: usize) -> usize {
        match self {
            Self::Verbatim(quote) => usize::from(*quote) + offset,
            Self::DoubleQuoted(raw) => 1 + columns(raw, offset, escape_length),
            Self::SingleQuoted(raw) => 1 + columns(raw, offset, |raw| 1 + usize::from(raw.starts_with("''"))),
            Self::Block => 0,
        }
    }
}

/// How many columns of `raw` its first `offset` characters take, if `length` tells how many the next one takes.
fn columns(raw: &str, offset: usize, length: impl Fn(&str) -> usize) -> usize {
    let (mut rest, mut columns) = (raw, 0);
    for _ in 0..offset {
        let taken = length(rest);
        let Some((end, last)) = rest.char_indices().nth(taken - 1) else {
            break;
        };
        rest = &rest[end + last.len_utf8()..];
        columns += taken;
    }
    columns
}

/// How many characters the next character takes in double quotes (YAML 1.2.2 §5.7).
fn escape_length(raw: &str) -> usize {
    match raw.strip_prefix('\\').and_then(|escape| escape.chars().next()) {
        None => 1,
        Some('x') => 4,
        Some('u') => 6,
        Some('U') => 10,
        Some(_) => 2,
    }
}

/// The text itself, to see how a scalar was written. Asked for places that only grow, it goes through the text once.
#[derive(Default)]
pub(super) struct Source<'t> {
    text: &'t str,
    chars: usize,
    bytes: usize,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            chars: 0,
            bytes: 0,
        }
    }

    pub(super) fn style(&mut self, style: ScalarStyle, span: Span, value: &str) -> Style {
        if span.start.line() != span.end.line() {
            return Style::Block;
        }
        match style {
            ScalarStyle::Plain => Style::Verbatim(0),
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                if value.chars().count() + 2 == span.len() {
                    return Style::Verbatim(1);
                }
                let raw = self.slice(span.start.index() + 1, span.end.index().saturating_sub(1));
                match (raw, style) {
                    (None, _) => Style::Block,
                    (Some(raw), ScalarStyle::SingleQuoted) => Style::SingleQuoted(raw.into()),
                    (Some(raw), _) => Style::DoubleQuoted(raw.into()),
                }
            }
        }
    }

    /// The characters from number `from` to before `to`.
    fn slice(&mut self, from: usize, to: usize) -> Option<&'t str> {
        let ahead = from.checked_sub(self.chars)?;
        let rest = self.text.get(self.bytes..)?;
        self.bytes += rest.char_indices().nth(ahead)?.0;
        self.chars = from;
        let rest = self.text.get(self.bytes..)?;
        let mut indices = rest.char_indices();
        let length = indices
            .nth(to.checked_sub(from)?)
            .map_or(rest.len(), |(at, _)| at);
        rest.get(..length)
    }
}
