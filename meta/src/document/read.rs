//! From a tree to the objects of a configuration: top-level keys are the kinds, each a list of objects with an `id`.

use std::sync::Arc;

use super::{
    Document, RawObject,
    packed::pack,
    parse::{End, Inside, Items, LocalFlaw, Open, Parsed, parse},
    phrase,
    place::Placed,
    tree::{Content, Entry, Node, Object, Place},
};
use crate::{
    model::Kind,
    problem::{Position, Problem},
};

/// Reads any YAML or JSON text as a tree. A text without a value is `null`.
///
/// Returns the first thing that is wrong: syntax, a key twice, a number that cannot be held, several documents, a bound.
pub fn read_tree(text: &str) -> Result<Node, Problem> {
    let parsed = parse(text, Items::Kept);
    let problem = |place: Place, message: String| Problem::of_text(Some(place.into()), message);
    if let Some(flaw) = parsed.flaws.into_iter().next() {
        return Err(problem(flaw.place, flaw.message));
    }
    if let Some(end) = parsed.end {
        return Err(problem(end.place, end.message));
    }
    Ok(parsed.root.unwrap_or(Node {
        place: Place::default(),
        content: Content::Null,
    }))
}

impl Document {
    /// Reads a whole configuration, as far as it can be read; never fails, see [`Document::problems`].
    pub fn read(text: &str) -> Self {
        let Parsed {
            root,
            open,
            flaws,
            end,
            item_uncertain,
            aliased,
        } = parse(text, Items::Packed);
        if let Some(End { place, message, .. }) = end.as_ref().filter(|end| end.void) {
            return Self::unreadable(Problem::of_text(Some((*place).into()), message));
        }
        let mut reading = Reading {
            document: Self {
                complete: end.is_none(),
                aliased,
                ..Self::default()
            },
            flaws,
            last: None,
        };
        match root {
            Some(root) => reading.root(root, end.is_some()),
            None => reading.opened(open, end.as_ref()),
        }
        if let Some(end) = end {
            reading.broken_off(&end, item_uncertain && begins_no_item(text, end.place));
        }
        reading.finish()
    }

    /// As [`Document::read`]; bytes that are no UTF-8 are no configuration.
    pub fn read_bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::read(text),
            Err(error) => {
                let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let line_start = before.rfind('\n').map_or(0, |at| at + 1);
                let position = Position {
                    line: before.matches('\n').count() + 1,
                    column: before[line_start..].chars().count() + 1,
                };
                Self::unreadable(Problem::of_text(
                    Some(position),
                    "this is no text: it is not UTF-8",
                ))
            }
        }
    }
}

/// Whether the line of `place` does not begin an item of a list nor stand at the left edge.
fn begins_no_item(text: &str, place: Place) -> bool {
    let line = text.lines().nth(place.line as usize - 1).unwrap_or("");
    let trimmed = line.trim_start();
    !(trimmed.starts_with('-') || (trimmed.len() == line.len() && !line.is_empty()))
}

struct Reading {
    document: Document,
    flaws: Vec<LocalFlaw>,
    /// The object that was being read when the text broke off.
    last: Option<(Kind, String)>,
}

impl Reading {
    fn root(&mut self, root: Node, broken_off: bool) {
        match root.content {
            Content::Mapping(entries) => self.collections(entries),
            Content::Null if !broken_off => self.no_configuration(None, "the text is empty"),
            _ if broken_off => {}
            _ => {
                let found = format!("found {}", root.describe());
                self.no_configuration(Some(root.start()), &found);
            }
        }
    }

    fn no_configuration(&mut self, position: Option<Position>, why: &str) {
        let message = format!(
            "this is no configuration: {why}; expected a mapping with the keys {}, or {{}} for an empty one",
            allowed()
        );
        self.document.complete = false;
        self.document.problems.push(Problem::of_text(position, message));
    }

    /// What was whole when the text broke off, and the name of what was not.
    fn opened(&mut self, open: Vec<Open>, end: Option<&End>) {
        let mut open = open.into_iter().map(|open| open.inside);
        let Some(Inside::Mapping { entries, key, .. }) = open.next() else {
            if end.is_none() {
                self.no_configuration(None, "the text is empty");
            }
            return;
        };
        self.collections(entries);
        let kind = key.and_then(|(key, _)| Kind::from_plural(&key));
        let (Some(kind), Some(Inside::List(items))) = (kind, open.next()) else {
            return;
        };
        self.objects(kind, items);
        if let Some(Inside::Mapping { entries, .. }) = open.next() {
            let id = entries.iter().find(|entry| entry.key == "id");
            self.last = Some((
                kind,
                id.and_then(|entry| id_text(&entry.value)).unwrap_or_default(),
            ));
        }
    }

    fn collections(&mut self, entries: Vec<Entry>) {
        self.document.collections = entries.len();
        for entry in entries {
            let Some(kind) = Kind::from_plural(&entry.key) else {
                let message = phrase::unknown_key(&entry.key, Kind::ALL.map(Kind::plural).into_iter());
                let problem = Problem::of_text(Some(entry.key_position()), message);
                self.document.problems.push(problem);
                self.document.complete = false;
                continue;
            };
            match entry.value.content {
                Content::List(items) => self.objects(kind, items),
                Content::Null => {}
                _ => {
                    let message = format!("expected a list of {kind}, found {}", entry.value.describe());
                    let problem = Problem::error(kind, "", "", message).at(Some(entry.value.start()));
                    self.document.problems.push(problem);
                    self.document.complete = false;
                }
            }
        }
    }

    fn objects(&mut self, kind: Kind, items: Vec<Node>) {
        self.document.objects.reserve(items.len());
        for (index, node) in items.into_iter().enumerate() {
            let node = node.into_object();
            let start = node.place;
            let Content::Object(object) = node.content else {
                self.nameless(kind, &node);
                continue;
            };
            let Object { id, value, places } = *object;
            if self.take_flaws(kind, index, &id) {
                self.document.broken.push((kind, id));
                continue;
            }
            let node = Some(Placed {
                value: value.clone(),
                places,
                start,
                moved: 0,
            });
            self.document.objects.push(RawObject {
                kind,
                id,
                value,
                node,
            });
        }
    }

    /// An item that cannot be told from the others may be one that was there before: what is missing may be this.
    fn nameless(&mut self, kind: Kind, node: &Node) {
        let (message, position) = match (&node.content, node.get("id")) {
            (Content::Mapping(_), None) => (
                format!("\"id\" of this {} is missing", kind.singular()),
                node.start(),
            ),
            (Content::Mapping(_), Some(id)) => {
                (format!("an id is a text, found {}", id.describe()), id.start())
            }
            _ => {
                let found = node.describe();
                (
                    format!("expected a {} with an id, found {found}", kind.singular()),
                    node.start(),
                )
            }
        };
        self.document.broken.push((kind, String::new()));
        let problem = Problem::error(kind, "", "", message).at(Some(position));
        self.document.problems.push(problem);
        self.document.complete = false;
    }

    /// Makes problems of the flaws of one object; whether there were any.
    fn take_flaws(&mut self, kind: Kind, index: usize, id: &str) -> bool {
        if self.flaws.is_empty() {
            return false;
        }
        let index = index.to_string();
        let (own, others) =
            std::mem::take(&mut self.flaws)
                .into_iter()
                .partition(|flaw| match flaw.path.as_slice() {
                    [collection, item, ..] => collection == kind.plural() && *item == index,
                    _ => false,
                });
        self.flaws = others;
        let own: Vec<LocalFlaw> = own;
        let found = !own.is_empty();
        for flaw in own {
            let pointer: String = flaw.path[2..]
                .iter()
                .map(|token| phrase::pointer_token(token))
                .collect();
            let problem = Problem::error(kind, id, pointer, flaw.message).at(Some(flaw.place.into()));
            self.document.problems.push(problem);
        }
        found
    }

    fn broken_off(&mut self, end: &End, item_uncertain: bool) {
        if self.last.is_none() && item_uncertain {
            self.last = self.document.objects.pop().map(|object| (object.kind, object.id));
        }
        let problem = match self.last.take() {
            Some((kind, id)) => {
                let problem = Problem::error(kind, &id, "", &end.message);
                self.document.broken.push((kind, id));
                problem
            }
            None => Problem::of_text(None, &end.message),
        };
        self.document.problems.push(problem.at(Some(end.place.into())));
    }

    fn finish(mut self) -> Document {
        for flaw in std::mem::take(&mut self.flaws) {
            // Of no object that was read: the top level, or the object in which the text broke off.
            self.document.complete = false;
            let problem = Problem::of_text(Some(flaw.place.into()), flaw.message);
            self.document.problems.push(problem);
        }
        self.document.problems.sort_by_key(|problem| problem.position);
        self.document
    }
}

impl Node {
    /// The same, packed if it has an id.
    pub(super) fn into_object(self) -> Self {
        let Some(id) = self.get("id").and_then(id_text) else {
            return self;
        };
        let place = self.place;
        let (value, places) = pack(self);
        let object = Object {
            id,
            value: Arc::new(value),
            places: Arc::new(places),
        };
        Self {
            place,
            content: Content::Object(Box::new(object)),
        }
    }
}

fn id_text(node: &Node) -> Option<String> {
    match &node.content {
        Content::Text(_) => node.as_text().filter(|id| !id.is_empty()).map(str::to_owned),
        Content::Number(number) => Some(number.to_string()),
        Content::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn allowed() -> String {
    Kind::ALL.map(Kind::plural).join(", ")
}
