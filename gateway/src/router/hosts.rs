//! Which trees a host's requests are looked up in.

use std::collections::HashMap;

use meta::pattern::HostPattern;

use super::plant::Planter;
use super::tree::NodeId;

/// No wildcard matches a longer host (see [`HostPattern::matches`]).
const MAX_BYTES: usize = 253;

/// One tree for each host pattern, and one for the entries of every host.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    exact: HashMap<Box<str>, NodeId, foldhash::fast::RandomState>,
    /// By what follows `*.`.
    wildcards: HashMap<Box<str>, NodeId, foldhash::fast::RandomState>,
    /// The most dots in a key of `wildcards`, plus one: how many suffixes of a host can be keys.
    suffixes: usize,
    any: Option<NodeId>,
}

impl Hosts {
    /// The root of a pattern's tree, made if it is the first of its host.
    pub(super) fn root(&mut self, host: Option<&HostPattern>, trees: &mut Planter, rank: u32) -> NodeId {
        let Some(pattern) = host else {
            return *self.any.get_or_insert_with(|| trees.root(rank));
        };
        let Some(suffix) = pattern.wildcard_suffix() else {
            return *self
                .exact
                .entry(pattern.as_str().into())
                .or_insert_with(|| trees.root(rank));
        };
        self.suffixes = self
            .suffixes
            .max(memchr::memchr_iter(b'.', suffix.as_bytes()).count() + 1);
        *self
            .wildcards
            .entry(suffix.into())
            .or_insert_with(|| trees.root(rank))
    }

    /// The roots of the trees a host belongs to, the narrowest first.
    ///
    /// Looks at no more suffixes than the longest wildcard has labels, however many labels the host has.
    pub(super) fn roots(&self, host: &str) -> impl Iterator<Item = NodeId> {
        let suffixes = if host.len() <= MAX_BYTES { self.suffixes } else { 0 };
        let dots = if suffixes == 0 {
            0
        } else {
            memchr::memchr_iter(b'.', host.as_bytes()).count()
        };
        let wildcards = memchr::memchr_iter(b'.', host.as_bytes())
            .take(dots)
            .skip(dots.saturating_sub(suffixes))
            .filter(|dot| *dot > 0)
            .filter_map(move |dot| self.wildcards.get(&host[dot + 1..]));
        self.exact
            .get(host)
            .into_iter()
            .chain(wildcards)
            .copied()
            .chain(self.any)
    }
}
