//! What a write changed, or would: an object a line, and member by member.

use std::fmt::Write;

use meta::model::Kind;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::failure::Finding;

/// What came of a write, or would.
#[derive(Debug, Deserialize)]
pub(super) struct Outcome {
    revision: u64,
    dry_run: bool,
    changes: Vec<Change>,
    warnings: Vec<Finding>,
}

/// One object that is different.
#[derive(Debug, Deserialize)]
struct Change {
    kind: Kind,
    id: String,
    action: Action,
    before: Option<Json>,
    after: Option<Json>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Added,
    Changed,
    Removed,
}

impl Action {
    const ALL: [(Self, &'static str, char); 3] = [
        (Self::Added, "added", '+'),
        (Self::Changed, "changed", '~'),
        (Self::Removed, "removed", '-'),
    ];

    fn sign(self) -> char {
        let own = Self::ALL.iter().find(|(action, ..)| *action == self);
        own.map_or(' ', |(.., sign)| *sign)
    }
}

impl Outcome {
    /// Whether anything is different.
    pub(super) fn is_a_change(&self) -> bool {
        !self.changes.is_empty()
    }

    /// The same with other warnings.
    pub(super) fn map_warnings(mut self, map: impl FnMut(Finding) -> Finding) -> Self {
        self.warnings = self.warnings.into_iter().map(map).collect();
        self
    }

    /// Prints the warnings, which are of `file`, to standard error.
    pub(super) fn warn(&self, file: Option<&str>) {
        for warning in &self.warnings {
            eprintln!("warning: {}", warning.line(file));
        }
    }

    /// The objects that are different, and the revision.
    pub(super) fn summary(&self) -> String {
        let mut text: String = self.changes.iter().map(Change::headline).collect();
        let revision = self.revision;
        let _ = match (self.is_a_change(), self.dry_run) {
            (false, _) => writeln!(text, "revision {revision}: nothing to change"),
            (true, false) => writeln!(text, "revision {revision}: {}", self.counts()),
            (true, true) => writeln!(text, "not written, would be: {}", self.counts()),
        };
        text
    }

    /// The objects that are different, member by member.
    pub(super) fn differences(&self) -> String {
        let one = |change: &Change| {
            let mut text = change.headline();
            if let (Some(before), Some(after)) = (&change.before, &change.after) {
                compare("", Some(before), Some(after), &mut text);
            }
            text
        };
        self.changes.iter().map(one).collect()
    }

    fn counts(&self) -> String {
        let count = |action| {
            self.changes
                .iter()
                .filter(|change| change.action == action)
                .count()
        };
        let counts = Action::ALL.map(|(action, name, _)| (count(action), name));
        let told = counts.iter().filter(|(count, _)| *count > 0);
        let told: Vec<String> = told.map(|(count, name)| format!("{count} {name}")).collect();
        told.join(", ")
    }
}

impl Change {
    fn headline(&self) -> String {
        format!("{} {}/{}\n", self.action.sign(), self.kind, self.id)
    }
}

/// Writes a line for each member that is different, of what stands at `pointer`. Objects that differ only in the order of their
/// members have no line.
fn compare(pointer: &str, before: Option<&Json>, after: Option<&Json>, text: &mut String) {
    if before == after {
        return;
    }
    let mut write = |sign: char, value: &Json| {
        let _ = writeln!(text, "    {sign} {pointer}: {value}");
    };
    match (before, after) {
        (Some(Json::Object(before)), Some(Json::Object(after))) => members(pointer, before, after, text),
        (Some(Json::Array(before)), Some(Json::Array(after))) => {
            for at in 0..before.len().max(after.len()) {
                compare(&format!("{pointer}/{at}"), before.get(at), after.get(at), text);
            }
        }
        (before, after) => {
            before.into_iter().for_each(|value| write('-', value));
            after.into_iter().for_each(|value| write('+', value));
        }
    }
}

fn members(pointer: &str, before: &Map<String, Json>, after: &Map<String, Json>, text: &mut String) {
    let added = after.keys().filter(|key| !before.contains_key(*key));
    for key in before.keys().chain(added) {
        let escaped = key.replace('~', "~0").replace('/', "~1");
        compare(
            &format!("{pointer}/{escaped}"),
            before.get(key),
            after.get(key),
            text,
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_different_is_told_with_its_pointer() {
        let before = json!({ "id": "a", "list": [1, 2], "gone": {}, "same": { "x": 1 }, "a/b": 1 });
        let after = json!({ "same": { "x": 1 }, "id": "a", "list": [1, 3, 4], "a/b": 2, "new": "n" });
        let mut text = String::new();
        compare("", Some(&before), Some(&after), &mut text);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let expected = [
            "- /list/1: 2",
            "+ /list/1: 3",
            "+ /list/2: 4",
            "- /gone: {}",
            "- /a~1b: 1",
            "+ /a~1b: 2",
            "+ /new: \"n\"",
        ];
        assert_eq!(lines, expected);
        let mut text = String::new();
        compare(
            "",
            Some(&json!({ "a": 1, "b": 2 })),
            Some(&json!({ "b": 2, "a": 1 })),
            &mut text,
        );
        assert_eq!(text, "");
    }
}
