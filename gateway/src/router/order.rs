//! The one order of all entries.

use std::cmp::Reverse;

use meta::pattern::{HostPattern, Specificity};

use super::Entry;

/// Where an entry stands among all others; the least is asked first.
///
/// In this order: higher priority; narrower host (exact, then the longer wildcard, then any); narrower path (see
/// [`Specificity`], then any); methods listed before any method; more condition terms; id. An entry with several
/// hosts has one place for each of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Precedence<'e> {
    priority: Reverse<i32>,
    host: Reverse<HostRank>,
    path: Reverse<Option<Specificity>>,
    methods: MethodRank,
    terms: Reverse<usize>,
    id: &'e str,
}

/// How narrow the host is by which an entry is found; the greater is the narrower. Of the wildcards that match one host,
/// the longer is always below the shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum HostRank {
    Any,
    Wildcard { bytes: usize },
    Exact,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MethodRank {
    Listed,
    Any,
}

impl<'e> Precedence<'e> {
    /// The places of `entry`, with the host each is for; `None` is every host.
    pub fn of<T>(entry: &'e Entry<T>) -> impl Iterator<Item = (Precedence<'e>, Option<&'e HostPattern>)> {
        let any = entry.hosts.is_empty().then_some(None);
        let path = entry.path.as_ref().map(|pattern| pattern.specificity());
        any.into_iter()
            .chain(entry.hosts.iter().map(Some))
            .map(move |host| {
                let precedence = Precedence {
                    priority: Reverse(entry.priority),
                    host: Reverse(HostRank::of(host)),
                    path: Reverse(path),
                    methods: if entry.methods.is_empty() {
                        MethodRank::Any
                    } else {
                        MethodRank::Listed
                    },
                    terms: Reverse(entry.terms),
                    id: &entry.id,
                };
                (precedence, host)
            })
    }
}

impl HostRank {
    fn of(host: Option<&HostPattern>) -> Self {
        match host.map(|pattern| pattern.wildcard_suffix()) {
            None => HostRank::Any,
            Some(Some(suffix)) => HostRank::Wildcard { bytes: suffix.len() },
            Some(None) => HostRank::Exact,
        }
    }
}
