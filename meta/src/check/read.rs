//! Reads the objects of one kind, each for itself.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use serde::de::DeserializeOwned;

use super::{Check, Checked, Entry, Fault, MOST_FAULTS};
use crate::{
    document::{RawObject, decode},
    filters::FilterKinds,
    id::Id,
    model::Kind,
    problem::Severity,
};

/// What was read of one kind.
pub(super) struct Read<T> {
    /// What is sound in itself.
    pub(super) good: BTreeMap<Id, Entry<T>>,
    /// What is not, and is not among the good either.
    pub(super) broken: BTreeSet<Id>,
    /// What stands where an id should, of objects that have none.
    pub(super) nameless: BTreeSet<String>,
}

impl Check<'_> {
    /// Reads every object of one kind. `faults` and `shape` ask an object for what an [`Entry`] knows of it.
    pub(super) fn read<T: DeserializeOwned>(
        &mut self,
        kind: Kind,
        of: impl Fn(&Checked) -> &BTreeMap<Id, Entry<T>>,
        faults: impl Fn(&T, &FilterKinds) -> Vec<Fault>,
        shape: impl Fn(&T) -> u64,
    ) -> Read<T> {
        let last = of(self.last_good);
        let mut read = Read {
            good: BTreeMap::new(),
            broken: BTreeSet::new(),
            nameless: BTreeSet::new(),
        };
        for raw in self.document.objects.iter().filter(|raw| raw.kind == kind) {
            let known = last.get_key_value(raw.id.as_str());
            let id: Id = match known.map_or_else(|| raw.id.parse(), |(id, _)| Ok(id.clone())) {
                Ok(id) => id,
                Err(error) => {
                    self.report(raw, &Fault::error("/id", error.to_string()));
                    read.nameless.insert(raw.id.clone());
                    continue;
                }
            };
            let free = match read.good.entry(id) {
                btree_map::Entry::Vacant(free) if !read.broken.contains(free.key()) => free,
                _ => {
                    let message = format!(
                        "there are two {kind} with this id: the first one stands, give this one another id"
                    );
                    self.report(raw, &Fault::error("/id", message));
                    continue;
                }
            };
            let fingerprint = fingerprint(raw);
            let unchanged = known.filter(|(_, entry)| entry.fingerprint == fingerprint);
            let entry = match unchanged {
                Some((_, entry)) => {
                    entry
                        .warnings
                        .iter()
                        .for_each(|warning| self.report(raw, warning));
                    Some(entry.clone())
                }
                None => self.sound(raw, fingerprint, &faults, &shape),
            };
            match entry {
                Some(entry) => drop(free.insert(entry)),
                None => drop(read.broken.insert(free.into_key())),
            }
        }
        self.keep_unread(kind, last, &mut read);
        read
    }

    /// The object, if there is no error in it; reports all there is to say of it.
    fn sound<T: DeserializeOwned>(
        &mut self,
        raw: &RawObject,
        fingerprint: u64,
        faults: impl Fn(&T, &FilterKinds) -> Vec<Fault>,
        shape: impl Fn(&T) -> u64,
    ) -> Option<Entry<T>> {
        let object: T = match decode(&raw.value.unpack()) {
            Ok(object) => object,
            Err(flaws) => {
                flaws.into_iter().for_each(|flaw| self.report(raw, &flaw.into()));
                return None;
            }
        };
        let faults = told(faults(&object, self.kinds));
        faults.iter().for_each(|fault| self.report(raw, fault));
        let sound = faults.iter().all(|fault| fault.severity == Severity::Warning);
        sound.then(|| Entry {
            shape: shape(&object),
            object: Arc::new(object),
            fingerprint,
            warnings: faults.into(),
        })
    }

    /// What a text that ends in the middle does not show is kept as it was; the object it ends in is broken.
    fn keep_unread<T>(&self, kind: Kind, last: &BTreeMap<Id, Entry<T>>, read: &mut Read<T>) {
        for (_, id) in self.document.broken.iter().filter(|(of, _)| *of == kind) {
            match id.parse::<Id>() {
                Ok(id) if read.good.contains_key(&id) => {}
                Ok(id) => drop(read.broken.insert(id)),
                Err(_) => drop(read.nameless.insert(id.clone())),
            }
        }
        if !self.document.complete {
            for (id, entry) in last {
                if !read.good.contains_key(id) && !read.broken.contains(id) {
                    read.good.insert(id.clone(), entry.clone());
                }
            }
        }
    }
}

/// As many as are told, errors before warnings.
fn told(mut faults: Vec<Fault>) -> Vec<Fault> {
    if faults.len() > MOST_FAULTS {
        faults.sort_by_key(|fault| fault.severity);
        faults.truncate(MOST_FAULTS);
    }
    faults
}

/// The order of keys counts: in a response it is the order of the answer.
fn fingerprint(raw: &RawObject) -> u64 {
    let mut hasher = DefaultHasher::new();
    raw.value.hash(&mut hasher);
    hasher.finish()
}
