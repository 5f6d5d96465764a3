//! Compiles configurations: every part of the snapshot before that did not change is used again.

use std::{collections::HashMap, sync::Arc};

use meta::{
    check::Checked,
    id::Id,
    model::{self, Kind, LoadBalance, Weight},
};

use super::{BalanceKey, Route, Single, Snapshot, Upstream, route::Origin, upstream::ClusterGuard};
use crate::{
    admission::{Guarded, RouteGuard, RouteState},
    aggregate::{Aggregate, NodeStates},
    attempts::RetryBudget,
    cluster::{Cluster, Registry},
    filters::Filters,
    kept::Kept,
    limiter::{Limit, Limiter, Scope},
    metrics::Metrics,
    router::{Entry, Router},
    share::Terms,
    split::Split,
};

/// What compiling needs beside the configuration.
pub(crate) struct Workshop {
    pub(crate) registry: Registry,
    pub(crate) filters: Filters,
    pub(crate) metrics: Arc<Metrics>,
    budgets: Kept<RetryBudget>,
    limiters: Kept<Limiter>,
    route_states: Kept<RouteState>,
    aggregation_states: Kept<AggregationState>,
}

/// What of an aggregation survives every change of it.
#[derive(Default)]
struct AggregationState {
    guard: Arc<RouteState>,
    nodes: NodeStates,
}

impl Workshop {
    pub(crate) fn new(registry: Registry, filters: Filters, metrics: Arc<Metrics>) -> Self {
        Self {
            registry,
            filters,
            metrics,
            budgets: Kept::default(),
            limiters: Kept::default(),
            route_states: Kept::default(),
            aggregation_states: Kept::default(),
        }
    }

    /// Compiles a configuration, reusing what it can of `before`.
    pub(crate) fn compile(&self, checked: &Checked, before: Option<&Snapshot>) -> Snapshot {
        let servers: Vec<_> = checked.servers().cloned().collect();
        let clusters: Vec<_> = checked.clusters().cloned().collect();
        let compiled = self.registry.apply(&servers, &clusters);
        let upstreams: HashMap<Id, Arc<Upstream>> = compiled
            .into_iter()
            .map(|(id, cluster)| {
                let same = before.and_then(|before| before.upstreams.get(&id));
                let upstream = match same.filter(|same| Arc::ptr_eq(&same.cluster, &cluster)) {
                    Some(same) => same.clone(),
                    None => Arc::new(self.upstream(&id, cluster)),
                };
                (id, upstream)
            })
            .collect();
        self.budgets.keep_only(&upstreams);
        self.limiters.keep_only(&upstreams);
        let routes: HashMap<Id, Arc<Route>> = checked
            .routes()
            .filter(|route| route.enabled)
            .map(|model| {
                let same = before.and_then(|before| before.routes.get(&model.id));
                let route = match same.filter(|same| same.is_still(model, &upstreams)) {
                    Some(same) => same.clone(),
                    None => Arc::new(self.route(model, &upstreams)),
                };
                (model.id.clone(), route)
            })
            .collect();
        let aggregations: HashMap<Id, Arc<Route>> = checked
            .aggregations()
            .filter(|aggregation| aggregation.enabled)
            .filter_map(|model| {
                let same = before.and_then(|before| before.aggregations.get(&model.id));
                let route = match same.filter(|same| same.is_still_aggregation(model, &upstreams)) {
                    Some(same) => same.clone(),
                    None => Arc::new(self.aggregation(model, &upstreams)?),
                };
                Some((model.id.clone(), route))
            })
            .collect();
        self.metrics.keep_only(&routes, &aggregations, &upstreams);
        self.route_states.keep_only(&routes);
        self.aggregation_states.keep_only(&aggregations);
        // Of two that match alike, the one that was put in first comes first: routes.
        let entries = routes.values().chain(aggregations.values()).map(entry);
        let router = Router::new(entries.collect());
        Snapshot {
            router,
            upstreams,
            routes,
            aggregations,
        }
    }

    fn upstream(&self, id: &Id, cluster: Arc<Cluster>) -> Upstream {
        let model = cluster.model().clone();
        Upstream {
            id: id.clone(),
            timeouts: model.timeout.clone(),
            retry: model.retry.clone(),
            key: match &model.load_balance {
                LoadBalance::IpHash => BalanceKey::ClientIp,
                LoadBalance::ConsistentHash(key) => BalanceKey::Value(key.0.clone()),
                LoadBalance::RoundRobin | LoadBalance::Random | LoadBalance::LeastRequest => BalanceKey::None,
            },
            budget: self.budgets.get(id),
            guard: model.limit.as_ref().map(|limit| ClusterGuard {
                limit: Limit::new(limit, Scope::Cluster),
                limiter: self.limiters.get(id),
            }),
            counters: self.metrics.cluster(id),
            cluster,
        }
    }

    fn route(&self, model: &Arc<model::Route>, upstreams: &HashMap<Id, Arc<Upstream>>) -> Route {
        let targets = model.to.iter().filter_map(|target| {
            let upstream = upstreams.get(&target.cluster)?;
            Some((upstream.clone(), target.cluster.as_str(), target.weight))
        });
        let mirror = model.mirror.as_ref();
        let mut route = Route {
            split: Split::new(targets),
            filters: self.filters.make(&model.filters),
            mirror: mirror.and_then(|mirror| {
                Some(Box::new((
                    upstreams.get(&mirror.cluster)?.clone(),
                    mirror.percent,
                )))
            }),
            counters: self.metrics.route(&model.id),
            guard: RouteGuard::new(
                Guarded {
                    kind: Kind::Route,
                    id: &model.id,
                    limit: model.limit.as_ref(),
                    breaker: model.breaker.as_ref(),
                },
                || self.route_states.get(&model.id),
            ),
            class: model.priority_class,
            when: model.matching.when.clone(),
            expires: model.expires,
            sticky: model.sticky.as_ref().map(|key| Box::new(key.0.clone())),
            rewrite: model.rewrite.clone().map(Box::new),
            retry: model.retry.clone().map(Box::new),
            origin: Origin::Route(model.clone()),
            reads_params: false,
            terms: Terms::new(model.cache.as_ref(), &model.coalesce).map(Box::new),
            aggregate: None,
            single: None,
        };
        route.reads_params = route.wants_params();
        route
    }

    fn aggregation(
        &self,
        model: &Arc<model::Aggregation>,
        upstreams: &HashMap<Id, Arc<Upstream>>,
    ) -> Option<Route> {
        let state = self.aggregation_states.get(&model.id);
        let names: Vec<&str> = model.nodes.iter().map(|node| node.name.as_str()).collect();
        state.nodes.keep_only(&names);
        let only = model.nodes.first().filter(|_| model.is_plain());
        let (aggregate, targets) = match only {
            None => (
                Some(Box::new(Aggregate::new(model, upstreams, &state.nodes)?)),
                None,
            ),
            Some(node) => (None, Some((upstreams.get(&node.cluster)?.clone(), node))),
        };
        let target = targets.map(|(upstream, node)| (upstream, node.cluster.as_str(), Weight::default()));
        let mut route = Route {
            split: Split::new(target),
            filters: self.filters.make(&model.filters),
            mirror: None,
            counters: self.metrics.aggregation(&model.id),
            guard: RouteGuard::new(
                Guarded {
                    kind: Kind::Aggregation,
                    id: &model.id,
                    limit: model.limit.as_ref(),
                    breaker: model.breaker.as_ref(),
                },
                || state.guard.clone(),
            ),
            class: model.priority_class,
            when: model.matching.when.clone(),
            expires: model.expires,
            sticky: None,
            rewrite: only.map(|node| Box::new(node.url.clone())),
            retry: only.and_then(|node| node.retry.clone()).map(Box::new),
            origin: Origin::Aggregation(model.clone()),
            reads_params: false,
            terms: only.and_then(|node| Terms::new(node.cache.as_ref(), &node.coalesce).map(Box::new)),
            aggregate,
            single: only.map(|node| Box::new(Single::new(node, model.timeout().get()))),
        };
        route.reads_params = route.wants_params();
        Some(route)
    }
}

fn entry(route: &Arc<Route>) -> Entry<Arc<Route>> {
    let (origin, matching) = (&route.origin, route.origin.matching());
    Entry {
        id: origin.id().to_string(),
        priority: origin.priority(),
        hosts: matching.hosts.clone(),
        path: matching.path.clone(),
        methods: matching
            .methods
            .iter()
            .map(|method| method.get().clone())
            .collect(),
        terms: matching.when.as_ref().map_or(0, |when| when.terms()),
        value: route.clone(),
    }
}
