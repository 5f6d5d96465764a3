//! What can be asked of a view: its state, and what a commit needs to know.

use std::collections::BTreeMap;

use super::{
    super::{
        changes::{Changes, Name},
        layout::About,
    },
    View,
    entry::Entry,
};
use crate::{
    document::Document,
    problem::Problem,
    store::{Revision, State},
};

const PENDING_UNREADABLE: &str = "the key \"pending\" under the prefix stands for a commit of which parts are missing; delete \
                                  that key and commit again";

impl View {
    /// The number of the last commit's state.
    pub(crate) fn committed(&self) -> Option<(u64, &About)> {
        let guard = self.guard.as_ref()?;
        let about = guard.about.as_ref()?;
        Some((about.number.unwrap_or(guard.modified as u64), about))
    }

    /// The revision at which `revision` was written; 0 if it was not.
    pub(crate) fn guard_modified(&self) -> i64 {
        self.guard.as_ref().map_or(0, |guard| guard.modified)
    }

    pub(crate) fn revision(&self) -> Revision {
        Revision(u64::try_from(self.number).unwrap_or_default())
    }

    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(crate) fn contains(&self, name: &Name) -> bool {
        self.objects.contains_key(name)
    }

    /// The revision at which an object was written last; 0 if it is not there.
    pub(crate) fn modified(&self, name: &Name) -> i64 {
        self.objects.get(name).map_or(0, |entry| entry.modified)
    }

    /// The value of an object as text.
    pub(crate) fn text(&self, name: &Name) -> Option<String> {
        self.objects.get(name).map(Entry::text)
    }

    /// Whether `text` is what an object is already, in its values and in the order of its keys.
    pub(crate) fn holds(&self, name: &Name, text: Option<&str>) -> bool {
        match (self.objects.get(name), text) {
            (Some(entry), Some(text)) => entry.same(&Entry::of_text(name, text, 0)),
            (None, None) => true,
            _ => false,
        }
    }

    /// What leads from this state to `other`.
    pub(crate) fn changes_to(&self, other: &Self) -> Changes {
        let mut changes = BTreeMap::new();
        for (name, entry) in &other.objects {
            if !self.objects.get(name).is_some_and(|own| own.same(entry)) {
                changes.insert(name.clone(), Some(entry.text()));
            }
        }
        let gone = self
            .objects
            .keys()
            .filter(|name| !other.objects.contains_key(*name));
        changes.extend(gone.map(|name| (name.clone(), None)));
        Changes(changes)
    }

    /// Makes this the state `number` of the past.
    pub(crate) fn become_past(&mut self, number: u64) {
        self.number = number as i64;
        (self.lost, self.pending) = (None, None);
        self.strays.clear();
    }

    /// Changes the objects, as `changes` says.
    pub(crate) fn change(&mut self, changes: &Changes) {
        for (name, text) in &changes.0 {
            match text {
                Some(text) => drop(self.objects.insert(name.clone(), Entry::of_text(name, text, 0))),
                None => drop(self.objects.remove(name)),
            }
        }
    }

    /// Why nothing can be committed, if so.
    pub(crate) fn obstacle(&self) -> Option<Problem> {
        let unreadable = self.pending.as_ref().is_some_and(|open| open.changes.is_none());
        let reason = self
            .lost
            .clone()
            .or_else(|| unreadable.then(|| PENDING_UNREADABLE.into()));
        reason.map(|reason| Problem::of_text(None, reason))
    }

    /// The state.
    pub(crate) fn state(&self) -> State {
        State {
            revision: self.revision(),
            document: self.document().into(),
        }
    }

    fn document(&self) -> Document {
        let mut document = Document::default();
        document.complete = true;
        if let Some(problem) = self.obstacle() {
            document.complete = false;
            document.problems.push(problem);
        }
        document.objects.reserve(self.objects.len());
        for ((kind, id), entry) in &self.objects {
            match &entry.content {
                Ok(object) => document.objects.push(object.clone()),
                Err(broken) => {
                    document.broken.push((*kind, id.clone()));
                    document
                        .problems
                        .push(Problem::error(*kind, id, "", &broken.reason));
                }
            }
        }
        let unknown = |rest: &String| {
            let message = format!(
                "the key {rest:?} under the prefix is of no object; keys are KIND/ID with servers, clusters, routes, \
                 aggregations"
            );
            Problem::of_text(None, message).warning()
        };
        document.problems.extend(self.strays.iter().map(unknown));
        document
    }
}
