//! Two proxies on one etcd under steady load, whose configuration is edited from state to state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::scale;
use crate::support::{Backend, Gateway, Histogram, Keys, Reply, eventually};
use crate::traffic::{FIRST_STATE, Traffic, watched_route};

/// How many proxies there are.
const PROXIES: usize = 2;
/// Within what an edit must be served in the midst of a fault that leaves a way for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two proxies under load. Ended by [`Lab::finish`], which asserts what each scenario must show.
pub(crate) struct Lab {
    /// The proxies, for what they tell of themselves.
    pub(crate) proxies: Vec<Gateway>,
    traffic: Vec<Traffic>,
    written: Arc<AtomicU64>,
    _backend: Backend,
}

impl Lab {
    /// Writes the objects with `keys`, starts two proxies on these endpoints, and begins with the load.
    pub(crate) async fn start(keys: &Keys, endpoints: &[String]) -> Self {
        Self::start_within(&[], keys, endpoints).await
    }

    /// The same with more environment variables for the proxies.
    pub(crate) async fn start_within(
        environment: &[(&str, &str)],
        keys: &Keys,
        endpoints: &[String],
    ) -> Self {
        let backend = Backend::start(|request| Reply::new(200, request.target.clone())).await;
        write_objects(keys, &backend).await;
        let mut proxies = Vec::new();
        for _ in 0..PROXIES {
            let started = Gateway::try_start_within(environment, &store(endpoints), "").await;
            proxies.push(started.expect("the proxy starts"));
        }
        let written = Arc::new(AtomicU64::new(FIRST_STATE));
        let traffic = proxies
            .iter()
            .map(|proxy| Traffic::start(proxy.address(), scale::rate_per_second(), Arc::clone(&written)))
            .collect();
        let lab = Self {
            proxies,
            traffic,
            written,
            _backend: backend,
        };
        lab.until_served(FIRST_STATE, PATIENCE).await;
        lab
    }

    /// Writes the next state of the watched route and gives its number.
    pub(crate) async fn write(&self, keys: &Keys) -> u64 {
        let state = self.written.fetch_add(1, Ordering::SeqCst) + 1;
        keys.put("routes/watched", watched_route(state)).await;
        state
    }

    /// Waits until both proxies answer with this state, and gives when the last of them began to.
    pub(crate) async fn until_served(&self, state: u64, deadline: Duration) -> Instant {
        let mut last = None;
        for traffic in &self.traffic {
            last = last.max(Some(traffic.until_served(state, deadline).await));
        }
        last.expect("there are proxies")
    }

    /// An edit while nothing is wrong, or nothing that should matter: how long it took from before it was written until both
    /// served it.
    pub(crate) async fn edit(&self, keys: &Keys) -> Duration {
        let start = Instant::now();
        let state = self.write(keys).await;
        self.until_served(state, PATIENCE).await - start
    }

    /// An edit at the moment a fault is over: it must be served promptly. Then the load ends, of which every request must have
    /// been answered right. Prints what it came to.
    pub(crate) async fn finish(self, scenario: &str, keys: &Keys) {
        let took = self.edit(keys).await;
        assert!(took < scale::promptly(), "{scenario}: served after {took:?}");
        self.until_connected(true).await;
        let again = self.edit(keys).await;
        self.stop(&format!(
            "{scenario}: edit after the fault served in {took:.0?}, the next in {again:.0?}"
        ))
        .await;
    }

    /// How long each proxy took to answer since this was last asked for.
    pub(crate) fn lap(&self) -> Vec<Histogram> {
        self.traffic.iter().map(Traffic::lap).collect()
    }

    /// Waits until this holds of what each proxy says in `/status`.
    pub(crate) async fn until_told(&self, what: &str, holds: impl Fn(&serde_json::Value) -> bool) {
        for proxy in &self.proxies {
            eventually(what, PATIENCE, || async { holds(&proxy.status().await) }).await;
        }
    }

    /// Waits until each proxy says that it has lost etcd, or that it has it, in `/status`.
    pub(crate) async fn until_connected(&self, connected: bool) {
        let what = format!("store.connected is {connected}");
        self.until_told(&what, |status| status["store"]["connected"] == connected)
            .await;
    }

    /// Waits until each proxy has logged this.
    pub(crate) async fn until_logged(&self, text: &str) {
        let all = || self.proxies.iter().all(|proxy| proxy.stderr().contains(text));
        eventually(&format!("all log {text:?}"), PATIENCE, || async { all() }).await;
    }

    /// Whether one of the proxies has logged this.
    pub(crate) fn any_logged(&self, text: &str) -> bool {
        self.proxies.iter().any(|proxy| proxy.stderr().contains(text))
    }

    /// Ends the load, of which every request must have been answered right, and prints it. Gives the proxies, which run on.
    pub(crate) async fn stop(self, what: &str) -> Vec<Gateway> {
        for traffic in self.traffic {
            let report = traffic.stop().await;
            println!(
                "{what}; {} requests at {:.0}/s, none failed, {:?}",
                report.sent,
                report.rate(),
                report.latencies
            );
        }
        self.proxies
    }
}

/// The lines of a start-up file that say where the objects come from.
pub(crate) fn store(endpoints: &[String]) -> String {
    let timeout = scale::store_timeout();
    format!(
        "store: {{ etcd: {{ endpoints: {endpoints:?}, timeout: {timeout} }} }}\nsnapshot: last-good.json\n"
    )
}

/// The watched route in its first state, and what it needs.
pub(crate) async fn write_objects(keys: &Keys, backend: &Backend) {
    let server = format!(r#"{{"id": "b", "address": "{}"}}"#, backend.address());
    keys.put("servers/b", server).await;
    keys.put("clusters/b", r#"{"id": "b", "servers": ["b"]}"#).await;
    keys.put("routes/watched", watched_route(FIRST_STATE)).await;
}
