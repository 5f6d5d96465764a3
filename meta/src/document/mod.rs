//! Texts of a configuration: YAML (and JSON, which is YAML) to objects that know where they stand, and back.
//!
//! Here an object is only raw: a kind, an id and a value. What the value means is the model's business; [`decode`] is the step
//! from one to the other. Reading is tolerant of faults: what stands before an error in the text is not lost, and
//! [`Document::complete`] tells whether what is missing from the document is missing from the configuration.

mod decode;
mod packed;
mod parse;
mod phrase;
mod place;
mod read;
mod reread;
mod scalar;
mod tree;
mod write;

pub use decode::{Flaw, Subject, decode};
pub use packed::Packed;
pub use parse::{MAX_BYTES, MAX_DEPTH, MAX_NODES};
pub(crate) use phrase::pointer_token;
pub use place::Placed;
pub use read::read_tree;
pub use tree::{Content, Entry, Node, Object};
pub use write::{write_value, write_yaml};

use std::sync::Arc;

use crate::{model::Kind, problem::Problem};

/// A whole configuration as it was written.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The objects that were read whole, in the order of the text.
    pub objects: Vec<RawObject>,
    /// The objects the text names and that could not be read. The id is empty if it is not known.
    pub broken: Vec<(Kind, String)>,
    /// What is wrong with the text, in the order of the text.
    pub problems: Vec<Problem>,
    /// Whether an object that is neither in `objects` nor in `broken` is known not to be in the text. If not, it may stand
    /// behind an error, and whoever has it should keep it.
    pub complete: bool,
    /// Whether values repeat others by aliases.
    aliased: bool,
    /// How many collections there are.
    collections: usize,
}

/// One object as it was written.
#[derive(Clone, Debug)]
pub struct RawObject {
    /// The kind of the object.
    pub kind: Kind,
    /// The id as written, which may be no id. A number written as an id is its text here.
    pub id: String,
    /// The whole object, its id included. If [`Document::reread`] found it unchanged, it is the same value as before, not only
    /// an equal one ([`Arc::ptr_eq`]).
    pub value: Arc<Packed>,
    /// The same with places, if it was read from a text.
    pub node: Option<Placed>,
}

impl RawObject {
    /// The object `value` of `kind`, which was not read from a text; `None` if it has no `id`.
    pub fn new(kind: Kind, value: serde_json::Value) -> Option<Self> {
        let id = id_of(&value)?;
        Some(Self {
            kind,
            id,
            value: Arc::new(value.into()),
            node: None,
        })
    }
}

/// The id in `value`: a text that is not empty, or the text of a number or a truth value.
pub fn id_of(value: &serde_json::Value) -> Option<String> {
    match value.get("id")? {
        serde_json::Value::String(id) if !id.is_empty() => Some(id.clone()),
        id @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => Some(id.to_string()),
        _ => None,
    }
}

impl Document {
    /// The first object of `kind` called `id`.
    pub fn find(&self, kind: Kind, id: &str) -> Option<&RawObject> {
        self.objects
            .iter()
            .find(|object| object.kind == kind && object.id == id)
    }

    /// Whether an object of `kind` called `id` stands there, be it one that could not be read.
    pub fn has(&self, kind: Kind, id: &str) -> bool {
        let is_it = |(other, name): &(Kind, String)| *other == kind && name == id;
        self.find(kind, id).is_some() || self.broken.iter().any(is_it)
    }

    /// A whole configuration of these objects.
    pub fn of(objects: Vec<RawObject>) -> Self {
        Self {
            objects,
            complete: true,
            ..Self::default()
        }
    }

    /// A document of which nothing could be read, for the reason given.
    pub fn unreadable(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
            ..Self::default()
        }
    }

    /// Whether nothing could be read: neither an object nor that there is none.
    pub fn is_unreadable(&self) -> bool {
        !self.complete && self.objects.is_empty() && self.broken.is_empty()
    }

    /// The document as text, by kind and in our own style; reading it gives the same objects.
    pub fn to_yaml(&self) -> String {
        write_yaml(
            self.objects
                .iter()
                .map(|object| (object.kind, object.value.unpack())),
        )
    }
}

#[cfg(test)]
mod packed_tests;
#[cfg(test)]
mod tests;
