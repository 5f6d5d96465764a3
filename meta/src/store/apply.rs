//! What operations make of a configuration.

use std::{borrow::Cow, collections::HashMap};

use serde_json::Value;

use super::{Operation, StoreError};
use crate::{
    document::{Document, Packed, id_of, write_yaml},
    model::Kind,
    problem::Problem,
};

/// The configuration after `operations` on `document`: as text, and what reading that gives.
///
/// What is not touched keeps its order, what is added comes last. An id that stands twice is replaced and deleted as one.
/// Touches no store: whoever commits can look at the outcome first.
pub fn apply(document: &Document, operations: Vec<Operation>) -> Result<(String, Document), StoreError> {
    let text = write_after(document, operations)?;
    let after = Document::read(&text);
    Ok((text, sound(after)?))
}

/// As [`apply`] on the text `before` that `document` was read of; the comments at its beginning are kept.
pub(super) fn apply_to(
    before: &str,
    document: &Document,
    operations: Vec<Operation>,
) -> Result<(String, Document), StoreError> {
    let text = format!("{}{}", head(before), write_after(document, operations)?);
    let after = document.reread(before, &text);
    Ok((text, sound(after)?))
}

/// The comments and empty lines at the beginning of a text.
fn head(text: &str) -> &str {
    let lines = text.split_inclusive('\n');
    let length = lines
        .take_while(|line| (line.starts_with('#') || line.trim().is_empty()) && line.ends_with('\n'))
        .map(str::len);
    &text[..length.sum()]
}

/// What was written must be readable; a value that is too deep, for one, is not.
fn sound(document: Document) -> Result<Document, StoreError> {
    match document.problems.first() {
        None => Ok(document),
        Some(problem) => Err(StoreError::BadObject {
            kind: problem.kind.unwrap_or(Kind::Server),
            reason: problem.message.clone(),
        }),
    }
}

fn write_after(document: &Document, operations: Vec<Operation>) -> Result<String, StoreError> {
    if !document.complete || !document.broken.is_empty() {
        let unknown = || Problem::of_text(None, "it holds objects that cannot be read");
        let problem = document.problems.first().cloned().unwrap_or_else(unknown);
        return Err(StoreError::Incomplete(Box::new(problem)));
    }
    // Ids stand for themselves, so that they can be borrowed below.
    let named = |operation: Operation| Ok((operation.id()?, operation));
    let operations: Vec<(String, Operation)> = operations.into_iter().map(named).collect::<Result<_, _>>()?;

    let mut objects: Vec<Option<(Kind, Origin)>> = Vec::with_capacity(document.objects.len());
    let mut places = HashMap::<(Kind, &str), Vec<usize>>::new();
    for (at, object) in document.objects.iter().enumerate() {
        objects.push(Some((object.kind, Origin::Before(&object.value))));
        places.entry((object.kind, &object.id)).or_default().push(at);
    }
    for (id, operation) in &operations {
        match operation {
            Operation::Put { kind, object } => {
                let own = places.entry((*kind, id)).or_default();
                let first = own.first().copied().unwrap_or(objects.len());
                own.drain(..).for_each(|at| objects[at] = None);
                own.push(first);
                match objects.get_mut(first) {
                    Some(place) => *place = Some((*kind, Origin::Put(object))),
                    None => objects.push(Some((*kind, Origin::Put(object)))),
                }
            }
            Operation::Delete { kind, .. } => match places.remove(&(*kind, id.as_str())) {
                Some(own) => own.into_iter().for_each(|at| objects[at] = None),
                None => {
                    return Err(StoreError::NoSuchObject {
                        kind: *kind,
                        id: id.clone(),
                    });
                }
            },
        }
    }
    let values = objects.into_iter().flatten().map(|(kind, origin)| match origin {
        Origin::Before(value) => (kind, Cow::Owned(value.unpack())),
        Origin::Put(value) => (kind, Cow::Borrowed(value)),
    });
    Ok(write_yaml(values))
}

/// Where the value of an object that is to be written comes from.
enum Origin<'a> {
    Before(&'a Packed),
    Put(&'a Value),
}

impl Operation {
    /// The id of the object that it is about.
    fn id(&self) -> Result<String, StoreError> {
        match self {
            Self::Delete { id, .. } => Ok(id.clone()),
            Self::Put { kind, object } => id_of(object).ok_or_else(|| StoreError::BadObject {
                kind: *kind,
                reason: "it has no id".into(),
            }),
        }
    }
}
