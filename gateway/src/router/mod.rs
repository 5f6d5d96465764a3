//! Finds what answers a request: the best of all entries (routes and aggregations alike) by host, path, method, and
//! whatever else the caller's `accepts` looks at.
//!
//! All entries stand in one total order, `order`'s; an entry's place in it is its *rank*, lowest first. A lookup
//! returns the entry of lowest rank that matches wholly. Built once, then only read.
//!
//! `hosts` gives the trees a host belongs to, `tree` walks one of them along the path's `segments`, skipping every
//! part that cannot beat what is already found; `plant` makes the trees. Cost: see `tree`. A lookup allocates nothing.
//!
//! Hosts and paths are compared in normal form (`meta::pattern`); bringing them there is the caller's part.

mod hosts;
mod methods;
mod order;
mod params;
mod plant;
mod segments;
mod tree;

use std::collections::HashSet;
use std::sync::Arc;

use http::Method;
use meta::pattern::{HostPattern, PathPattern};

pub use methods::Allow;
pub use order::Precedence;
pub use params::Params;

use hosts::Hosts;
use methods::MethodSet;
use params::Parameter;
use plant::Planter;
use segments::Segments;
use tree::{Leaf, Tree, Walk};

/// Something that answers requests, and which ones.
#[derive(Debug, Clone)]
pub struct Entry<T> {
    /// Decides last; unlike any other entry's id, or the order between the two is theirs by insertion.
    pub id: String,
    /// Higher comes first, whatever else differs.
    pub priority: i32,
    /// Any of these; none stands for every host.
    pub hosts: Vec<HostPattern>,
    /// None stands for every path.
    pub path: Option<PathPattern>,
    /// Any of these; none stands for every method. `GET` answers `HEAD` too.
    pub methods: Vec<Method>,
    /// How many terms the condition has that `accepts` will check.
    pub terms: usize,
    /// What a lookup returns.
    pub value: T,
}

/// What [`Router::find`] found.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a box would be an allocation in every lookup"
)]
pub enum Lookup<'r, 'p, T> {
    /// The best entry that matches, and its path's parameters.
    Found {
        /// The entry's value.
        value: &'r T,
        /// What its pattern's parameters took from the path.
        params: Params<'r, 'p>,
    },
    /// Entries match host, path and condition, for other methods.
    MethodNotAllowed(Allow<'r>),
    /// No entry matches host, path and condition.
    NotFound,
}

/// All entries, ready for lookups.
#[derive(Debug)]
pub struct Router<T> {
    hosts: Hosts,
    tree: Tree,
    targets: Vec<Target<T>>,
}

/// What is left of an entry once its place in the tree is known.
#[derive(Debug)]
struct Target<T> {
    value: T,
    /// Routes whose parameters have the same names in the same places share one list.
    parameters: Arc<[Parameter]>,
    methods: MethodSet,
}

impl<T> Router<T> {
    /// Sorts the entries and builds the trees. The result does not depend on the order of `entries`.
    pub fn new(entries: Vec<Entry<T>>) -> Self {
        let mut places: Vec<_> = entries
            .iter()
            .zip(0u32..)
            .flat_map(|(entry, index)| {
                Precedence::of(entry).map(move |(precedence, host)| (precedence, host, index))
            })
            .collect();
        places.sort_by(|(one, ..), (other, ..)| one.cmp(other));

        let methods: Vec<_> = entries
            .iter()
            .map(|entry| MethodSet::new(&entry.methods))
            .collect();
        let mut hosts = Hosts::default();
        let mut trees = Planter::new();
        for (rank, (_, host, index)) in (0..).zip(&places) {
            let root = hosts.root(*host, &mut trees, rank);
            let leaf = Leaf {
                rank,
                target: *index,
                methods: methods[*index as usize].bits(),
            };
            trees.add(root, entries[*index as usize].path.as_ref(), leaf);
        }
        drop(places);

        let mut lists = HashSet::new();
        let targets = entries.into_iter().zip(methods).map(|(entry, methods)| Target {
            value: entry.value,
            parameters: share(&mut lists, Parameter::all(entry.path.as_ref())),
            methods,
        });
        let targets = targets.collect();
        Router {
            hosts,
            tree: trees.finish(),
            targets,
        }
    }

    /// The entry of lowest rank that matches `host`, `path` and `method` and that `accepts` says yes to.
    ///
    /// `host` and `path` are in normal form. `accepts` brings in what else a match depends on (conditions, expiry). It is
    /// asked only for entries that match otherwise and would beat the best so far, not necessarily in the order of
    /// their ranks, and again for the other methods when nothing was found; so it answers the same every time.
    pub fn find<'r, 'p>(
        &'r self,
        host: &str,
        path: &'p str,
        method: &Method,
        mut accepts: impl FnMut(&'r T, &Params<'r, 'p>) -> bool,
    ) -> Lookup<'r, 'p, T> {
        let wanted = MethodSet::bit(method);
        let mut lookup = Lookup::NotFound;
        let mut saw_other_method = false;
        self.walk(host, path, |leaf, segments| {
            let target = &self.targets[leaf.target()];
            if !leaf.has_any(wanted) || !target.methods.contains(method) {
                saw_other_method = true;
                return false;
            }
            let params = Params::new(&target.parameters, segments);
            let is_accepted = accepts(&target.value, &params);
            if is_accepted {
                lookup = Lookup::Found {
                    value: &target.value,
                    params,
                };
            }
            is_accepted
        });
        if saw_other_method && matches!(lookup, Lookup::NotFound) {
            return self.allowed(host, path, accepts);
        }
        lookup
    }

    /// The second walk of a lookup whose method nobody takes: which methods would have been?
    fn allowed<'r, 'p>(
        &'r self,
        host: &str,
        path: &'p str,
        mut accepts: impl FnMut(&'r T, &Params<'r, 'p>) -> bool,
    ) -> Lookup<'r, 'p, T> {
        let mut allow = Allow::default();
        self.walk(host, path, |leaf, segments| {
            let target = &self.targets[leaf.target()];
            if accepts(&target.value, &Params::new(&target.parameters, segments)) {
                allow.add(&target.methods);
            }
            false
        });
        if allow.is_empty() {
            Lookup::NotFound
        } else {
            Lookup::MethodNotAllowed(allow)
        }
    }

    /// Shows `visit` the leaves that match host and path. Once it says yes to one, only lower ranks are shown.
    /// Returns how many nodes were visited.
    fn walk<'p>(&self, host: &str, path: &'p str, visit: impl FnMut(&Leaf, &Segments<'p>) -> bool) -> usize {
        let mut walk = Walk::new(&self.tree, path, visit);
        for root in self.hosts.roots(host) {
            walk.from(root);
        }
        walk.visits()
    }
}

/// The list that equals `list` and was seen before, or else this one.
fn share(seen: &mut HashSet<Arc<[Parameter]>>, list: Arc<[Parameter]>) -> Arc<[Parameter]> {
    if let Some(shared) = seen.get(&list) {
        return Arc::clone(shared);
    }
    seen.insert(Arc::clone(&list));
    list
}

#[cfg(test)]
mod tests;
