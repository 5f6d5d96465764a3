//! What routes and aggregations have alike, and which of them no request can reach.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{Checked, Entry, Fault};
use crate::{
    id::Id,
    model::{Aggregation, Breaker, FilterSpec, Kind, Limit, Match, PriorityClass, Route},
    pattern::Segment,
};

/// What a client can call: a route or an aggregation.
pub(super) trait Endpoint: Sized + 'static {
    /// Its kind.
    const KIND: Kind;

    /// What every endpoint says of itself.
    fn front(&self) -> Front<'_>;

    /// Every cluster it needs.
    fn clusters(&self) -> impl Iterator<Item = &Id>;

    /// Where the cluster of that number in [`Self::clusters`] stands.
    fn pointer(&self, cluster: usize) -> String;

    /// The clusters that its answers come from.
    fn answering(&self) -> impl Iterator<Item = &Id>;

    /// All of its kind.
    fn all(checked: &Checked) -> &BTreeMap<Id, Entry<Self>>;

    /// The same, to be changed.
    fn all_mut(checked: &mut Checked) -> &mut BTreeMap<Id, Entry<Self>>;
}

/// What every endpoint says of itself.
#[derive(Clone, Copy)]
pub(super) struct Front<'a> {
    pub(super) kind: Kind,
    pub(super) id: &'a Id,
    pub(super) enabled: bool,
    pub(super) priority: i32,
    pub(super) matching: &'a Match,
    pub(super) limit: Option<&'a Limit>,
    pub(super) breaker: Option<&'a Breaker>,
    pub(super) priority_class: PriorityClass,
    pub(super) filters: &'a [FilterSpec],
    pub(super) expires: Option<jiff::Timestamp>,
}

/// The front of an object whose members are called as those of [`Front`].
macro_rules! front {
    ($kind:expr, $endpoint:expr) => {
        Front {
            kind: $kind,
            id: &$endpoint.id,
            enabled: $endpoint.enabled,
            priority: $endpoint.priority,
            matching: &$endpoint.matching,
            limit: $endpoint.limit.as_ref(),
            breaker: $endpoint.breaker.as_ref(),
            priority_class: $endpoint.priority_class,
            filters: &$endpoint.filters,
            expires: $endpoint.expires,
        }
    };
}

impl Endpoint for Route {
    const KIND: Kind = Kind::Route;

    fn front(&self) -> Front<'_> {
        front!(Self::KIND, self)
    }

    /// Those of its split, then its mirror's.
    fn clusters(&self) -> impl Iterator<Item = &Id> {
        self.answering()
            .chain(self.mirror.iter().map(|mirror| &mirror.cluster))
    }

    fn pointer(&self, cluster: usize) -> String {
        match cluster < self.to.len() {
            true => format!("/to/{cluster}/cluster"),
            false => "/mirror/cluster".to_owned(),
        }
    }

    fn answering(&self) -> impl Iterator<Item = &Id> {
        self.to.iter().map(|target| &target.cluster)
    }

    fn all(checked: &Checked) -> &BTreeMap<Id, Entry<Self>> {
        &checked.routes
    }

    fn all_mut(checked: &mut Checked) -> &mut BTreeMap<Id, Entry<Self>> {
        &mut checked.routes
    }
}

impl Endpoint for Aggregation {
    const KIND: Kind = Kind::Aggregation;

    fn front(&self) -> Front<'_> {
        front!(Self::KIND, self)
    }

    /// Those of its nodes.
    fn clusters(&self) -> impl Iterator<Item = &Id> {
        self.nodes.iter().map(|node| &node.cluster)
    }

    fn pointer(&self, cluster: usize) -> String {
        format!("/nodes/{cluster}/cluster")
    }

    fn answering(&self) -> impl Iterator<Item = &Id> {
        self.clusters()
    }

    fn all(checked: &Checked) -> &BTreeMap<Id, Entry<Self>> {
        &checked.aggregations
    }

    fn all_mut(checked: &mut Checked) -> &mut BTreeMap<Id, Entry<Self>> {
        &mut checked.aggregations
    }
}

/// A hash of hosts, path and methods, the same for endpoints that match alike whatever their parameters are called.
pub(super) fn shape<E: Endpoint>(endpoint: &E) -> u64 {
    let matching = endpoint.front().matching;
    let hosts: BTreeSet<&str> = matching.hosts.iter().map(|host| host.as_str()).collect();
    let methods: BTreeSet<&str> = matching
        .methods
        .iter()
        .map(|method| method.get().as_str())
        .collect();
    let mut hasher = DefaultHasher::new();
    (hosts, methods, matching.path.is_some()).hash(&mut hasher);
    for segment in matching.path.iter().flat_map(|path| path.segments()) {
        match segment {
            Segment::Literal(text) => (0, text).hash(&mut hasher),
            Segment::Constrained(_, constraint) => (1, constraint).hash(&mut hasher),
            Segment::Parameter(_) => 2.hash(&mut hasher),
            Segment::Tail(_) => 3.hash(&mut hasher),
        }
    }
    hasher.finish()
}

/// Every endpoint with its shape, of each kind by id.
fn endpoints(checked: &Checked) -> impl Iterator<Item = (Front<'_>, u64)> + Clone {
    fn of<E: Endpoint>(checked: &Checked) -> impl Iterator<Item = (Front<'_>, u64)> + Clone {
        let entries = E::all(checked).values();
        entries.map(|entry| (entry.object.front(), entry.shape))
    }
    of::<Route>(checked).chain(of::<Aggregation>(checked))
}

/// Endpoints that have ended.
pub(super) fn expired(checked: &Checked) -> Vec<(Kind, Id, Fault)> {
    let now = jiff::Timestamp::now();
    let expired = endpoints(checked).filter(|(front, _)| front.expires.is_some_and(|end| end <= now));
    expired
        .map(|(Front { kind, id, .. }, _)| {
            let message = format!("this time has passed: the {} matches nothing", kind.singular());
            (kind, id.clone(), Fault::warning("/expires", message))
        })
        .collect()
}

/// Endpoints of which another one takes every request: it matches alike, has no condition, and comes first. Two shapes that are
/// alike by chance would cost a wrong warning, no more.
pub(super) fn unreachable(checked: &Checked) -> Vec<(Kind, Id, Fault)> {
    // Of one priority a condition comes before none, then the smaller id, then a route.
    let rank = |front: &Front<'_>| (Reverse(front.priority), front.matching.when.is_none());
    let order = |one: &Front<'_>, other: &Front<'_>| {
        let ids = (one.id, one.kind).cmp(&(other.id, other.kind));
        rank(one).cmp(&rank(other)).then(ids)
    };
    let enabled = endpoints(checked).filter(|(front, _)| front.enabled);
    let mut first: HashMap<u64, Front<'_>> = HashMap::new();
    for (front, shape) in enabled.clone() {
        if front.matching.when.is_none() && front.expires.is_none() {
            let first = first.entry(shape).or_insert(front);
            if order(&front, first).is_lt() {
                *first = front;
            }
        }
    }
    let hidden = enabled.filter_map(|(front, shape)| {
        let first = first.get(&shape)?;
        order(first, &front).is_lt().then(|| behind(&front, first))
    });
    hidden.collect()
}

fn behind(hidden: &Front<'_>, first: &Front<'_>) -> (Kind, Id, Fault) {
    let message = format!(
        "no request reaches this {}: the {} {:?} has the same match and comes first",
        hidden.kind.singular(),
        first.kind.singular(),
        first.id.as_str()
    );
    (hidden.kind, hidden.id.clone(), Fault::warning("/match", message))
}
