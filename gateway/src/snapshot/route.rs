//! What takes requests: a route, or an aggregation.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::HeaderName;
use meta::{
    id::Id,
    language::{Condition, Template, UrlTemplate, Value},
    model::{self, PriorityClass, Retry},
};

use super::{BalanceKey, Upstream};
use crate::{
    admission::RouteGuard, aggregate::Aggregate, filters::AnyFilter, metrics::RouteCounters, share::Terms,
    split::Split,
};

/// A route or an aggregation, compiled: what takes requests.
pub(crate) struct Route {
    /// What it was compiled from. What a request reads of it stands below once more: each object less to touch is a cache miss
    /// less where there are thousands of routes.
    pub(super) origin: Origin,
    pub(super) when: Option<Condition>,
    pub(super) expires: Option<jiff::Timestamp>,
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
    pub(super) fn id(&self) -> &Id {
        match self {
            Self::Route(model) => &model.id,
            Self::Aggregation(model) => &model.id,
        }
    }

    pub(super) fn priority(&self) -> i32 {
        match self {
            Self::Route(model) => model.priority,
            Self::Aggregation(model) => model.priority,
        }
    }

    pub(super) fn matching(&self) -> &model::Match {
        match self {
            Self::Route(model) => &model.matching,
            Self::Aggregation(model) => &model.matching,
        }
    }
}

impl Route {
    /// The id of the route or the aggregation.
    pub(crate) fn id(&self) -> &Id {
        self.origin.id()
    }

    /// Whether serving a request takes the path's parameters after the match.
    pub(super) fn wants_params(&self) -> bool {
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

impl Route {
    /// Whether compiling `model` again would give this.
    pub(super) fn is_still(&self, model: &Arc<model::Route>, upstreams: &HashMap<Id, Arc<Upstream>>) -> bool {
        let same = |upstream: &Arc<Upstream>| is_current(upstream, upstreams);
        matches!(&self.origin, Origin::Route(own) if Arc::ptr_eq(own, model))
            && self.split.targets().all(same)
            && self.mirror.as_ref().is_none_or(|mirror| same(&mirror.0))
    }

    pub(super) fn is_still_aggregation(
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

impl Single {
    pub(super) fn new(node: &model::Node, timeout: Duration) -> Self {
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
