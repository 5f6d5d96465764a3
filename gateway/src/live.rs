//! Keeps the running configuration the same as the store's: loads it, watches it, checks and compiles each state, swaps it in.
//!
//! Nothing that stands in a store can stop this: what cannot be used is quarantined, what cannot be read leaves everything as it was.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::{ArcSwapOption, Guard};
use async_trait::async_trait;
use meta::{
    check::{Checked, Quarantined, Report, check},
    model::Kind,
    problem::Problem,
    store::{Revision, State, Store, StoreError},
};
use pingora_core::{
    server::ShutdownWatch,
    services::{ServiceReadyNotifier, background::BackgroundService},
};
use serde::Serialize;
use tokio::{
    runtime::Handle,
    select,
    time::{interval, sleep},
};

use crate::{
    admission::RouteGuard,
    aggregate::NodeCounts,
    clock::Moment,
    cluster::{Registry, Server, ServerStatus, task::Task},
    filters::Filters,
    metrics::Metrics,
    snapshot::{ClusterStatus, RouteStatus, Snapshot, Workshop},
};

/// The configuration that serves requests, and what is known about it.
pub(crate) struct Live {
    snapshot: ArcSwapOption<Snapshot>,
    workshop: OnceLock<Arc<Workshop>>,
    state: Mutex<Configuration>,
}

/// What `/status` says of the configuration.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Configuration {
    /// The revision that serves, once there is one.
    pub(crate) revision: Option<u64>,
    /// When it was applied, in milliseconds of Unix time.
    pub(crate) applied_unix_ms: Option<u64>,
    /// Objects that do not run as written.
    pub(crate) quarantined: Vec<Quarantined>,
    /// Everything that is wrong with the revision, warnings included.
    pub(crate) problems: Vec<Problem>,
    /// Why the store could not be read the last time, if it could not.
    pub(crate) store_error: Option<String>,
    /// How many objects there are.
    pub(crate) objects: Objects,
}

/// How many objects there are.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Objects {
    servers: usize,
    clusters: usize,
    routes: usize,
    aggregations: usize,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self {
            snapshot: ArcSwapOption::empty(),
            workshop: OnceLock::new(),
            state: Mutex::default(),
        }
    }

    /// The snapshot that serves, `None` before the first one. Not to be held across a wait.
    pub(crate) fn snapshot(&self) -> Guard<Option<Arc<Snapshot>>> {
        self.snapshot.load()
    }

    pub(crate) fn configuration(&self) -> Configuration {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

    fn note(&self, change: impl FnOnce(&mut Configuration)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The background service that owns the configuration.
pub(crate) struct Configurator {
    pub(crate) live: Arc<Live>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) filters: Filters,
    pub(crate) metrics: Arc<Metrics>,
}

/// What the configurator remembers from one state to the next.
struct Memory {
    workshop: Arc<Workshop>,
    checked: Option<Checked>,
    seen: Option<State>,
    /// Snapshots that requests may still hold: freed here and not by the last request, for which that would be long work.
    retired: Vec<Arc<Snapshot>>,
}

/// The waits between attempts to read a store that cannot be read.
const BACK_OFF: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(5);

/// From one look for connections that are kept for nothing to the next.
const SWEEP: Duration = Duration::from_secs(5);

#[async_trait]
impl BackgroundService for Configurator {
    async fn start_with_ready_notifier(&self, mut shutdown: ShutdownWatch, ready: ServiceReadyNotifier) {
        let registry = Registry::new(Handle::current());
        let workshop = Arc::new(Workshop::new(
            registry,
            self.filters.clone(),
            self.metrics.clone(),
        ));
        let _ = self.live.workshop.set(workshop.clone());
        let mut memory = Memory {
            workshop,
            checked: None,
            seen: None,
            retired: Vec::new(),
        };
        let _ticking = Task::spawn(&Handle::current(), tick(self.live.clone()));
        let first = self.store.load().await;
        let mut wait = self.take(first, &mut memory, *BACK_OFF.start());
        // The listeners open now, with a configuration or without one: without, requests are refused with 503.
        ready.notify_ready();
        let mut sweeping = interval(SWEEP);
        loop {
            let next = async {
                match &memory.seen {
                    Some(seen) => self.store.changed(seen).await,
                    None => {
                        sleep(wait).await;
                        self.store.load().await
                    }
                }
            };
            select! {
                next = next => {
                    let failed = next.is_err();
                    wait = self.take(next, &mut memory, wait);
                    if failed && memory.seen.is_some() {
                        sleep(wait).await;
                    }
                }
                _ = sweeping.tick() => memory.workshop.registry.sweep(),
                _ = shutdown.changed() => return,
            }
        }
    }
}

/// Ticks for ever, a little after the beginning of each second of the process.
async fn tick(live: Arc<Live>) {
    loop {
        let now = Moment::now();
        let next = Moment::after_start(Duration::from_secs(now.second() + 1));
        sleep(next.since(now)).await;
        live.tick(Moment::now());
    }
}

impl Configurator {
    /// Applies what the store gave; returns how long to wait before asking again if it gave nothing.
    fn take(&self, state: Result<State, StoreError>, memory: &mut Memory, wait: Duration) -> Duration {
        match state {
            Ok(state) => {
                self.apply(&state, memory);
                *BACK_OFF.start()
            }
            Err(error) => {
                log::error!("store: {error}");
                self.live
                    .note(|configuration| configuration.store_error = Some(error.to_string()));
                (wait * 2).min(*BACK_OFF.end())
            }
        }
    }

    fn apply(&self, state: &State, memory: &mut Memory) {
        memory.seen = Some(state.clone());
        let report = check(&state.document, memory.checked.as_ref(), self.filters.kinds());
        let unreadable = !state.document.complete && state.document.objects.is_empty();
        if unreadable && memory.checked.is_none() {
            return self.refuse_first(state.revision, report);
        }
        let before = self.live.snapshot.load_full();
        let snapshot = memory.workshop.compile(&report.checked, before.as_deref());
        memory
            .retired
            .extend(self.live.snapshot.swap(Some(Arc::new(snapshot))));
        drop(before);
        memory.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
        self.announce(state.revision, &report);
        self.live.note(|configuration| {
            *configuration = Configuration {
                revision: Some(state.revision.0),
                applied_unix_ms: unix_ms(),
                quarantined: report.quarantined,
                problems: report.problems,
                store_error: None,
                objects: Objects {
                    servers: report.checked.servers().len(),
                    clusters: report.checked.clusters().len(),
                    routes: report.checked.routes().len(),
                    aggregations: report.checked.aggregations().len(),
                },
            };
        });
        memory.checked = Some(report.checked);
    }

    /// The first state is no configuration at all: there is nothing to fall back on, and an empty one is not what was meant.
    fn refuse_first(&self, revision: Revision, report: Report) {
        self.announce(revision, &report);
        self.live.note(|configuration| {
            configuration.store_error = report.problems.first().map(ToString::to_string);
            configuration.problems = report.problems;
        });
    }

    fn announce(&self, revision: Revision, report: &Report) {
        let before = self.live.configuration();
        let known: HashSet<&Problem> = before.problems.iter().collect();
        for problem in report.problems.iter().filter(|problem| !known.contains(problem)) {
            log::warn!("revision {}: {problem}", revision.0);
        }
        let quarantined: HashSet<(Kind, &str)> = report.quarantined.iter().map(name).collect();
        for (kind, id) in before.quarantined.iter().map(name) {
            if !quarantined.contains(&(kind, id)) {
                log::info!("revision {}: {kind}/{id} is no longer quarantined", revision.0);
            }
        }
        log::info!(
            "revision {} applied: {} servers, {} clusters, {} routes, {} aggregations, {} quarantined",
            revision.0,
            report.checked.servers().len(),
            report.checked.clusters().len(),
            report.checked.routes().len(),
            report.checked.aggregations().len(),
            report.quarantined.len()
        );
    }
}

fn name(object: &Quarantined) -> (Kind, &str) {
    (object.kind, &object.id)
}

pub(crate) fn unix_ms() -> Option<u64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}
