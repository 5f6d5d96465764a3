//! A set of changes to objects, and the parts in which it is kept in etcd.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Kind;

/// The name of an object. They are ordered by kind, then by id.
pub(super) type Name = (Kind, String);

/// What objects become: the text of their value, or nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Changes(pub(super) BTreeMap<Name, Option<String>>);

/// The longest part, but for one that holds a single object. Twice as much still fits into a request to etcd.
const PART_BYTES: usize = 512 << 10;

#[derive(Serialize, Deserialize)]
struct Line(Kind, String, Option<String>);

impl Changes {
    /// How many bytes it has, nearly.
    pub(super) fn bytes(&self) -> usize {
        let length =
            |(name, text): (&Name, &Option<String>)| name.1.len() + text.as_ref().map_or(0, String::len) + 32;
        self.0.iter().map(length).sum()
    }

    /// Itself as texts; at least one.
    pub(super) fn to_parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        let mut part = String::from("[");
        for ((kind, id), text) in &self.0 {
            let line = serde_json::json!([kind, id, text]).to_string();
            if part.len() > 1 && part.len() + line.len() > PART_BYTES {
                parts.push(std::mem::replace(&mut part, "[".into()) + "]");
            }
            if part.len() > 1 {
                part.push(',');
            }
            part.push_str(&line);
        }
        parts.push(part + "]");
        parts
    }

    /// What [`Self::to_parts`] made parts of; `None` if one of them is none.
    pub(super) fn from_parts<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Option<Self> {
        let mut changes = BTreeMap::new();
        for part in parts {
            let lines: Vec<Line> = serde_json::from_slice(part).ok()?;
            changes.extend(lines.into_iter().map(|Line(kind, id, text)| ((kind, id), text)));
        }
        Some(Self(changes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn parts_are_short_and_make_the_whole_again() {
        let one = |n: usize| {
            let text = (!n.is_multiple_of(3)).then(|| "\"x".repeat(n));
            ((Kind::ALL[n % 4], format!("o{n}")), text)
        };
        let changes = Changes((0..2_000).map(one).collect());
        let parts = changes.to_parts();
        assert!(parts.len() > 3 && parts.iter().all(|part| part.len() <= PART_BYTES + 1));
        let again = Changes::from_parts(parts.iter().map(String::as_bytes));
        assert_eq!(again.unwrap(), changes);
        assert_eq!(Changes::default().to_parts(), ["[]"]);
        assert_eq!(Changes::from_parts([&b"[1]"[..]]), None);
    }
}
