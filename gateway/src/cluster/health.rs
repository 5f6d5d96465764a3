//! The health of a server under one check: a task for each of its addresses asks at once and then at a
//! constant interval.
//!
//! Thresholds, states and the log line of a transition are Pingora's
//! [`HealthRegistry`](pingora_load_balancing::HealthRegistry), one for each address, since each has its own
//! rhythm and its own first result. What a server must do to pass is `probe`'s business.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::SystemTime,
};

use async_trait::async_trait;
use meta::model::HealthCheck;
use pingora_core::{Error, ErrorType, Result, protocols::l4::socket};
use pingora_load_balancing::{Backend, Backends, discovery::Static, health_check};
use tokio::{runtime::Handle, time};

use super::{
    lock,
    probe::{Prober, Target},
    server::{Endpoints, Server},
    task::{Task, jittered},
};

/// A server's health under one check. Clusters that ask for the same check of the same server share it.
pub(super) struct Health {
    server: Arc<Server>,
    check: Arc<HealthCheck>,
    host: Arc<str>,
    prober: Arc<dyn Prober>,
    runtime: Handle,
    watches: Mutex<Watches>,
}

#[derive(Default)]
struct Watches {
    stopped: bool,
    all: Vec<Watch>,
}

/// The check of one address.
struct Watch {
    address: SocketAddr,
    verdict: Arc<Verdict>,
    /// Gone when the check was stopped.
    task: Option<Task>,
}

/// What is known of one address.
pub(super) struct Verdict {
    healthy: AtomicBool,
    last: Mutex<Last>,
}

/// The last that was heard of one address.
#[derive(Clone)]
pub(super) struct Last {
    /// Why it failed when it last failed.
    pub(super) reason: Option<String>,
    /// When it became what it is; when checking began, if it never changed.
    pub(super) since: SystemTime,
    /// When the last check ended.
    pub(super) checked: Option<SystemTime>,
}

impl Verdict {
    fn new(healthy: bool) -> Self {
        let last = Last {
            reason: None,
            since: SystemTime::now(),
            checked: None,
        };
        Self {
            healthy: AtomicBool::new(healthy),
            last: Mutex::new(last),
        }
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }

    pub(super) fn last(&self) -> Last {
        lock(&self.last).clone()
    }

    fn hear(&self, result: &Result<(), String>) {
        let mut last = lock(&self.last);
        last.checked = Some(SystemTime::now());
        if let Err(reason) = result {
            last.reason = Some(reason.clone());
        }
    }

    /// Returns whether that is a change.
    fn turn(&self, healthy: bool) -> bool {
        let changed = self.healthy.swap(healthy, Relaxed) != healthy;
        if changed {
            lock(&self.last).since = SystemTime::now();
        }
        changed
    }
}

impl Health {
    /// Begins to check all addresses of `server`. Until the first result an address is what `before`, another
    /// check of the same server, says of it; without one, it is usable.
    pub(super) fn start(
        server: &Arc<Server>,
        check: &HealthCheck,
        before: Option<&Self>,
        prober: &Arc<dyn Prober>,
        runtime: &Handle,
    ) -> Arc<Self> {
        let health = Arc::new(Self {
            server: Arc::clone(server),
            check: Arc::new(check.clone()),
            host: server.address().to_string().into(),
            prober: Arc::clone(prober),
            runtime: runtime.clone(),
            watches: Mutex::default(),
        });
        server.add_check(&health);
        health.follow_from(before);
        health
    }

    /// Whether it is about just this server.
    pub(super) fn is_of(&self, server: &Arc<Server>) -> bool {
        Arc::ptr_eq(&self.server, server)
    }

    /// The check.
    pub(super) fn check(&self) -> &HealthCheck {
        &self.check
    }

    /// Checks just the addresses the server has at the moment: those it lost are dropped, those it gained begin.
    pub(super) fn follow(self: &Arc<Self>) {
        self.follow_from(None);
    }

    fn follow_from(self: &Arc<Self>, before: Option<&Self>) {
        let mut watches = lock(&self.watches);
        if watches.stopped {
            return;
        }
        let endpoints = self.server.endpoints();
        watches
            .all
            .retain(|watch| endpoints.iter().any(|endpoint| endpoint.address == watch.address));
        for endpoint in endpoints.iter() {
            let address = endpoint.address;
            if !watches.all.iter().any(|watch| watch.address == address) {
                let known = before.and_then(|before| before.verdict(address));
                watches
                    .all
                    .push(self.watch(address, known.is_none_or(|verdict| verdict.is_healthy())));
            }
        }
    }

    /// Ends all checks at once. What they found stays readable for requests that still know the server.
    pub(super) fn stop(&self) {
        let mut watches = lock(&self.watches);
        watches.stopped = true;
        for watch in &mut watches.all {
            watch.task = None;
        }
    }

    /// Of `all` addresses those that are not unhealthy; the same list if that is all of them.
    pub(super) fn usable(&self, all: &Arc<Endpoints>) -> Arc<Endpoints> {
        let watches = lock(&self.watches);
        let is_healthy = |address| {
            let watch = watches.all.iter().find(|watch| watch.address == address);
            watch.is_none_or(|watch| watch.verdict.is_healthy())
        };
        if all.iter().all(|endpoint| is_healthy(endpoint.address)) {
            return Arc::clone(all);
        }
        let healthy = all.iter().filter(|endpoint| is_healthy(endpoint.address));
        Arc::new(healthy.cloned().collect())
    }

    /// What is known of `address`.
    pub(super) fn verdict(&self, address: SocketAddr) -> Option<Arc<Verdict>> {
        let watches = lock(&self.watches);
        let watch = watches.all.iter().find(|watch| watch.address == address)?;
        Some(Arc::clone(&watch.verdict))
    }

    fn watch(self: &Arc<Self>, address: SocketAddr, healthy: bool) -> Watch {
        let verdict = Arc::new(Verdict::new(healthy));
        let target = Target {
            address,
            host: Arc::clone(&self.host),
            check: Arc::clone(&self.check),
        };
        let examiner = Examiner {
            server: self.server.id().to_string(),
            target,
            prober: Arc::clone(&self.prober),
            verdict: Arc::clone(&verdict),
            first: AtomicBool::new(true),
        };
        let work = watch(examiner, Arc::downgrade(self), Arc::clone(&verdict));
        Watch {
            address,
            verdict,
            task: Some(Task::spawn(&self.runtime, work)),
        }
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Checks one address until it is dropped. The interval is from the beginning of one check to that of the next.
async fn watch(examiner: Examiner, health: Weak<Health>, verdict: Arc<Verdict>) {
    let interval = examiner.target.check.interval.get();
    let backend = Backend {
        addr: socket::SocketAddr::Inet(examiner.target.address),
        weight: 1,
        ext: Default::default(),
    };
    let mut backends = Backends::new(Static::new(BTreeSet::from([backend.clone()])));
    backends.set_health_check(Box::new(examiner));
    if let Err(error) = backends.update(|_| {}).await {
        log::error!("a health check did not begin: {error}");
        return;
    }
    loop {
        let next = time::Instant::now() + jittered(interval);
        // In a task of its own, so that a check that panics is one failed round and not the end of all.
        backends.run_health_check(true).await;
        let healthy = backends.ready(&backend);
        if verdict.turn(healthy)
            && let Some(health) = health.upgrade()
        {
            health.server.changed();
        }
        time::sleep_until(next).await;
    }
}

/// Our check in Pingora's terms.
struct Examiner {
    server: String,
    target: Target,
    prober: Arc<dyn Prober>,
    verdict: Arc<Verdict>,
    first: AtomicBool,
}

#[async_trait]
impl health_check::HealthCheck for Examiner {
    async fn check(&self, _: &Backend) -> Result<()> {
        let timeout = self.target.check.timeout;
        let probe = self.prober.probe(&self.target);
        let result = time::timeout(timeout.get(), probe).await;
        let result = result.unwrap_or_else(|_| Err(format!("it took longer than {timeout}")));
        self.verdict.hear(&result);
        result.map_err(|reason| Error::explain(ErrorType::Custom("health check failed"), reason))
    }

    /// The first result decides alone. Asked for once after each check.
    fn health_threshold(&self, success: bool) -> usize {
        let check = &self.target.check;
        let after = match success {
            _ if self.first.swap(false, Relaxed) => 1,
            true => check.healthy_after,
            false => check.unhealthy_after,
        };
        after as usize
    }

    fn backend_summary(&self, _: &Backend) -> String {
        format!("server {} at {}", self.server, self.target.address)
    }
}
