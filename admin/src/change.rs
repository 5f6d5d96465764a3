//! What is different between two configurations, object by object: what a write writes, and what a diff shows.

use std::collections::{HashMap, HashSet};

use meta::{
    document::{Document, RawObject},
    model::Kind,
    store::Operation,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use crate::base::shown;

/// One object that is different.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) action: Action,
    /// The object before, if there was one that could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, Json>>")]
    pub(crate) before: Option<Json>,
    /// The object afterwards, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, Json>>")]
    pub(crate) after: Option<Json>,
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// It was not there.
    Added,
    /// It is another one, be it only in the order of its members, which counts in a response.
    Changed,
    /// It is gone.
    Removed,
}

type Name<'d> = (Kind, &'d str);

/// What leads from `before` to `after`: what is removed first, then what is put in the order of `after`.
///
/// An id that stands twice is one object here, which is different if any of its texts is.
pub(crate) fn changes(before: &Document, after: &Document) -> Vec<Change> {
    let (old, new) = (by_name(before), by_name(after));
    let unread = unread(before);
    let gone = before
        .objects
        .iter()
        .map(|object| (object.kind, object.id.as_str()));
    let gone = gone.chain(unread.iter().copied());
    let still_unread = self::unread(after);
    let mut seen = HashSet::new();
    let mut changes: Vec<Change> = gone
        .filter(|name| !new.contains_key(name) && !still_unread.contains(name) && seen.insert(*name))
        .map(|name| change(name, first(&old, name), None, Action::Removed))
        .collect();
    for object in &after.objects {
        let name = (object.kind, object.id.as_str());
        let (was, is) = (old.get(&name), new.get(&name));
        let same = was.zip(is).is_some_and(|(was, is)| equal(was, is));
        if same || !seen.insert(name) {
            continue;
        }
        let action = match was.is_some() || unread.contains(&name) {
            true => Action::Changed,
            false => Action::Added,
        };
        changes.push(change(name, first(&old, name), Some(object), action));
    }
    changes
}

/// The operations that make the changes.
pub(crate) fn operations(changes: &[Change]) -> Vec<Operation> {
    let operation = |change: &Change| match &change.after {
        Some(object) => Operation::Put {
            kind: change.kind,
            object: object.clone(),
        },
        None => Operation::Delete {
            kind: change.kind,
            id: change.id.clone(),
        },
    };
    changes.iter().map(operation).collect()
}

fn change(
    (kind, id): Name<'_>,
    before: Option<&RawObject>,
    after: Option<&RawObject>,
    action: Action,
) -> Change {
    Change {
        kind,
        id: id.to_owned(),
        action,
        before: before.map(shown),
        after: after.map(shown),
    }
}

fn by_name(document: &Document) -> HashMap<Name<'_>, Vec<&RawObject>> {
    let mut objects = HashMap::<_, Vec<_>>::with_capacity(document.objects.len());
    for object in &document.objects {
        let own = objects.entry((object.kind, object.id.as_str())).or_default();
        own.push(object);
    }
    objects
}

/// The objects that are there and cannot be read.
fn unread(document: &Document) -> HashSet<Name<'_>> {
    let broken = document.broken.iter();
    broken.map(|(kind, id)| (*kind, id.as_str())).collect()
}

fn first<'d>(objects: &HashMap<Name<'_>, Vec<&'d RawObject>>, name: Name<'_>) -> Option<&'d RawObject> {
    objects.get(&name)?.first().copied()
}

fn equal(was: &[&RawObject], is: &[&RawObject]) -> bool {
    was.len() == is.len() && was.iter().zip(is).all(|(was, is)| was.value == is.value)
}
