//! Keeps the running configuration the same as the store's: loads it, watches it, checks and compiles each state, swaps it in.
//!
//! Nothing that stands in a store can stop this: what cannot be used is quarantined, what cannot be read leaves everything as it was.
//! A proxy that starts waits [`PATIENCE`] for its store, then serves the last good state from its disk, if it has one.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use meta::{
    check::{Checked, Quarantined, Report, check},
    model::Kind,
    problem::Problem,
    store::{Revision, State, Store},
};
use pingora_core::{
    server::ShutdownWatch,
    services::{ServiceReadyNotifier, background::BackgroundService},
};
use tokio::{
    runtime::Handle,
    select,
    time::{interval, sleep, timeout},
};

use super::{Configuration, Live, Source, aside::aside, status::Objects};
use crate::{
    clock::Moment,
    cluster::{Registry, task::Task},
    filters::Filters,
    last_good::Keeper,
    metrics::Metrics,
    registration::Registrar,
    snapshot::{Snapshot, Workshop},
};

/// The background service that owns the configuration.
pub(crate) struct Configurator {
    pub(crate) live: Arc<Live>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) filters: Filters,
    pub(crate) metrics: Arc<Metrics>,
    /// Who keeps the last good state, if anybody does.
    pub(crate) keeper: Option<Arc<Keeper>>,
    /// Who tells others of this proxy, if the store is shared.
    pub(crate) registrar: Option<Registrar>,
}

/// What the configurator remembers from one state to the next.
struct Memory {
    workshop: Arc<Workshop>,
    /// What ran last, of this process or of the one before.
    checked: Option<Arc<Checked>>,
    /// The revision of that.
    revision: u64,
    seen: State,
    /// Snapshots that requests may still hold: freed aside and not by the last request, for which that would be long work.
    retired: Vec<Arc<Snapshot>>,
}

/// How long the listeners wait for the store, if there is a last good state, …
const PATIENCE: Duration = Duration::from_millis(500);
/// … and if there is none: longer than it takes to read a large configuration.
const PATIENCE_WITHOUT: Duration = Duration::from_secs(10);

/// The wait after an error of the store, before it is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// From one look for connections that are kept for nothing to the next.
const SWEEP: Duration = Duration::from_secs(5);

#[async_trait]
impl BackgroundService for Configurator {
    async fn start_with_ready_notifier(&self, mut shutdown: ShutdownWatch, ready: ServiceReadyNotifier) {
        let mut memory = self.begin();
        let _ticking = Task::spawn(&Handle::current(), tick(self.live.clone()));
        let _keeping = self
            .keeper
            .clone()
            .map(|keeper| Task::spawn(&Handle::current(), keeper.run()));
        self.take_first(&mut memory).await;
        // The listeners open now, with a configuration or without one: without, requests are refused with 503.
        ready.notify_ready();
        let registration = self
            .registrar
            .as_ref()
            .map(|registrar| registrar.register(&self.live));
        select! {
            never = self.follow(&mut memory) => match never {},
            _ = shutdown.changed() => {}
        }
        if let Some(keeper) = &self.keeper {
            keeper.flush();
        }
        if let Some(registration) = registration {
            registration.end().await;
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
    /// Reads the last good state, without serving it yet: the store may have a later one.
    fn begin(&self) -> Memory {
        let registry = Registry::new(Handle::current());
        let workshop = Arc::new(Workshop::new(
            registry,
            self.filters.clone(),
            self.metrics.clone(),
        ));
        let _ = self.live.workshop.set(workshop.clone());
        let last_good = self
            .keeper
            .as_ref()
            .and_then(|keeper| keeper.read(self.filters.kinds()));
        if let Some(held) = last_good.as_ref().and_then(|last| last.held) {
            self.store.expect(held);
        }
        Memory {
            workshop,
            revision: last_good.as_ref().map_or(0, |last| last.revision),
            checked: last_good.map(|last| Arc::new(last.checked)),
            // No state that a store hands out.
            seen: State {
                revision: Revision(0),
                document: Arc::default(),
            },
            retired: Vec::new(),
        }
    }

    /// Takes what the store gives in time, and serves the last good state if that cannot be served.
    async fn take_first(&self, memory: &mut Memory) {
        let patience = match memory.checked {
            Some(_) => PATIENCE,
            None => PATIENCE_WITHOUT,
        };
        match timeout(patience, self.store.load()).await {
            Ok(Ok(state)) => {
                if state.document.complete && state.revision.0 < memory.revision {
                    log::warn!(
                        "the store is at revision {}, the last good state is {}: it was restored from a backup, or is another \
                         one; following it",
                        state.revision.0,
                        memory.revision
                    );
                }
                self.take(&state, memory).await;
            }
            Ok(Err(error)) => self.note_error(&error.to_string()),
            Err(_) => self.note_error("the store has not answered in time"),
        }
        if self.live.snapshot().is_none() {
            self.serve_last_good(memory).await;
        }
    }

    async fn serve_last_good(&self, memory: &mut Memory) {
        let Some(checked) = memory.checked.clone() else {
            return;
        };
        let made = self.make(memory, move || checked, Arc::as_ref).await;
        let Some((checked, snapshot)) = made else { return };
        let configuration = Configuration {
            revision: Some(memory.revision),
            applied_unix_ms: unix_ms(),
            source: Some(Source::LastGood),
            objects: objects(&checked),
            ..self.live.configuration()
        };
        self.serve(snapshot, configuration, memory);
        log::warn!(
            "serving the last good state, revision {}, until the store can be read",
            memory.revision
        );
    }

    /// Applies every state that follows, for ever.
    async fn follow(&self, memory: &mut Memory) -> Infallible {
        let mut sweeping = interval(SWEEP);
        loop {
            let next = select! {
                next = self.store.changed(&memory.seen) => next,
                _ = sweeping.tick() => {
                    memory.workshop.registry.sweep();
                    continue;
                }
            };
            match next {
                Ok(state) => self.take(&state, memory).await,
                Err(error) => {
                    self.note_error(&error.to_string());
                    sleep(PAUSE).await;
                }
            }
            if let Some(registrar) = &self.registrar {
                registrar.tell(&self.live.configuration());
            }
        }
    }

    /// Applies a state, unless there is nothing in it that could be.
    async fn take(&self, state: &State, memory: &mut Memory) {
        memory.seen = state.clone();
        if state.document.is_unreadable() {
            let problem = state.document.problems.first();
            self.note_error(&problem.map(ToString::to_string).unwrap_or_default());
            // What serves has problems of its own.
            if self.live.snapshot().is_none() {
                self.live
                    .note(|configuration| configuration.problems = state.document.problems.clone());
            }
            return;
        }
        let (document, last, filters) = (
            state.document.clone(),
            memory.checked.clone(),
            self.filters.clone(),
        );
        let check = move || check(&document, last.as_deref(), filters.kinds());
        let made = self.make(memory, check, |report| &report.checked).await;
        match made {
            Some((report, snapshot)) => self.apply(state, report, snapshot, memory),
            // Never seen, and no reason to stop.
            None => self.note_error(
                "the state was not worked out, by a fault of the gateway; the one before serves on",
            ),
        }
    }

    /// Checks and compiles. Of 5,000 routes that takes some 20 ms of a processor, whatever has changed.
    async fn make<C: Send + 'static>(
        &self,
        memory: &mut Memory,
        check: impl FnOnce() -> C + Send + 'static,
        checked: fn(&C) -> &Checked,
    ) -> Option<(C, Snapshot)> {
        let (workshop, before) = (memory.workshop.clone(), self.live.snapshot.load_full());
        let mut retired = std::mem::take(&mut memory.retired);
        let work = move || {
            retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
            let check = check();
            let snapshot = workshop.compile(checked(&check), before.as_deref());
            (check, snapshot, retired)
        };
        let (check, snapshot, retired) = aside(work).await?;
        memory.retired = retired;
        Some((check, snapshot))
    }

    fn apply(&self, state: &State, report: Report, snapshot: Snapshot, memory: &mut Memory) {
        let checked = Arc::new(report.checked);
        let before = self.live.configuration();
        let incomplete = report.problems.first().filter(|_| !state.document.complete);
        let after = Configuration {
            revision: Some(state.revision.0),
            applied_unix_ms: unix_ms(),
            source: Some(Source::Store),
            store_error: incomplete.map(ToString::to_string),
            quarantined: report.quarantined,
            problems: report.problems,
            objects: objects(&checked),
            seen: Some(state.revision.0),
            reloads: before.reloads + 1,
        };
        self.serve(snapshot, after.clone(), memory);
        announce(state.revision, &before, &after);
        if let Some(keeper) = &self.keeper {
            keeper.keep(state, checked.clone());
        }
        memory.revision = state.revision.0;
        memory.checked = Some(checked);
    }

    /// Puts it in place of what serves.
    fn serve(&self, snapshot: Snapshot, configuration: Configuration, memory: &mut Memory) {
        memory
            .retired
            .extend(self.live.replace(Arc::new(snapshot), configuration));
    }

    /// Takes note that the store cannot be read; what is known already is not logged again.
    fn note_error(&self, error: &str) {
        self.live.note(|configuration| {
            if configuration.store_error.as_deref() != Some(error) {
                log::error!("store: {error}");
            }
            configuration.store_error = Some(error.to_owned());
        });
    }
}

/// Logs what a revision brings, beside what was known before.
fn announce(revision: Revision, before: &Configuration, after: &Configuration) {
    let known: HashSet<&Problem> = before.problems.iter().collect();
    for problem in after.problems.iter().filter(|problem| !known.contains(problem)) {
        log::warn!("revision {}: {problem}", revision.0);
    }
    let still: HashSet<(Kind, &str)> = after.quarantined.iter().map(name).collect();
    for (kind, id) in before.quarantined.iter().map(name) {
        if !still.contains(&(kind, id)) {
            log::info!("revision {}: {kind}/{id} is no longer quarantined", revision.0);
        }
    }
    let objects = after.objects;
    log::info!(
        "revision {} applied: {} servers, {} clusters, {} routes, {} aggregations, {} quarantined",
        revision.0,
        objects.servers,
        objects.clusters,
        objects.routes,
        objects.aggregations,
        after.quarantined.len()
    );
}

fn objects(checked: &Checked) -> Objects {
    Objects {
        servers: checked.servers().len(),
        clusters: checked.clusters().len(),
        routes: checked.routes().len(),
        aggregations: checked.aggregations().len(),
    }
}

fn name(object: &Quarantined) -> (Kind, &str) {
    (object.kind, &object.id)
}

fn unix_ms() -> Option<u64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}
