//! Owns what lives longer than a revision: servers, their health checks, the resolving of their names, the
//! balancers' positions.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use meta::{
    address::Address,
    id::Id,
    model::{self, HealthCheck},
};
use tokio::runtime::Handle;

use crate::clock::Moment;

use super::{
    balance::{Cluster, MOST_MEMBERS, Member},
    guard::Terms,
    health::Health,
    lock,
    probe::{NetworkProber, Prober},
    refresh::Refresher,
    resolve::{self, Resolve, SystemResolver},
    server::Server,
    status::ServerStatus,
    task::Task,
};

/// All servers and clusters of a process. Dropping it ends all its tasks; clusters already handed out then
/// stay as they are.
pub struct Registry {
    runtime: Handle,
    prober: Arc<dyn Prober>,
    resolver: Arc<dyn Resolve>,
    refresher: Arc<Refresher>,
    _refreshing: Task,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    servers: HashMap<Id, Placed>,
    clusters: HashMap<Id, Compiled>,
    checks: HashMap<Id, Vec<Arc<Health>>>,
    /// Removed, with requests still in flight when last looked at.
    leaving: Vec<Arc<Server>>,
}

struct Placed {
    model: Arc<model::Server>,
    server: Arc<Server>,
    _resolving: Option<Task>,
}

struct Compiled {
    cluster: Arc<Cluster>,
    /// Of all its servers, the disabled ones included: their health stays known.
    checks: Vec<Arc<Health>>,
}

impl Registry {
    /// Runs its tasks on `runtime`, checks over the network and asks the system for names.
    pub fn new(runtime: Handle) -> Self {
        let (prober, resolver) = (NetworkProber::default(), SystemResolver::default());
        Self::with(runtime, Arc::new(prober), Arc::new(resolver))
    }

    /// The same with another way to check and to resolve.
    pub fn with(runtime: Handle, prober: Arc<dyn Prober>, resolver: Arc<dyn Resolve>) -> Self {
        let refresher = Arc::new(Refresher::default());
        Self {
            _refreshing: Task::spawn(&runtime, Arc::clone(&refresher).run()),
            runtime,
            prober,
            resolver,
            refresher,
            state: Mutex::default(),
        }
    }

    /// Makes `servers` and `clusters` all there is, and returns the clusters compiled.
    ///
    /// What did not change stays the same: a server with its counters and health, a check with its rhythm, a
    /// cluster as the same `Arc`. A server or check that is gone is not checked from here on. Clusters of the
    /// revision before stay usable for the requests that hold them. A binding to a server that is not among
    /// `servers` is left out.
    pub fn apply(
        &self,
        servers: &[Arc<model::Server>],
        clusters: &[Arc<model::Cluster>],
    ) -> HashMap<Id, Arc<Cluster>> {
        let mut state = lock(&self.state);
        let touched = self.place(&mut state, servers);
        state.set_terms(clusters);
        let compiled = self.compile(&mut state, clusters, &touched);
        state.leaving.retain(|server| server.in_flight() > 0);
        drop(state);
        self.refresher.refresh();
        compiled
    }

    /// Every server, those that are leaving with requests in flight included; by id.
    pub fn status(&self) -> Vec<ServerStatus> {
        let mut state = lock(&self.state);
        state.leaving.retain(|server| server.in_flight() > 0);
        let servers = state
            .servers
            .values()
            .map(|placed| &placed.server)
            .chain(&state.leaving);
        let mut all: Vec<_> = servers.map(|server| ServerStatus::of(server)).collect();
        drop(state);
        all.sort_by(|a, b| (&a.id, a.leaving).cmp(&(&b.id, b.leaving)));
        all
    }

    /// Drops connections that are kept for nothing; to be called every few seconds.
    pub fn sweep(&self) {
        let servers: Vec<_> = lock(&self.state)
            .servers
            .values()
            .map(|placed| Arc::clone(&placed.server))
            .collect();
        for endpoint in servers
            .iter()
            .flat_map(|server| server.endpoints().iter().cloned().collect::<Vec<_>>())
        {
            endpoint.sweep();
        }
    }

    /// Once a second: what time has made due at every server, those that are leaving included.
    pub fn tick(&self, now: Moment) {
        let state = lock(&self.state);
        let placed = state.servers.values().map(|placed| &placed.server);
        for server in placed.chain(&state.leaving) {
            server.guard().tick(server, now);
        }
    }

    /// The server of that id, if there is one.
    pub fn server(&self, id: &str) -> Option<Arc<Server>> {
        lock(&self.state)
            .servers
            .get(id)
            .map(|placed| Arc::clone(&placed.server))
    }

    /// Returns the ids of the servers about which a cluster would have to know something else.
    fn place(&self, state: &mut State, servers: &[Arc<model::Server>]) -> HashSet<Id> {
        let mut touched = HashSet::new();
        for model in servers {
            match state.servers.get_mut(&model.id) {
                Some(placed) if same(&placed.model, model) => {}
                Some(placed) if placed.model.address == model.address => {
                    placed.server.set_leaving(!model.enabled);
                    placed.model = Arc::clone(model);
                    touched.insert(model.id.clone());
                }
                _ => {
                    let placed = self.found(state, model);
                    let old = state.servers.insert(model.id.clone(), placed);
                    state.dismiss(old);
                    touched.insert(model.id.clone());
                }
            }
        }
        if state.servers.len() > servers.len() {
            let wanted: HashSet<&Id> = servers.iter().map(|model| &model.id).collect();
            let gone: Vec<_> = state
                .servers
                .keys()
                .filter(|id| !wanted.contains(id))
                .cloned()
                .collect();
            for id in gone {
                let old = state.servers.remove(&id);
                state.dismiss(old);
                touched.insert(id);
            }
        }
        touched
    }

    /// The state of a server that was not there: what is left of it if it has not quite gone, else a fresh one.
    fn found(&self, state: &mut State, model: &Arc<model::Server>) -> Placed {
        let is_same = |server: &Arc<Server>| *server.id() == model.id && *server.address() == model.address;
        let server = match state.leaving.iter().position(is_same) {
            Some(place) => state.leaving.swap_remove(place),
            None => Server::new(
                model.id.clone(),
                model.address.clone(),
                Arc::clone(&self.refresher),
            ),
        };
        server.set_leaving(!model.enabled);
        let resolving = match &model.address {
            Address::Ip(_) => None,
            Address::Name(host, port) => {
                let resolver = Arc::clone(&self.resolver);
                let work = resolve::follow(Arc::downgrade(&server), host.clone(), *port, resolver);
                Some(Task::spawn(&self.runtime, work))
            }
        };
        Placed {
            model: Arc::clone(model),
            server,
            _resolving: resolving,
        }
    }

    fn compile(
        &self,
        state: &mut State,
        clusters: &[Arc<model::Cluster>],
        touched: &HashSet<Id>,
    ) -> HashMap<Id, Arc<Cluster>> {
        let mut before = std::mem::take(&mut state.clusters);
        let mut changed = !touched.is_empty();
        for model in clusters {
            let old = before.remove(&model.id);
            let untouched =
                || touched.is_empty() || !model.servers.iter().any(|binding| touched.contains(&binding.id));
            let compiled = match old {
                Some(old) if same(old.cluster.model(), model) && untouched() => old,
                old => {
                    changed = true;
                    self.compile_one(state, model, old.as_ref())
                }
            };
            state.clusters.insert(model.id.clone(), compiled);
        }
        if changed || !before.is_empty() {
            state.stop_unwanted_checks();
        }
        let ids = state.clusters.iter();
        ids.map(|(id, compiled)| (id.clone(), Arc::clone(&compiled.cluster)))
            .collect()
    }

    fn compile_one(
        &self,
        state: &mut State,
        model: &Arc<model::Cluster>,
        old: Option<&Compiled>,
    ) -> Compiled {
        if model.servers.len() > MOST_MEMBERS {
            log::warn!(
                "cluster {} has more than {MOST_MEMBERS} servers: those beyond get no traffic",
                model.id
            );
        }
        let (mut members, mut checks, mut bound) = (Vec::new(), Vec::new(), HashSet::new());
        for binding in model.servers.iter().take(MOST_MEMBERS) {
            let Some(placed) = state
                .servers
                .get(&binding.id)
                .filter(|_| bound.insert(&binding.id))
            else {
                continue;
            };
            let (server, weight) = (
                Arc::clone(&placed.server),
                binding.weight.unwrap_or(placed.model.weight),
            );
            let (own, enabled) = (placed.model.health_check.clone(), placed.model.enabled);
            let check = own.as_ref().or(model.health_check.as_ref());
            let health = check.map(|check| self.check(state, &server, check));
            checks.extend(health.clone());
            if enabled {
                members.push(Member {
                    server,
                    weight: weight.get(),
                    health,
                });
            }
        }
        let cluster = Cluster::new(Arc::clone(model), members, old.map(|old| &*old.cluster));
        Compiled { cluster, checks }
    }

    /// The running check of that server, or a fresh one.
    fn check(&self, state: &mut State, server: &Arc<Server>, check: &HealthCheck) -> Arc<Health> {
        let running = state.checks.entry(server.id().clone()).or_default();
        let its_own = |health: &&Arc<Health>| health.is_of(server);
        if let Some(health) = running
            .iter()
            .filter(its_own)
            .find(|health| health.check() == check)
        {
            return Arc::clone(health);
        }
        let before = running.iter().find(its_own).map(|health| &**health);
        let health = Health::start(server, check, before, &self.prober, &self.runtime);
        running.push(Arc::clone(&health));
        health
    }
}

impl State {
    /// Tells every server who gets through to it. One without a breaker of its own goes by that of the first of its clusters, by
    /// id, that has one.
    fn set_terms(&self, clusters: &[Arc<model::Cluster>]) {
        let mut spoken_for: HashMap<&Id, &model::Breaker> = HashMap::new();
        let mut by_id: Vec<_> = clusters
            .iter()
            .filter(|cluster| cluster.breaker.is_some())
            .collect();
        by_id.sort_by(|one, other| one.id.cmp(&other.id));
        for (cluster, breaker) in by_id
            .into_iter()
            .filter_map(|cluster| Some((cluster, cluster.breaker.as_ref()?)))
        {
            for binding in &cluster.servers {
                spoken_for.entry(&binding.id).or_insert(breaker);
            }
        }
        for (id, placed) in &self.servers {
            let breaker = spoken_for.get(id).copied();
            placed.server.set_terms(Terms::new(&placed.model, breaker));
        }
    }

    /// A server goes: it finishes what it has.
    fn dismiss(&mut self, placed: Option<Placed>) {
        if let Some(placed) = placed {
            placed.server.set_leaving(true);
            self.leaving.push(placed.server);
        }
    }

    /// Stops the checks that no cluster asks for.
    fn stop_unwanted_checks(&mut self) {
        let checks = self.clusters.values().flat_map(|compiled| &compiled.checks);
        let wanted: HashSet<*const Health> = checks.map(Arc::as_ptr).collect();
        self.checks.retain(|_, running| {
            running.retain(|health| {
                let keep = wanted.contains(&Arc::as_ptr(health));
                if !keep {
                    health.stop();
                }
                keep
            });
            !running.is_empty()
        });
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        for health in lock(&self.state).checks.values().flatten() {
            health.stop();
        }
    }
}

/// Whether nothing changed; the same object is not looked into.
fn same<T: PartialEq>(old: &Arc<T>, new: &Arc<T>) -> bool {
    Arc::ptr_eq(old, new) || old == new
}
