//! What is known of the configuration in etcd: read once, then kept up to date event by event.
//!
//! **Numbers.** A state's number is the etcd revision of what made it: of `revision` if a commit did, otherwise of the last
//! foreign write (by `etcdctl`, say) that was seen. Whoever reads after a foreign deletion sees that something is gone, but not
//! since when; until the next change he has another number for the same objects than those who saw it.
//!
//! **Commits in parts** count as a whole from the moment that `pending` is written: its changes are laid over the objects, and
//! the writes that follow change nothing. A foreign write that comes after `pending` stands, but a foreign deletion in that time
//! is overwritten.

mod entry;
mod state;

pub(super) use entry::{Content, Item};

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use self::entry::Entry;
use super::{
    changes::{Changes, Name},
    layout::{About, Layout, Pending, Place},
};
use crate::store::Held;

/// How many unknown keys are named.
const MOST_STRAYS: usize = 100;

/// What is known of the configuration.
#[derive(Clone)]
pub(crate) struct View {
    /// The etcd cluster it was read from.
    pub(crate) cluster: u64,
    /// The etcd revision up to which everything is known.
    pub(crate) seen: i64,
    /// The number of the state.
    pub(crate) number: i64,
    /// The revision of the last write to an object, whether it changed anything or not.
    pub(crate) newest: i64,
    pub(crate) guard: Option<Guard>,
    pub(crate) pending: Option<Open>,
    pub(crate) foreign: Foreign,
    objects: BTreeMap<Name, Entry>,
    parts: BTreeMap<String, Vec<u8>>,
    strays: BTreeSet<String>,
    /// Why what is missing is not believed to be gone.
    lost: Option<String>,
    /// When others than stores were last seen to have written.
    pub(crate) noticed: Timestamp,
    /// Whether the state has been published.
    pub(crate) told: bool,
}

/// The key `revision`.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) modified: i64,
    /// `None` if somebody else wrote it.
    pub(crate) about: Option<About>,
}

/// A commit that is not yet written everywhere.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) modified: i64,
    /// `None` if its parts are not there.
    pub(crate) changes: Option<Changes>,
}

/// What was written since the last commit by others than stores.
#[derive(Clone)]
pub(crate) enum Foreign {
    Nothing,
    /// What leads back to the state of the commit.
    Known(Changes),
    /// Something, before this view began.
    Unknown,
}

impl View {
    /// What a listing of everything at `revision` says.
    pub(crate) fn listed(layout: &Layout, cluster: u64, revision: i64, items: Vec<Item>) -> Self {
        let mut view = Self {
            cluster,
            seen: revision,
            number: 0,
            newest: 0,
            guard: None,
            pending: None,
            foreign: Foreign::Nothing,
            objects: BTreeMap::new(),
            parts: BTreeMap::new(),
            strays: BTreeSet::new(),
            lost: None,
            noticed: Timestamp::now(),
            told: false,
        };
        let mut open = None;
        for item in items {
            match layout.place(&item.key) {
                Place::Object(kind, id) => {
                    let entry = Entry::read(&(kind, id.clone()), item.content, item.modified);
                    view.newest = view.newest.max(item.modified);
                    view.objects.extend(entry.map(|entry| ((kind, id), entry)));
                }
                Place::Revision => view.guard = Guard::read(&item),
                Place::Pending => open = Some(item),
                Place::Part(_) | Place::Stray(_) | Place::Elsewhere => view.set_aside(layout, item),
            }
        }
        let unchanged = view.objects.clone();
        if let Some(item) = open {
            view.open(&item);
        }
        view.count(&unchanged);
        view
    }

    /// The number of a state that was listed, and whether others than stores made it.
    fn count(&mut self, unchanged: &BTreeMap<Name, Entry>) {
        let Some(Guard { modified, about }) = &self.guard else {
            self.number = self.newest;
            if !self.objects.is_empty() {
                self.foreign = Foreign::Unknown;
            }
            return;
        };
        let later = |(name, entry): (&Name, &Entry)| entry.modified > *modified && !self.is_due(name, entry);
        let as_committed = about.as_ref().filter(|about| about.objects == self.objects.len());
        match as_committed {
            Some(about) if !unchanged.iter().any(later) => {
                self.number = about.number.map_or(*modified, |number| number as i64);
            }
            _ => {
                // If nothing is newer, something is gone, at some time before now.
                let is_gone = about.is_some() && self.newest <= *modified;
                self.number = if is_gone {
                    self.seen
                } else {
                    self.newest.max(*modified)
                };
                self.foreign = Foreign::Unknown;
            }
        }
    }

    /// Whether the commit that is not yet written everywhere makes the object what it is.
    fn is_due(&self, name: &Name, entry: &Entry) -> bool {
        let changes = self.pending.as_ref().and_then(|open| open.changes.as_ref());
        match changes.and_then(|changes| changes.0.get(name)) {
            Some(Some(text)) => entry.same(&Entry::of_text(name, text, 0)),
            _ => false,
        }
    }

    /// Believes nothing to be gone if everything is, and nobody was seen to take it away: then etcd has lost its data.
    pub(crate) fn after(mut self, before: Option<&Self>) -> Self {
        let Some(before) = before.filter(|_| self.guard.is_none()) else {
            return self;
        };
        self.lost = before.lost.clone();
        if self.objects.is_empty() && !before.objects.is_empty() {
            self.lost = Some(lost(&format!(
                "revision {} before, {} now",
                before.seen, self.seen
            )));
        }
        self
    }

    /// The same for a view that is the first of this process, where an earlier one read that.
    pub(crate) fn expect(&mut self, held: Held) {
        if self.guard.is_none() && (self.objects.is_empty() || held == Held::Remains) {
            self.lost = Some(lost(&format!(
                "there was more before, now it is at revision {}",
                self.seen
            )));
        }
    }

    /// Takes in what happened, in order; whether the state is another one now.
    pub(crate) fn take(&mut self, layout: &Layout, items: Vec<Item>) -> bool {
        let mut changed = false;
        let mut items = items.into_iter().peekable();
        while let Some(first) = items.next() {
            let revision = first.modified;
            let mut group = vec![first];
            while let Some(next) = items.next_if(|item| item.modified == revision) {
                group.push(next);
            }
            changed |= self.take_transaction(layout, group);
            self.seen = self.seen.max(revision);
        }
        self.told &= !changed;
        changed
    }

    fn take_transaction(&mut self, layout: &Layout, group: Vec<Item>) -> bool {
        let (mut objects, mut guard, mut open) = (Vec::new(), None, None);
        let strays = self.strays.len();
        for item in group {
            match layout.place(&item.key) {
                Place::Object(kind, id) => objects.push(((kind, id), item)),
                Place::Revision => guard = Some(item),
                Place::Pending => open = Some(item),
                Place::Part(_) | Place::Stray(_) | Place::Elsewhere => self.set_aside(layout, item),
            }
        }
        let mut changed = strays != self.strays.len();
        if let Some(item) = open {
            changed |= self.open(&item);
        }
        let foreign = guard.is_none();
        for (name, item) in objects {
            changed |= self.put(name, item, foreign);
        }
        match guard {
            Some(item) => self.commit(&item) | changed,
            None => changed,
        }
    }

    /// What is of no object.
    fn set_aside(&mut self, layout: &Layout, item: Item) {
        match (layout.place(&item.key), item.content) {
            (Place::Part(part), Content::Value(value)) => drop(self.parts.insert(part, value)),
            (Place::Part(part), _) => drop(self.parts.remove(&part)),
            (Place::Stray(rest), Content::Gone) => drop(self.strays.remove(&rest)),
            (Place::Stray(rest), _) if self.strays.len() < MOST_STRAYS => drop(self.strays.insert(rest)),
            _ => {}
        }
    }

    /// Lays a commit in parts over the objects, or takes note that it is written everywhere.
    fn open(&mut self, item: &Item) -> bool {
        let Content::Value(value) = &item.content else {
            let unreadable = self.pending.take().is_some_and(|open| open.changes.is_none());
            return unreadable;
        };
        let pending: Option<Pending> = serde_json::from_slice(value).ok();
        let changes = pending.as_ref().and_then(|pending| self.assemble(pending));
        for (name, text) in changes.iter().flat_map(|changes| &changes.0) {
            let written = self.objects.get(name);
            if written.is_some_and(|entry| entry.modified > item.modified) {
                continue;
            }
            let modified = written.map_or(0, |entry| entry.modified);
            match text {
                Some(text) => drop(
                    self.objects
                        .insert(name.clone(), Entry::of_text(name, text, modified)),
                ),
                None => drop(self.objects.remove(name)),
            }
        }
        self.pending = Some(Open {
            modified: item.modified,
            changes,
        });
        true
    }

    fn assemble(&self, pending: &Pending) -> Option<Changes> {
        let part = |at: usize| Some(self.parts.get(&format!("{}/{at}", pending.token))?.as_slice());
        let parts: Vec<&[u8]> = (0..pending.parts).map(part).collect::<Option<_>>()?;
        Changes::from_parts(parts)
    }

    fn put(&mut self, name: Name, item: Item, foreign: bool) -> bool {
        self.newest = self.newest.max(item.modified);
        let entry = Entry::read(&name, item.content, item.modified);
        let before = self.objects.get_mut(&name);
        let same = match (&before, &entry) {
            (Some(before), Some(entry)) => before.same(entry),
            (None, None) => return false,
            _ => false,
        };
        if same && let Some(before) = before {
            before.modified = item.modified;
            if self.pending.is_some() || !foreign {
                return false;
            }
        } else {
            let before = match entry {
                Some(entry) => self.objects.insert(name.clone(), entry),
                None => self.objects.remove(&name),
            };
            if foreign && let Foreign::Known(_) | Foreign::Nothing = &self.foreign {
                self.note(name, before.map(|entry| entry.text()));
            }
        }
        if foreign {
            self.number = item.modified;
            self.noticed = Timestamp::now();
        }
        true
    }

    fn note(&mut self, name: Name, before: Option<String>) {
        if let Foreign::Nothing = self.foreign {
            self.foreign = Foreign::Known(Changes::default());
        }
        if let Foreign::Known(undo) = &mut self.foreign {
            undo.0.entry(name).or_insert(before);
        }
    }

    /// Takes note of a commit; whether it makes another state.
    fn commit(&mut self, item: &Item) -> bool {
        self.guard = Guard::read(item);
        let had = (self.number, self.lost.take());
        match &self.guard {
            Some(Guard {
                about: Some(About {
                    number: Some(number), ..
                }),
                ..
            }) => self.number = self.number.max(*number as i64),
            guard => {
                self.foreign = match guard {
                    Some(Guard { about: Some(_), .. }) => Foreign::Nothing,
                    _ => Foreign::Unknown,
                };
                self.number = item.modified;
            }
        }
        had != (self.number, None)
    }
}

/// Why nothing is believed to be gone.
fn lost(numbers: &str) -> String {
    format!(
        "etcd has lost its data: everything under the prefix is gone and nobody deleted it ({numbers}). What was there is kept. \
         Restore a backup of etcd; or, if all objects are as they should be, put anything to the key \"revision\" under the prefix"
    )
}

impl Guard {
    fn read(item: &Item) -> Option<Self> {
        match &item.content {
            Content::Gone => None,
            Content::Value(value) => Some(Self {
                modified: item.modified,
                about: serde_json::from_slice(value).ok(),
            }),
            Content::TooLong => Some(Self {
                modified: item.modified,
                about: None,
            }),
        }
    }
}
