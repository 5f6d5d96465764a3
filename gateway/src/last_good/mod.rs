//! The last good state on this proxy's disk: what it starts from when the store cannot be read.
//!
//! Kept is what ran, not what stood in the store: a quarantined object is kept in its last good version, and so that serves
//! again after a restart, with the store or without it.
//!
//! The file ([`format`]) is replaced at once and durably ([`place`]), off the request path and at most once in
//! [`keeper::BETWEEN`]. What is damaged, or is another store's, is not used and that is said.

mod format;
mod keeper;
mod place;

pub(crate) use keeper::{Keeper, KeeperStatus};

use std::path::Path;

use meta::{
    check::{Checked, check},
    document::Document,
    filters::FilterKinds,
    store::Held,
};
use serde::{Deserialize, Serialize};

/// Which store a state is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// The file at this path.
    File(String),
    /// A prefix of an etcd. Members come and go: it is the same one as long as one of them is.
    Etcd {
        /// What its keys begin with.
        prefix: String,
        /// Where it was reached.
        endpoints: Vec<String>,
    },
}

impl Origin {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => one == other,
            (
                Self::Etcd { prefix, endpoints },
                Self::Etcd {
                    prefix: other,
                    endpoints: others,
                },
            ) => prefix == other && endpoints.iter().any(|endpoint| others.contains(endpoint)),
            _ => false,
        }
    }
}

/// A state that ran once.
pub(crate) struct LastGood {
    /// Its number in the store.
    pub(crate) revision: u64,
    /// What the store held then, if it held anything.
    pub(crate) held: Option<Held>,
    pub(crate) checked: Checked,
}

/// Reads the last good state of the store `origin`; nothing if there is none that can be used, which is logged.
pub(crate) fn read(file: &Path, origin: &Origin, kinds: &FilterKinds) -> Option<LastGood> {
    let refuse = |reason: String| {
        log::error!("{}: the last good state is not used: {reason}", file.display());
        None
    };
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => return refuse(error.to_string()),
    };
    let (head, objects) = match format::decode(&bytes) {
        Ok(read) => read,
        Err(damage) => return refuse(damage),
    };
    if !head.store.is_same(origin) {
        return refuse("it is of another store".into());
    }
    let report = check(&Document::of(objects), None, kinds);
    // What an earlier version took and this one does not.
    for problem in report.problems.iter().filter(|_| report.has_errors()) {
        log::warn!("{}: {problem}", file.display());
    }
    let held = match head.complete {
        true => Held::Objects,
        false => Held::Remains,
    };
    Some(LastGood {
        revision: head.revision,
        held: (!report.checked.is_empty()).then_some(held),
        checked: report.checked,
    })
}

#[cfg(test)]
mod tests;
