//! A configuration in the form that serves requests: immutable, one for each revision. A request uses exactly one.
//!
//! Compiling reuses every part of the snapshot before that did not change. What lives longer than a revision (servers, health,
//! budgets, counters) is not in here, only pointed to.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use http::HeaderName;
use meta::{
    check::Checked,
    id::Id,
    language::{Condition, Template, UrlTemplate, Value, Values},
    model::{self, Kind, LoadBalance, PriorityClass, Retry, Timeouts, Weight},
};
use serde::Serialize;

use crate::{
    admission::{Guarded, RouteGuard, RouteState},
    aggregate::{Aggregate, NodeCounts, NodeStates},
    attempts::RetryBudget,
    breaker::BreakerStatus,
    clock::Moment,
    cluster::{Cluster, Registry},
    edge::Request,
    filters::{AnyFilter, Filters},
    kept::Kept,
    limiter::{Entered, Exceeded, Limit, LimitStatus, Limiter, Scope},
    metrics::{ClusterCounters, Metrics, RequestCounts, RouteCounters},
    router::{Entry, Router},
    share::Terms,
    split::{Split, stable_hash},
};

/// Everything a request needs to know.
pub(crate) struct Snapshot {
    pub(crate) router: Router<Arc<Route>>,
    upstreams: HashMap<Id, Arc<Upstream>>,
    routes: HashMap<Id, Arc<Route>>,
    aggregations: HashMap<Id, Arc<Route>>,
}

/// A route or an aggregation, compiled: what takes requests.
pub(crate) struct Route {
    /// What it was compiled from. What a request reads of it stands below once more: each object less to touch is a cache miss
    /// less where there are thousands of routes.
    origin: Origin,
    when: Option<Condition>,
    expires: Option<jiff::Timestamp>,
    pub(crate) sticky: Option<Box<Value>>,
    pub(crate) rewrite: Option<Box<UrlTemplate>>,
    pub(crate) retry: Option<Box<Retry>>,
    pub(crate) split: Split<Arc<Upstream>>,
    pub(crate) filters: Box<[Arc<dyn AnyFilter>]>,
    pub(crate) mirror: Option<Box<(Arc<Upstream>, f64)>>,
    pub(crate) counters: Arc<RouteCounters>,
    pub(crate) guard: Option<Arc<RouteGuard>>,
    pub(crate) class: PriorityClass,
    pub(crate) reads_params: bool,
    /// How its answers are shared, if they are.
    pub(crate) terms: Option<Box<Terms>>,
    /// The calls of an aggregation; without them requests are forwarded.
    pub(crate) aggregate: Option<Box<Aggregate>>,
    /// The only node of an aggregation that passes its answer on.
    pub(crate) single: Option<Box<Single>>,
}

/// What a route was compiled from.
pub(crate) enum Origin {
    Route(Arc<model::Route>),
    Aggregation(Arc<model::Aggregation>),
}

/// The only node of an aggregation that passes its answer on.
pub(crate) struct Single {
    pub(crate) name: Box<str>,
    /// Fields in place of the client's.
    pub(crate) headers: Box<[(HeaderName, Template)]>,
    pub(crate) timeout: Duration,
}

impl Origin {
    fn id(&self) -> &Id {
        match self {
            Self::Route(model) => &model.id,
            Self::Aggregation(model) => &model.id,
        }
    }

    fn priority(&self) -> i32 {
        match self {
            Self::Route(model) => model.priority,
            Self::Aggregation(model) => model.priority,
        }
    }

    fn matching(&self) -> &model::Match {
        match self {
            Self::Route(model) => &model.matching,
            Self::Aggregation(model) => &model.matching,
        }
    }
}

/// A cluster, and all that a call to it needs.
pub(crate) struct Upstream {
    pub(crate) id: Id,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Option<Retry>,
    pub(crate) key: BalanceKey,
    pub(crate) budget: Arc<RetryBudget>,
    guard: Option<ClusterGuard>,
    counters: Arc<ClusterCounters>,
}

/// The limit of a cluster as a whole.
struct ClusterGuard {
    limit: Limit,
    limiter: Arc<Limiter>,
}

/// What a cluster balances by.
#[derive(Clone, Debug)]
pub(crate) enum BalanceKey {
    /// It does not.
    None,
    /// The client's address.
    ClientIp,
    /// A value; the client's address where it is absent.
    Value(Value),
}

impl Upstream {
    /// What stands for a request where the cluster balances by one of its values. `view` makes the request to be looked at, which is
    /// not free.
    pub(crate) fn hash<'r>(&self, view: impl FnOnce() -> Request<'r>, client: IpAddr) -> u64 {
        match &self.key {
            BalanceKey::None => 0,
            BalanceKey::ClientIp => hash_of_address(client),
            BalanceKey::Value(_) => self.hash_of(&view(), client),
        }
    }

    /// The same for a request that is looked at anyway.
    pub(crate) fn hash_of(&self, request: &Request<'_>, client: IpAddr) -> u64 {
        match &self.key {
            BalanceKey::None => 0,
            BalanceKey::ClientIp => hash_of_address(client),
            BalanceKey::Value(value) => match request.text(value) {
                Some(text) => stable_hash(text.as_bytes()),
                None => hash_of_address(client),
            },
        }
    }

    /// A place among the requests of the cluster, if they are limited. Does not wait.
    pub(crate) fn enter(&self, class: PriorityClass, now: Moment) -> Result<Option<Entered>, Exceeded> {
        let Some(ClusterGuard { limit, limiter }) = &self.guard else {
            return Ok(None);
        };
        Entered::at_once(limiter, limit, class, now).map(Some)
    }

    /// The same for whoever may wait, for at most `patience`.
    pub(crate) async fn enter_in_turn(
        &self,
        class: PriorityClass,
        patience: Option<Duration>,
    ) -> Result<Option<Entered>, Exceeded> {
        let Some(ClusterGuard { limit, limiter }) = &self.guard else {
            return Ok(None);
        };
        Entered::in_turn(limiter, limit, class, patience).await.map(Some)
    }

    /// The limit of the cluster as a whole, and how it stands.
    pub(crate) fn limit(&self, now: Moment) -> Option<LimitStatus> {
        let guard = self.guard.as_ref()?;
        Some(guard.limiter.status(Some(&guard.limit), now))
    }

    pub(crate) fn count_retry(&self) {
        self.counters.count_retry();
    }
}

fn hash_of_address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => stable_hash(&address.octets()),
        IpAddr::V6(address) => stable_hash(&address.octets()),
    }
}

impl Route {
    /// The id of the route or the aggregation.
    pub(crate) fn id(&self) -> &Id {
        self.origin.id()
    }

    /// Whether serving a request takes the path's parameters after the match.
    fn wants_params(&self) -> bool {
        let is_param = |key: &BalanceKey| matches!(key, BalanceKey::Value(Value::Param(_)));
        let mirrored = self.mirror.iter().map(|mirror| &mirror.0);
        !self.filters.is_empty()
            || self.aggregate.is_some()
            || self.single.is_some()
            || self.terms.as_ref().is_some_and(|terms| terms.reads_params())
            || self.guard.as_ref().is_some_and(|guard| guard.reads_params())
            || self.rewrite.is_some()
            || self
                .split
                .targets()
                .chain(mirrored)
                .any(|upstream| is_param(&upstream.key))
    }

    /// Whether the route takes a request that host, path and method fit.
    pub(crate) fn accepts(&self, request: &impl meta::language::Values) -> bool {
        self.when.as_ref().is_none_or(|when| when.holds(request))
            && self.expires.is_none_or(|end| jiff::Timestamp::now() < end)
    }
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

impl Single {
    fn new(node: &model::Node, timeout: Duration) -> Self {
        let headers = node.headers.iter();
        Self {
            name: node.name.as_str().into(),
            headers: headers
                .map(|(name, template)| (name.get().clone(), template.clone()))
                .collect(),
            timeout: node.timeout.map_or(timeout, |own| own.get().get().min(timeout)),
        }
    }
}

impl Route {
    /// Whether compiling `model` again would give this.
    fn is_still(&self, model: &Arc<model::Route>, upstreams: &HashMap<Id, Arc<Upstream>>) -> bool {
        let same = |upstream: &Arc<Upstream>| is_current(upstream, upstreams);
        matches!(&self.origin, Origin::Route(own) if Arc::ptr_eq(own, model))
            && self.split.targets().all(same)
            && self.mirror.as_ref().is_none_or(|mirror| same(&mirror.0))
    }

    fn is_still_aggregation(
        &self,
        model: &Arc<model::Aggregation>,
        upstreams: &HashMap<Id, Arc<Upstream>>,
    ) -> bool {
        let same = |upstream: &Arc<Upstream>| is_current(upstream, upstreams);
        matches!(&self.origin, Origin::Aggregation(own) if Arc::ptr_eq(own, model))
            && self.split.targets().all(same)
            && self
                .aggregate
                .as_ref()
                .is_none_or(|aggregate| aggregate.upstreams().all(same))
    }
}

fn is_current(upstream: &Arc<Upstream>, upstreams: &HashMap<Id, Arc<Upstream>>) -> bool {
    upstreams
        .get(&upstream.id)
        .is_some_and(|current| Arc::ptr_eq(current, upstream))
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

#[cfg(test)]
mod tests;
