//! From what a store holds to what may run. Every problem is found, not the first only.
//!
//! A store is input, not truth: whatever stands there, [`check`] gives a [`Checked`] configuration in which every reference holds. An
//! object that cannot be used is *quarantined*: its last good version keeps serving (with whatever that version needs, even if it has
//! been deleted since), or it is left out if there was none. Everything else applies.
//!
//! [`Checked`] comes only out of here; whoever has one need not check again.

mod aggregations;
mod breakers;
mod endpoint;
mod front;
mod join;
mod limits;
mod nodes;
mod objects;
mod read;
mod routes;
mod sharing;
mod values;

pub use limits::limit_of_proxy;

use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    document::{Document, Flaw, RawObject, Subject},
    filters::FilterKinds,
    id::Id,
    language::Reading,
    model::{Aggregation, Cluster, Kind, Route, Server},
    problem::{Problem, Severity},
};
use endpoint::Endpoint;

/// A configuration in which every object is sound and every reference holds.
#[derive(Clone, Default, Debug)]
pub struct Checked {
    servers: BTreeMap<Id, Entry<Server>>,
    clusters: BTreeMap<Id, Entry<Cluster>>,
    routes: BTreeMap<Id, Entry<Route>>,
    aggregations: BTreeMap<Id, Entry<Aggregation>>,
}

/// An object, and what need not be found out again as long as its text stays the same. Cheap to clone.
#[derive(Debug)]
struct Entry<T> {
    object: Arc<T>,
    /// Of the text it was read from; for a last good version that is not the present text.
    fingerprint: u64,
    /// What is odd about the object in itself.
    warnings: Arc<[Fault]>,
    /// Of a route or an aggregation: a hash of what it matches.
    shape: u64,
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self {
            object: self.object.clone(),
            warnings: self.warnings.clone(),
            ..*self
        }
    }
}

impl Checked {
    /// Every server by id.
    pub fn servers(&self) -> impl ExactSizeIterator<Item = &Arc<Server>> {
        self.servers.values().map(|entry| &entry.object)
    }

    /// Every cluster by id. Each of its servers is in [`Self::servers`].
    pub fn clusters(&self) -> impl ExactSizeIterator<Item = &Arc<Cluster>> {
        self.clusters.values().map(|entry| &entry.object)
    }

    /// Every route by id. Each of its clusters is in [`Self::clusters`].
    pub fn routes(&self) -> impl ExactSizeIterator<Item = &Arc<Route>> {
        self.routes.values().map(|entry| &entry.object)
    }

    /// Every aggregation by id. Each of its clusters is in [`Self::clusters`].
    pub fn aggregations(&self) -> impl ExactSizeIterator<Item = &Arc<Aggregation>> {
        self.aggregations.values().map(|entry| &entry.object)
    }

    /// Whether there is no object at all.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
            && self.clusters.is_empty()
            && self.routes.is_empty()
            && self.aggregations.is_empty()
    }

    /// The clusters that the answers of an endpoint come from.
    fn answering<'a, E: Endpoint>(&'a self, endpoint: &'a E) -> impl Iterator<Item = &'a Cluster> {
        let entries = endpoint
            .answering()
            .filter_map(|cluster| self.clusters.get(cluster));
        entries.map(|entry| &*entry.object)
    }
}

/// As the objects would be written: four lists. What is read from that is the same configuration.
impl Serialize for Checked {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut lists = to.serialize_map(Some(Kind::ALL.len()))?;
        lists.serialize_entry(&Kind::Server, &List(&self.servers))?;
        lists.serialize_entry(&Kind::Cluster, &List(&self.clusters))?;
        lists.serialize_entry(&Kind::Route, &List(&self.routes))?;
        lists.serialize_entry(&Kind::Aggregation, &List(&self.aggregations))?;
        lists.end()
    }
}

struct List<'l, T>(&'l BTreeMap<Id, Entry<T>>);

impl<T: Serialize> Serialize for List<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.values().map(|entry| &*entry.object))
    }
}

/// An object that cannot be used as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// Its kind.
    pub kind: Kind,
    /// Its id as written.
    pub id: String,
    /// What runs in its place.
    pub serving: Serving,
    /// Why.
    pub problems: Vec<Problem>,
}

/// What runs in place of a quarantined object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Serving {
    /// The last version that could be used.
    LastGood,
    /// Nothing: there never was a good version.
    Nothing,
}

/// What [`check`] found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What may run.
    pub checked: Checked,
    /// Everything that is wrong, in the order of the text, errors and warnings.
    pub problems: Vec<Problem>,
    /// The objects that do not run as written, by kind and id. One of an id that is none is told by what stands in its place.
    pub quarantined: Vec<Quarantined>,
}

impl Report {
    /// Whether anything keeps the configuration from running as written.
    pub fn has_errors(&self) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }
}

/// Checks a whole configuration. `last_good` is what ran before, if anything did; `kinds` are the filters that exist.
///
/// What stands in `last_good` with the same text is not looked into again, so that has to come from a check with the same `kinds`.
pub fn check(document: &Document, last_good: Option<&Checked>, kinds: &FilterKinds) -> Report {
    let nothing = Checked::default();
    let mut check = Check {
        document,
        last_good: last_good.unwrap_or(&nothing),
        kinds,
        problems: Vec::new(),
        index: OnceCell::new(),
        comparisons_left: MOST_COMPARISONS,
    };
    let servers = check.read(Kind::Server, |last| &last.servers, objects::server, |_| 0);
    let clusters = check.read(Kind::Cluster, |last| &last.clusters, objects::cluster, |_| 0);
    let routes = check.read(Kind::Route, Route::all, routes::route, endpoint::shape);
    let aggregations = check.read(
        Kind::Aggregation,
        Aggregation::all,
        aggregations::aggregation,
        endpoint::shape,
    );
    join::join(check, servers, clusters, routes, aggregations)
}

/// How many faults of one object are told at most. Telling one costs a look at the whole object.
const MOST_FAULTS: usize = 64;

/// A flaw of an object, and how bad it is.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) flaw: Flaw,
    pub(crate) severity: Severity,
}

impl Fault {
    pub(crate) fn error(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            flaw: Flaw::of_value(pointer, message),
            severity: Severity::Error,
        }
    }

    pub(crate) fn warning(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(pointer, message)
        }
    }

    /// The same in an object around, in which what the pointer begins at stands at `pointer`.
    pub(crate) fn under(mut self, pointer: &str) -> Self {
        self.flaw.pointer.insert_str(0, pointer);
        self
    }

    /// The same for the key at the pointer, not its value.
    pub(crate) fn of_key(mut self) -> Self {
        self.flaw.subject = Subject::Key;
        self
    }

    /// The same for one character of a text: the one at the byte `offset`.
    pub(crate) fn within(mut self, text: &str, offset: usize) -> Self {
        self.flaw.offset = Some(text.char_indices().take_while(|(at, _)| *at < offset).count());
        self
    }

    /// The same for the value that is read.
    fn at(self, reading: &Reading<'_>) -> Self {
        self.within(&reading.text.to_string(), reading.offset)
    }
}

impl From<Flaw> for Fault {
    fn from(flaw: Flaw) -> Self {
        Self {
            flaw,
            severity: Severity::Error,
        }
    }
}

/// How many ids are compared to find those that were meant by unknown ones. It bounds the time for a configuration with
/// thousands of wrong references; those beyond get no hint.
const MOST_COMPARISONS: usize = 100_000;

/// A check that is under way.
struct Check<'a> {
    document: &'a Document,
    last_good: &'a Checked,
    kinds: &'a FilterKinds,
    problems: Vec<Problem>,
    index: OnceCell<Index<'a>>,
    comparisons_left: usize,
}

/// The objects of a document; `None` for one that stands there and could not be read.
type Index<'a> = HashMap<(Kind, &'a str), Option<&'a RawObject>>;

impl<'a> Check<'a> {
    /// The first object of that name, if any stands in the text.
    fn find(&self, kind: Kind, id: &str) -> Option<Option<&'a RawObject>> {
        let index = self.index.get_or_init(|| {
            let Document { objects, broken, .. } = self.document;
            let mut index = HashMap::with_capacity(objects.len());
            for raw in objects {
                index.entry((raw.kind, raw.id.as_str())).or_insert(Some(raw));
            }
            for (kind, id) in broken {
                index.entry((*kind, id.as_str())).or_insert(None);
            }
            index
        });
        index.get(&(kind, id)).copied()
    }

    fn report(&mut self, raw: &RawObject, fault: &Fault) {
        let position = raw.node.as_ref().and_then(|node| node.locate(&fault.flaw));
        let problem = problem(raw.kind, &raw.id, fault).at(position);
        self.problems.push(problem);
    }

    /// The same for the object of that name, wherever it stands.
    fn report_on(&mut self, kind: Kind, id: &Id, fault: &Fault) {
        match self.find(kind, id.as_str()).flatten() {
            Some(raw) => self.report(raw, fault),
            None => self.problems.push(problem(kind, id.as_str(), fault)),
        }
    }

    /// The one of `names` that was probably meant, as a continuation of a message.
    fn hint<'n>(&mut self, wanted: &Id, names: impl ExactSizeIterator<Item = &'n Id>) -> String {
        if self.comparisons_left == 0 {
            return String::new();
        }
        self.comparisons_left = self.comparisons_left.saturating_sub(names.len());
        let near = near(wanted.as_str(), names.map(Id::as_str));
        near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"))
    }
}

fn problem(kind: Kind, id: &str, Fault { flaw, severity }: &Fault) -> Problem {
    Problem {
        severity: *severity,
        ..Problem::error(kind, id, &flaw.pointer, &flaw.message)
    }
}

/// The one of `names` that `text` was probably meant to be.
pub fn near<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = text.chars().count();
    let most = 1 + length / 4;
    // The distance is at least the difference in length, and comparing costs the product of both.
    let likely = names.filter(|name| name.chars().count().abs_diff(length) <= most);
    let scored = likely.map(|name| (strsim::damerau_levenshtein(text, name), name));
    let (distance, name) = scored.min()?;
    (distance <= most).then_some(name)
}

#[cfg(test)]
mod tests;
