//! The running configuration: the snapshot that serves requests, and what is known about it. [`configurator`] keeps it the same
//! as the store's.

mod aside;
mod configurator;
mod status;

pub(crate) use configurator::Configurator;
pub(crate) use status::{Configuration, Registered, Source, StoreStatus};

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::{ArcSwapOption, Guard};
use meta::{model::Kind, store::Store};

use crate::{
    admission::RouteGuard,
    aggregate::NodeCounts,
    clock::Moment,
    cluster::{Server, ServerStatus},
    last_good::Keeper,
    snapshot::{ClusterStatus, RouteStatus, Snapshot, Workshop},
    startup::StoreKind,
};

/// The configuration that serves requests, and what is known about it.
pub(crate) struct Live {
    snapshot: ArcSwapOption<Snapshot>,
    workshop: OnceLock<Arc<Workshop>>,
    state: Mutex<Configuration>,
    store: Arc<dyn Store>,
    kind: StoreKind,
    keeper: Option<Arc<Keeper>>,
    registered: OnceLock<Registered>,
}

impl Live {
    /// Without a configuration; `keeper` keeps the last good state, if anybody does.
    pub(crate) fn new(store: Arc<dyn Store>, kind: StoreKind, keeper: Option<Arc<Keeper>>) -> Self {
        Self {
            snapshot: ArcSwapOption::empty(),
            workshop: OnceLock::new(),
            state: Mutex::default(),
            store,
            kind,
            keeper,
            registered: OnceLock::new(),
        }
    }

    /// The snapshot that serves, `None` before the first one. Not to be held across a wait.
    pub(crate) fn snapshot(&self) -> Guard<Option<Arc<Snapshot>>> {
        self.snapshot.load()
    }

    pub(crate) fn configuration(&self) -> Configuration {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How the store is, and what of it serves.
    pub(crate) fn store(&self) -> StoreStatus {
        let keeper = self.keeper.as_ref().map(|keeper| keeper.status().clone());
        StoreStatus::of(
            self.kind,
            self.store.link(),
            &self.configuration(),
            keeper,
            self.registered.get(),
        )
    }

    pub(crate) fn servers(&self) -> Vec<ServerStatus> {
        self.workshop
            .get()
            .map(|workshop| workshop.registry.status())
            .unwrap_or_default()
    }

    /// The clusters that serve, by id.
    pub(crate) fn clusters(&self, now: Moment) -> Vec<ClusterStatus> {
        let snapshot = self.snapshot();
        snapshot
            .as_ref()
            .map(|snapshot| snapshot.clusters(now))
            .unwrap_or_default()
    }

    /// The routes, or the aggregations, that serve, by id.
    pub(crate) fn routes(&self, kind: Kind, now: Moment) -> Vec<RouteStatus> {
        let snapshot = self.snapshot();
        snapshot
            .as_ref()
            .map(|snapshot| snapshot.routes(kind, now))
            .unwrap_or_default()
    }

    /// How the nodes of the aggregations that serve fared, by aggregation, in the order of the nodes.
    pub(crate) fn nodes(&self) -> Vec<NodeCounts> {
        let snapshot = self.snapshot();
        let aggregates = snapshot.as_ref().map(|snapshot| snapshot.aggregates());
        let all = aggregates.into_iter().flatten();
        all.flat_map(|(id, aggregate)| aggregate.counts(id)).collect()
    }

    /// The limit and breaker of the route or aggregation of that id, if it has any.
    pub(crate) fn guard(&self, kind: Kind, id: &str) -> Option<Arc<RouteGuard>> {
        self.snapshot().as_ref()?.guard(kind, id).cloned()
    }

    /// The server of that id.
    pub(crate) fn server(&self, id: &str) -> Option<Arc<Server>> {
        self.workshop.get()?.registry.server(id)
    }

    /// Once a second, off the request path: what time has made due.
    fn tick(&self, now: Moment) {
        if let Some(workshop) = self.workshop.get() {
            workshop.registry.tick(now);
            workshop.metrics.statistics.tick(now.second());
        }
        if let Some(snapshot) = self.snapshot().as_ref() {
            snapshot.tick(now);
        }
    }

    /// This proxy registers itself; once only.
    pub(crate) fn note_registration(&self, registered: Registered) {
        let _ = self.registered.set(registered);
    }

    /// Puts a snapshot in place of what serves, which is given back. Whoever was served by it and asks is told of it.
    fn replace(&self, snapshot: Arc<Snapshot>, configuration: Configuration) -> Option<Arc<Snapshot>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = configuration;
        self.snapshot.swap(Some(snapshot))
    }

    fn note(&self, change: impl FnOnce(&mut Configuration)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
