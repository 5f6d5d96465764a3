//! A configuration in the form that serves requests: immutable, one for each revision. A request uses exactly one.
//!
//! Compiling reuses every part of the snapshot before that did not change. What lives longer than a revision (servers, health,
//! budgets, counters) is not in here, only pointed to.

mod route;
mod upstream;
mod workshop;

use std::{collections::HashMap, sync::Arc};

use meta::{id::Id, model::Kind};
use serde::Serialize;

use crate::{
    admission::RouteGuard,
    aggregate::{Aggregate, NodeCounts},
    breaker::BreakerStatus,
    clock::Moment,
    limiter::LimitStatus,
    metrics::RequestCounts,
    router::Router,
};

pub(crate) use route::{Route, Single};
pub(crate) use upstream::{BalanceKey, Upstream};
pub(crate) use workshop::Workshop;

/// Everything a request needs to know.
pub(crate) struct Snapshot {
    pub(crate) router: Router<Arc<Route>>,
    upstreams: HashMap<Id, Arc<Upstream>>,
    routes: HashMap<Id, Arc<Route>>,
    aggregations: HashMap<Id, Arc<Route>>,
}

/// A cluster as `/status` shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ClusterStatus {
    pub(crate) id: Id,
    /// How many of its servers get traffic.
    usable: usize,
    servers: usize,
    /// How many of them a breaker gives a pause, or tries out.
    tripped: usize,
    /// Requests sent again.
    retries: u64,
    /// The limit of the cluster as a whole, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<LimitStatus>,
}

/// A route as `/status` shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RouteStatus {
    pub(crate) id: Id,
    /// Requests it took so far, by class of status; `none`: without a whole answer.
    requests: RequestCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<LimitStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) breaker: Option<BreakerStatus>,
    /// Of an aggregation: how its nodes fared, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<NodeCounts>,
}

impl Snapshot {
    /// Its clusters, by id.
    pub(crate) fn clusters(&self, now: Moment) -> Vec<ClusterStatus> {
        let status = |upstream: &Arc<Upstream>| ClusterStatus {
            id: upstream.id.clone(),
            usable: upstream.cluster.usable(),
            servers: upstream.cluster.servers().count(),
            tripped: upstream.cluster.tripped(now),
            retries: upstream.counters.retries(),
            limit: upstream.limit(now),
        };
        let mut all: Vec<_> = self.upstreams.values().map(status).collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    /// Its routes, or its aggregations, by id.
    pub(crate) fn routes(&self, kind: Kind, now: Moment) -> Vec<RouteStatus> {
        let status = |route: &Arc<Route>| {
            let guard = route.guard.as_ref();
            RouteStatus {
                id: route.origin.id().clone(),
                requests: route.counters.requests(),
                limit: guard.and_then(|guard| guard.limit_status(now)),
                breaker: guard.and_then(|guard| guard.breaker_status(now)),
                nodes: route
                    .aggregate
                    .as_ref()
                    .map_or_else(Vec::new, |aggregate| aggregate.counts(route.id())),
            }
        };
        let of = match kind {
            Kind::Aggregation => &self.aggregations,
            _ => &self.routes,
        };
        let mut all: Vec<_> = of.values().map(status).collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    /// Its aggregations with more than one node, by id.
    pub(crate) fn aggregates(&self) -> Vec<(&Id, &Aggregate)> {
        let mut all: Vec<_> = self
            .aggregations
            .values()
            .filter_map(|route| Some((route.origin.id(), &**route.aggregate.as_ref()?)))
            .collect();
        all.sort_by_key(|(id, _)| *id);
        all
    }

    /// The limit and breaker of a route or an aggregation, if it has any.
    pub(crate) fn guard(&self, kind: Kind, id: &str) -> Option<&Arc<RouteGuard>> {
        let of = match kind {
            Kind::Aggregation => &self.aggregations,
            _ => &self.routes,
        };
        of.get(id)?.guard.as_ref()
    }

    /// Once a second: what time has made due at routes and aggregations.
    pub(crate) fn tick(&self, now: Moment) {
        let all = self.routes.values().chain(self.aggregations.values());
        for guard in all.filter_map(|route| route.guard.as_ref()) {
            guard.step(now);
        }
    }
}

#[cfg(test)]
mod tests;
