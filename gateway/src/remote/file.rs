//! The FILE of a command: its objects, and where in it each of them stands.

use std::{io::Read, path::Path};

use meta::{
    document::{Document, RawObject},
    model::Kind,
    startup::in_file,
};
use serde::de::IgnoredAny;
use serde_json::{Value as Json, json};

use super::{
    connection::Body,
    failure::{Failure, Finding, Refusal},
};

/// A configuration, or part of one, as YAML or JSON.
pub(super) struct File {
    /// As people call it.
    pub(super) name: String,
    text: String,
}

/// The objects of a file that can be read to its end.
pub(super) struct Objects {
    name: String,
    objects: Vec<RawObject>,
}

impl File {
    /// Reads the file at `path`, or standard input for `-`.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let mut text = String::new();
        let (name, read) = match path == Path::new("-") {
            true => (
                "standard input".to_owned(),
                std::io::stdin().read_to_string(&mut text).map(|_| text),
            ),
            false => (path.display().to_string(), std::fs::read_to_string(path)),
        };
        match read {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => Err(Failure::Usage(format!("{name}: cannot be read: {error}"))),
        }
    }

    /// The text as it is.
    pub(super) fn body(&self) -> Body {
        let is_json = serde_json::from_str::<IgnoredAny>(&self.text).is_ok();
        Body {
            media: if is_json {
                "application/json"
            } else {
                "application/yaml"
            },
            text: self.text.clone(),
        }
    }

    /// The objects in it. Fails with all that keeps one from being read; what they mean is the admin's to judge.
    pub(super) fn objects(&self) -> Result<Objects, Failure> {
        let document = Document::read(&self.text);
        if document.complete && document.broken.is_empty() {
            return Ok(Objects {
                name: self.name.clone(),
                objects: document.objects,
            });
        }
        let problems = document.problems.iter();
        let lines = problems.map(|problem| in_file(Path::new(&self.name), problem));
        Err(Failure::Wrong(lines.collect()))
    }

    /// The failure with the name of this file.
    pub(super) fn blamed(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Refused(refusal) => Failure::Refused(Refusal {
                file: Some(self.name.clone()),
                ..refusal
            }),
            other => other,
        }
    }
}

impl Objects {
    /// A transaction that puts them all.
    pub(super) fn body(&self) -> Body {
        let put =
            |object: &RawObject| json!({ "put": { "kind": object.kind, "object": object.value.unpack() } });
        let operations: Vec<Json> = self.objects.iter().map(put).collect();
        Body {
            media: "application/json",
            text: json!({ "operations": operations }).to_string(),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.objects.len()
    }

    /// The failure of that transaction with the places in the file.
    pub(super) fn blamed(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Refused(refusal) => Failure::Refused(Refusal {
                file: Some(self.name.clone()),
                errors: refusal
                    .errors
                    .into_iter()
                    .map(|error| self.place(error))
                    .collect(),
                ..refusal
            }),
            other => other,
        }
    }

    /// A finding in that transaction as one in the file.
    pub(super) fn place(&self, finding: Finding) -> Finding {
        let Some((at, within)) = finding.pointer.as_deref().and_then(in_object) else {
            return finding;
        };
        let Some(object) = self.objects.get(at) else {
            return finding;
        };
        let node = object.node.as_ref();
        let position = node.map(|node| node.position(within).unwrap_or(node.start()));
        Finding {
            pointer: Some(format!(
                "/{}/{}{within}",
                object.kind,
                self.place_in_list(at, object.kind)
            )),
            position,
            ..finding
        }
    }

    /// The place of the object among those of its kind.
    fn place_in_list(&self, at: usize, kind: Kind) -> usize {
        let before = self.objects.iter().take(at);
        before.filter(|object| object.kind == kind).count()
    }
}

/// The number of the operation and the pointer within its object, of a pointer into a transaction.
fn in_object(pointer: &str) -> Option<(usize, &str)> {
    let (at, rest) = pointer.strip_prefix("/operations/")?.split_once('/')?;
    Some((at.parse().ok()?, rest.strip_prefix("put/object")?))
}
