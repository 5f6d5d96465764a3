//! The tree of a text: values that know where they stand.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::{
    packed::{Packed, Places},
    place::Style,
};
use crate::problem::Position;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub(super) place: Place,
    /// The value.
    pub content: Content,
}

/// A place, small because there are many. A text of at most 64 MiB has no larger numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) column: u32,
}

impl From<Place> for Position {
    fn from(place: Place) -> Self {
        Self {
            line: place.line as usize,
            column: place.column as usize,
        }
    }
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer from -2⁶³ to 2⁶⁴-1, exactly, or a finite floating point number.
    Number(Number),
    /// A text.
    Text(Text),
    /// Values in order.
    List(Vec<Node>),
    /// Keys and values in order; no key twice.
    Mapping(Vec<Entry>),
    /// An object of a configuration, packed as soon as it was read; in no tree that leaves this module.
    Object(Box<Object>),
}

/// A packed mapping with an id.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    pub(super) id: String,
    pub(super) value: Arc<Packed>,
    pub(super) places: Arc<Places>,
}

/// A text and how it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    pub(super) value: Box<str>,
    pub(super) style: Style,
}

/// One entry of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    pub(super) key_place: Place,
    /// The value.
    pub value: Node,
}

impl Entry {
    /// Where the key stands.
    pub fn key_position(&self) -> Position {
        self.key_place.into()
    }
}

impl Node {
    /// Where the value stands.
    pub fn start(&self) -> Position {
        self.place.into()
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(&text.value),
            _ => None,
        }
    }

    /// The entries of a mapping; of anything else, none.
    pub fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; of anything else, none.
    pub fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// The value of `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
    }

    /// What it is, for people: `a list`, `text "x"`.
    pub fn describe(&self) -> String {
        super::phrase::describe(&match &self.content {
            // What is inside is not shown.
            Content::List(_) => Value::Array(Vec::new()),
            Content::Mapping(_) => Value::Object(Map::new()),
            _ => self.to_value(),
        })
    }

    /// The value without places.
    pub fn to_value(&self) -> Value {
        self.clone().into_value()
    }

    /// As [`Self::to_value`], if the tree is not needed any more.
    pub(super) fn into_value(self) -> Value {
        match self.content {
            Content::Null => Value::Null,
            Content::Bool(truth) => Value::Bool(truth),
            Content::Number(number) => Value::Number(number),
            Content::Text(text) => Value::String(text.value.into()),
            Content::List(items) => Value::Array(items.into_iter().map(Self::into_value).collect()),
            Content::Mapping(entries) => Value::Object(
                entries
                    .into_iter()
                    .map(|entry| (entry.key, entry.value.into_value()))
                    .collect(),
            ),
            Content::Object(object) => object.value.unpack(),
        }
    }

    /// `value` at no place in particular.
    pub(super) fn from_value(value: Value) -> Self {
        let place = Place::default();
        let content = match value {
            Value::Null => Content::Null,
            Value::Bool(truth) => Content::Bool(truth),
            Value::Number(number) => Content::Number(number),
            Value::String(text) => Content::Text(Text {
                value: text.into(),
                style: Style::Block,
            }),
            Value::Array(items) => Content::List(items.into_iter().map(Self::from_value).collect()),
            Value::Object(entries) => {
                let entry = |(key, value)| Entry {
                    key,
                    key_place: place,
                    value: Self::from_value(value),
                };
                Content::Mapping(entries.into_iter().map(entry).collect())
            }
        };
        Self { place, content }
    }

    /// How many nodes and bytes of text hang on this one, and how deep they go.
    pub(super) fn weigh(&self) -> Weight {
        let mut weight = Weight {
            nodes: 1,
            bytes: 0,
            depth: 0,
        };
        match &self.content {
            Content::Text(text) => weight.bytes = text.value.len(),
            Content::List(items) => items.iter().for_each(|item| weight.add(item.weigh(), 0)),
            Content::Mapping(entries) => entries
                .iter()
                .for_each(|entry| weight.add(entry.value.weigh(), entry.key.len())),
            Content::Object(object) => return object.value.tree(&object.places).weigh(),
            Content::Null | Content::Bool(_) | Content::Number(_) => {}
        }
        weight
    }
}

/// What a tree costs.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    pub(super) nodes: usize,
    pub(super) bytes: usize,
    pub(super) depth: usize,
}

impl Weight {
    fn add(&mut self, part: Self, key_bytes: usize) {
        self.nodes += part.nodes;
        self.bytes += part.bytes + key_bytes;
        self.depth = self.depth.max(part.depth + 1);
    }
}
