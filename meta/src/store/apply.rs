//! What operations make of a configuration.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use serde_json::Value;

use super::{Operation, StoreError};
use crate::{
    document::{Document, RawObject, id_of, write_yaml},
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
    let operations = named(operations)?;
    let values = arrange(document, &operations)?.into_iter();
    let values = values.map(|(kind, origin)| match origin {
        Origin::Before(object) => (kind, Cow::Owned(object.value.unpack())),
        Origin::Put(value) => (kind, Cow::Borrowed(value)),
    });
    Ok(write_yaml(values))
}

/// The configuration that `operations` on `document` lead to, without a text, for whoever wants to look at it before anything is
/// committed. What could not be read stays as it is, unless an operation replaces it or takes it away.
pub fn preview(document: &Document, operations: Vec<Operation>) -> Result<Document, StoreError> {
    let operations = named(operations)?;
    let mut objects = Vec::with_capacity(document.objects.len() + operations.len());
    for (kind, origin) in arrange(document, &operations)? {
        objects.push(match origin {
            Origin::Before(object) => object.clone(),
            Origin::Put(value) => RawObject::new(kind, value.clone()).ok_or_else(|| nameless(kind))?,
        });
    }
    let seen_to: HashSet<(Kind, &str)> = operations
        .iter()
        .map(|(id, operation)| (operation.kind(), id.as_str()))
        .collect();
    let stays = |kind: Kind, id: &str| !seen_to.contains(&(kind, id));
    let broken = document.broken.iter().filter(|(kind, id)| stays(*kind, id));
    let problems = document.problems.iter();
    let problems = problems.filter(|problem| problem.kind.is_none_or(|kind| stays(kind, &problem.id)));
    let mut after = Document::of(objects);
    after.broken = broken.cloned().collect();
    after.problems = problems.cloned().collect();
    after.complete = document.complete;
    Ok(after)
}

/// Each operation with the id of what it is about. Ids stand for themselves, so that they can be borrowed.
fn named(operations: Vec<Operation>) -> Result<Vec<(String, Operation)>, StoreError> {
    let named = |operation: Operation| Ok((operation.id()?, operation));
    operations.into_iter().map(named).collect()
}

/// The objects after the operations, in order.
fn arrange<'a>(
    document: &'a Document,
    operations: &'a [(String, Operation)],
) -> Result<Vec<(Kind, Origin<'a>)>, StoreError> {
    let mut objects: Vec<Option<(Kind, Origin)>> = Vec::with_capacity(document.objects.len());
    let mut places = HashMap::<(Kind, &str), Vec<usize>>::new();
    for (at, object) in document.objects.iter().enumerate() {
        objects.push(Some((object.kind, Origin::Before(object))));
        places.entry((object.kind, &object.id)).or_default().push(at);
    }
    // They have no place, and can be taken away all the same.
    for (kind, id) in &document.broken {
        places.entry((*kind, id)).or_default();
    }
    for (id, operation) in operations {
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
    Ok(objects.into_iter().flatten().collect())
}

/// Where an object comes from.
enum Origin<'a> {
    Before(&'a RawObject),
    Put(&'a Value),
}

fn nameless(kind: Kind) -> StoreError {
    StoreError::BadObject {
        kind,
        reason: "it has no id".into(),
    }
}

impl Operation {
    /// The kind of the object that it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Put { kind, .. } | Self::Delete { kind, .. } => *kind,
        }
    }

    /// The id of the object that it is about.
    fn id(&self) -> Result<String, StoreError> {
        match self {
            Self::Delete { id, .. } => Ok(id.clone()),
            Self::Put { kind, object } => id_of(object).ok_or_else(|| nameless(*kind)),
        }
    }
}
