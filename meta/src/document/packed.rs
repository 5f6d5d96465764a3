//! Trees as bytes: a configuration holds tens of thousands of objects, and a tree takes ten times the memory of its text.
//!
//! A value and its places are apart, because an object that moves within the text keeps its value. Values that are written alike
//! have equal bytes: numbers have one form, entries the order in which they were written. That order is part of the value,
//! because an aggregation's answer has the order of its `response`; so whoever moves a key has changed the object. The bytes are
//! never stored nor sent, only ever read by the build that wrote them; bytes that end early read as `null`, not as an error.

use std::fmt;

use serde_json::{Number, Value};

use super::{
    place::Style,
    tree::{Content, Entry, Node, Place, Text},
};

/// A value in as few bytes as its compact JSON. Two are equal if the values are and their keys stand in the same order.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Packed(Box<[u8]>);

/// The places of a value that is packed by itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Places(Box<[u8]>);

impl Packed {
    /// The value.
    pub fn unpack(&self) -> Value {
        self.tree(&Places(Box::default())).into_value()
    }

    /// The value with its places.
    pub(super) fn tree(&self, places: &Places) -> Node {
        let mut reader = Reader {
            values: &self.0,
            places: &places.0,
            place: Place::default(),
        };
        reader.node()
    }
}

impl From<Value> for Packed {
    fn from(value: Value) -> Self {
        pack(Node::from_value(value)).0
    }
}

/// Whatever the order of the keys.
impl PartialEq<Value> for Packed {
    fn eq(&self, other: &Value) -> bool {
        self.unpack() == *other
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unpack().fmt(f)
    }
}

/// Takes a tree apart.
pub(super) fn pack(node: Node) -> (Packed, Places) {
    let mut writer = Writer::default();
    writer.node(node);
    (Packed(writer.values.into()), Places(writer.places.into()))
}

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const NATURAL: u8 = 3;
const NEGATIVE: u8 = 4;
const FLOAT: u8 = 5;
const TEXT: u8 = 6;
const LIST: u8 = 7;
const MAPPING: u8 = 8;

const PLAIN: u8 = 0;
const QUOTED: u8 = 1;
const DOUBLE_QUOTED: u8 = 2;
const SINGLE_QUOTED: u8 = 3;
const BLOCK: u8 = 4;

#[derive(Default)]
struct Writer {
    values: Vec<u8>,
    places: Vec<u8>,
    /// The place written last: the next one is mostly in the same line or the one below.
    place: Place,
}

impl Writer {
    fn node(&mut self, node: Node) {
        self.place(node.place);
        match node.content {
            Content::Null => self.values.push(NULL),
            Content::Bool(false) => self.values.push(FALSE),
            Content::Bool(true) => self.values.push(TRUE),
            Content::Number(number) => self.number(&number),
            Content::Text(Text { value, style }) => {
                self.values.push(TEXT);
                put_text(&mut self.values, &value);
                self.style(&style);
            }
            Content::List(items) => {
                self.values.push(LIST);
                put_natural(&mut self.values, items.len() as u64);
                items.into_iter().for_each(|item| self.node(item));
            }
            Content::Mapping(entries) => {
                self.values.push(MAPPING);
                put_natural(&mut self.values, entries.len() as u64);
                for entry in entries {
                    put_text(&mut self.values, &entry.key);
                    self.place(entry.key_place);
                    self.node(entry.value);
                }
            }
            Content::Object(object) => self.node(object.value.tree(&object.places)),
        }
    }

    fn number(&mut self, number: &Number) {
        if let Some(natural) = number.as_u64() {
            self.values.push(NATURAL);
            put_natural(&mut self.values, natural);
        } else if let Some(negative) = number.as_i64() {
            self.values.push(NEGATIVE);
            put_natural(&mut self.values, negative.unsigned_abs());
        } else {
            let float = number.as_f64().unwrap_or_default();
            self.values.push(FLOAT);
            self.values.extend(float.to_bits().to_le_bytes());
        }
    }

    fn place(&mut self, place: Place) {
        let down = i64::from(place.line) - i64::from(self.place.line);
        // Small numbers of either sign become small ones without: 0, -1, 1, -2, …
        put_natural(&mut self.places, ((down << 1) ^ (down >> 63)) as u64);
        put_natural(&mut self.places, u64::from(place.column));
        self.place = place;
    }

    fn style(&mut self, style: &Style) {
        let (tag, raw) = match style {
            Style::Verbatim(0) => (PLAIN, None),
            Style::Verbatim(_) => (QUOTED, None),
            Style::DoubleQuoted(raw) => (DOUBLE_QUOTED, Some(raw)),
            Style::SingleQuoted(raw) => (SINGLE_QUOTED, Some(raw)),
            Style::Block => (BLOCK, None),
        };
        self.places.push(tag);
        raw.into_iter().for_each(|raw| put_text(&mut self.places, raw));
    }
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow (LEB128).
fn put_natural(out: &mut Vec<u8>, mut natural: u64) {
    while natural >= 0x80 {
        out.push(natural as u8 | 0x80);
        natural >>= 7;
    }
    out.push(natural as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_natural(out, text.len() as u64);
    out.extend(text.as_bytes());
}

struct Reader<'b> {
    values: &'b [u8],
    /// Empty if the places are not asked for.
    places: &'b [u8],
    place: Place,
}

impl Reader<'_> {
    fn node(&mut self) -> Node {
        let place = self.place();
        let content = match take_byte(&mut self.values) {
            FALSE => Content::Bool(false),
            TRUE => Content::Bool(true),
            NATURAL => Content::Number(take_natural(&mut self.values).into()),
            NEGATIVE => Content::Number(0i64.wrapping_sub_unsigned(take_natural(&mut self.values)).into()),
            FLOAT => self.float(),
            TEXT => Content::Text(Text {
                value: take_text(&mut self.values).into(),
                style: self.style(),
            }),
            LIST => Content::List((0..self.count()).map(|_| self.node()).collect()),
            MAPPING => Content::Mapping((0..self.count()).map(|_| self.entry()).collect()),
            _ => Content::Null,
        };
        Node { place, content }
    }

    fn entry(&mut self) -> Entry {
        Entry {
            key: take_text(&mut self.values).to_owned(),
            key_place: self.place(),
            value: self.node(),
        }
    }

    fn float(&mut self) -> Content {
        let Some((bytes, rest)) = self.values.split_first_chunk() else {
            return Content::Null;
        };
        self.values = rest;
        Number::from_f64(f64::from_bits(u64::from_le_bytes(*bytes))).map_or(Content::Null, Content::Number)
    }

    /// How many parts follow, each of a byte at least.
    fn count(&mut self) -> usize {
        let count = take_natural(&mut self.values);
        usize::try_from(count).map_or(0, |count| count.min(self.values.len()))
    }

    fn place(&mut self) -> Place {
        if self.places.is_empty() {
            return self.place;
        }
        let down = take_natural(&mut self.places);
        let down = (down >> 1) as i64 ^ -((down & 1) as i64);
        self.place = Place {
            line: self.place.line.saturating_add_signed(down as i32),
            column: take_natural(&mut self.places) as u32,
        };
        self.place
    }

    fn style(&mut self) -> Style {
        if self.places.is_empty() {
            return Style::Block;
        }
        match take_byte(&mut self.places) {
            PLAIN => Style::Verbatim(0),
            QUOTED => Style::Verbatim(1),
            DOUBLE_QUOTED => Style::DoubleQuoted(take_text(&mut self.places).into()),
            SINGLE_QUOTED => Style::SingleQuoted(take_text(&mut self.places).into()),
            _ => Style::Block,
        }
    }
}

fn take_byte(from: &mut &[u8]) -> u8 {
    from.split_off_first().copied().unwrap_or(NULL)
}

fn take_natural(from: &mut &[u8]) -> u64 {
    let mut natural = 0;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(from);
        natural |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    natural
}

fn take_text<'b>(from: &mut &'b [u8]) -> &'b str {
    let length = usize::try_from(take_natural(from)).unwrap_or(usize::MAX);
    let Some((text, rest)) = from.split_at_checked(length) else {
        return "";
    };
    *from = rest;
    str::from_utf8(text).unwrap_or_default()
}
