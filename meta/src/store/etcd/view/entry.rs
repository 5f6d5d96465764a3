//! The value of one key, as it was listed or told by an event.

use super::super::{
    changes::Name,
    object::{self, Broken},
};
use crate::document::RawObject;

/// A key and what became of it.
pub(crate) struct Item {
    pub(crate) key: Vec<u8>,
    pub(crate) modified: i64,
    pub(crate) content: Content,
}

/// What a key holds.
pub(crate) enum Content {
    Value(Vec<u8>),
    /// A value that etcd cannot send.
    TooLong,
    Gone,
}

/// What is known of one object.
#[derive(Clone)]
pub(super) struct Entry {
    /// The revision at which it was written last.
    pub(super) modified: i64,
    pub(super) content: Result<RawObject, Broken>,
}

impl Entry {
    pub(super) fn read((kind, id): &Name, content: Content, modified: i64) -> Option<Self> {
        let content = match content {
            Content::Gone => return None,
            Content::Value(value) => object::read(*kind, id, &value),
            Content::TooLong => Err(Broken {
                reason: "the value is too long for etcd to send".into(),
                text: String::new(),
            }),
        };
        Some(Self { modified, content })
    }

    pub(super) fn of_text((kind, id): &Name, text: &str, modified: i64) -> Self {
        Self {
            modified,
            content: object::read(*kind, id, text.as_bytes()),
        }
    }

    pub(super) fn same(&self, other: &Self) -> bool {
        match (&self.content, &other.content) {
            (Ok(one), Ok(other)) => one.value == other.value,
            (Err(one), Err(other)) => one == other,
            _ => false,
        }
    }

    pub(super) fn text(&self) -> String {
        match &self.content {
            Ok(object) => object.value.unpack().to_string(),
            Err(broken) => broken.text.clone(),
        }
    }
}
