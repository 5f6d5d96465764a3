//! What stands where in etcd, under a prefix.
//!
//! | key | value |
//! |---|---|
//! | `servers/ID` `clusters/ID` `routes/ID` `aggregations/ID` | an object as JSON |
//! | `revision` | [`About`]: the last commit. Every commit compares it and writes it |
//! | `history/N` | [`Past`]: the state N, and how to come back to it from the one after it |
//! | `undo/TOKEN/I` | the changes that lead back to that state, in parts |
//! | `pending` | [`Pending`]: a commit that is made but not yet written to all of its objects |
//! | `pending/TOKEN/I` | its changes, in parts |
//! | `proxies/ID` | what a proxy tells of itself, under a lease |

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{model::Kind, store::Note};

/// The longest author and message that are kept, in characters.
const MOST_NOTE: usize = 2_000;

/// The keys of one configuration.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// With a `/` at the end.
    root: String,
}

/// What a key is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The object with this id.
    Object(Kind, String),
    /// The guard of every commit.
    Revision,
    /// The commit that is not yet written everywhere.
    Pending,
    /// A part of such a commit, by what follows `pending/`.
    Part(String),
    /// History or a proxy: not of the configuration.
    Elsewhere,
    /// Nothing known, by what follows the prefix.
    Stray(String),
}

impl Layout {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            root: format!("{prefix}/"),
        }
    }

    /// What every key begins with.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    pub(super) fn kind(&self, kind: Kind) -> String {
        format!("{}{kind}/", self.root)
    }

    pub(super) fn object(&self, kind: Kind, id: &str) -> String {
        format!("{}{kind}/{id}", self.root)
    }

    pub(super) fn revision(&self) -> String {
        format!("{}revision", self.root)
    }

    pub(super) fn pending(&self) -> String {
        format!("{}pending", self.root)
    }

    pub(super) fn pending_parts(&self) -> String {
        format!("{}pending/", self.root)
    }

    pub(super) fn pending_part(&self, token: &str, at: usize) -> String {
        format!("{}pending/{token}/{at}", self.root)
    }

    pub(super) fn history(&self) -> String {
        format!("{}history/", self.root)
    }

    pub(super) fn past(&self, number: u64) -> String {
        format!("{}history/{number}", self.root)
    }

    pub(super) fn undos(&self) -> String {
        format!("{}undo/", self.root)
    }

    pub(super) fn undo_of(&self, token: &str) -> String {
        format!("{}undo/{token}/", self.root)
    }

    pub(super) fn undo(&self, token: &str, at: usize) -> String {
        format!("{}undo/{token}/{at}", self.root)
    }

    pub(super) fn proxies(&self) -> String {
        format!("{}proxies/", self.root)
    }

    pub(super) fn proxy(&self, id: &str) -> String {
        format!("{}proxies/{id}", self.root)
    }

    /// The ranges of keys, first and end, that make the configuration: all but history and proxies.
    pub(super) fn ranges(&self) -> [(String, String); 4] {
        let at = |rest: &str| format!("{}{rest}", self.root);
        let end = format!("{}0", self.root.trim_end_matches('/'));
        // `0` is what comes after `/`.
        [
            (at(""), at("history/")),
            (at("history0"), at("proxies/")),
            (at("proxies0"), at("undo/")),
            (at("undo0"), end),
        ]
    }

    /// What a key under the prefix is for.
    pub(super) fn place(&self, key: &[u8]) -> Place {
        let key = String::from_utf8_lossy(key);
        let rest = key.strip_prefix(&self.root).unwrap_or(&key);
        match rest.split_once('/') {
            None if rest == "revision" => Place::Revision,
            None if rest == "pending" => Place::Pending,
            Some(("history" | "proxies" | "undo", _)) => Place::Elsewhere,
            Some(("pending", part)) => Place::Part(part.to_owned()),
            Some((plural, id)) if !id.is_empty() => match Kind::from_plural(plural) {
                Some(kind) => Place::Object(kind, id.to_owned()),
                None => Place::Stray(rest.to_owned()),
            },
            _ => Place::Stray(rest.to_owned()),
        }
    }
}

/// What `revision` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct About {
    /// Who committed, when and why.
    #[serde(flatten)]
    pub(super) note: Dated,
    /// The number of the state before, if it is in the history.
    pub(super) previous: Option<u64>,
    /// How many objects there are.
    pub(super) objects: usize,
    /// What tells this commit from every other.
    pub(super) token: String,
    /// The number of the state, if it is not the revision at which this was written: a commit in parts is numbered when it is
    /// made, and this is written again when all parts are in their places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<u64>,
}

/// What `history/N` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Past {
    /// Who committed it, when and why.
    #[serde(flatten)]
    pub(super) note: Dated,
    /// The number of the state before, if it is in the history.
    pub(super) previous: Option<u64>,
    /// Where the changes are that lead back to this state from the one after it.
    pub(super) token: String,
    /// In how many parts.
    pub(super) parts: usize,
    /// How many bytes they have.
    pub(super) bytes: usize,
}

/// What `pending` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    /// Where the changes are.
    pub(super) token: String,
    /// In how many parts.
    pub(super) parts: usize,
}

/// A note with its time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Dated {
    pub(super) time: Timestamp,
    pub(super) author: String,
    pub(super) message: String,
}

impl Dated {
    /// Whoever writes more than [`MOST_NOTE`] characters is cut short: every commit writes them.
    pub(super) fn now(note: &Note) -> Self {
        let short = |text: &str| text.chars().take(MOST_NOTE).collect();
        Self {
            time: Timestamp::now(),
            author: short(&note.author),
            message: short(&note.message),
        }
    }

    /// What is said of a state that was written by others than a store.
    pub(super) fn foreign(time: Timestamp) -> Self {
        Self {
            time,
            author: "etcd".into(),
            message: String::new(),
        }
    }
}

/// What no other commit has.
pub(super) fn token() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_place() {
        let layout = Layout::new("/gateway");
        let object = |kind, id: &str| Place::Object(kind, id.into());
        for (rest, place) in [
            ("servers/a", object(Kind::Server, "a")),
            ("routes/a/b", object(Kind::Route, "a/b")),
            ("revision", Place::Revision),
            ("pending", Place::Pending),
            ("pending/t/0", Place::Part("t/0".into())),
            ("history/7", Place::Elsewhere),
            ("undo/t/0", Place::Elsewhere),
            ("proxies/p", Place::Elsewhere),
            ("servers/", Place::Stray("servers/".into())),
            ("route/a", Place::Stray("route/a".into())),
            ("", Place::Stray(String::new())),
        ] {
            assert_eq!(
                layout.place(format!("/gateway/{rest}").as_bytes()),
                place,
                "{rest}"
            );
        }
    }

    #[test]
    fn the_ranges_hold_the_configuration_and_nothing_else() {
        let layout = Layout::new("/gateway");
        let within = |rest: &str| {
            let key = format!("/gateway/{rest}");
            layout
                .ranges()
                .iter()
                .any(|(first, end)| *first <= key && key < *end)
        };
        for rest in [
            "",
            "servers/a",
            "aggregations/z",
            "routes/z",
            "revision",
            "pending/t/1",
            "x",
            "\u{10ffff}",
        ] {
            assert!(within(rest), "{rest}");
        }
        for rest in ["history/1", "proxies/a", "undo/t/1"] {
            assert!(!within(rest), "{rest}");
        }
    }
}
