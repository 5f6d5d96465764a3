//! Steady load: so many requests a second over so many kept-alive connections, every answer and every error
//! counted. It is an honest client: it reconnects when told to, never sends a request twice, and hides nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::{Client, Response};

#[path = "../../../benches/load/histogram.rs"]
mod histogram;

pub(crate) use histogram::Histogram;

type Make = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;
type Mark = Arc<dyn Fn(u64, &Response) -> String + Send + Sync>;

/// What to send, how often, and what to note of each answer.
#[derive(Clone)]
pub(crate) struct Plan {
    address: SocketAddr,
    rate_per_second: u32,
    connections: u32,
    make: Make,
    mark: Option<Mark>,
}

impl Plan {
    /// `GET` of one target.
    pub(crate) fn get(address: SocketAddr, target: &str) -> Self {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes();
        Self::new(address, move |_| bytes.clone())
    }

    /// Requests made from their number, each the exact bytes to send.
    pub(crate) fn new(address: SocketAddr, make: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self {
            address,
            rate_per_second: 1000,
            connections: 16,
            make: Arc::new(make),
            mark: None,
        }
    }

    /// Requests per second, over all connections; 1000 unless said.
    pub(crate) fn rate(mut self, per_second: u32) -> Self {
        self.rate_per_second = per_second;
        self
    }

    /// Connections; 16 unless said.
    pub(crate) fn connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// Also counts answers by what this makes of them, given the number of the request too.
    pub(crate) fn mark(mut self, mark: impl Fn(u64, &Response) -> String + Send + Sync + 'static) -> Self {
        self.mark = Some(Arc::new(mark));
        self
    }
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) sent: u64,
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) marks: BTreeMap<String, u64>,
    /// Requests without an answer, by reason.
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) slowest: Duration,
    /// How long answers took from the moment at which the request was due, so that none hides behind the one before.
    pub(crate) latencies: Histogram,
    pub(crate) elapsed: Duration,
}

impl Report {
    pub(crate) fn answers(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Panics unless every request was answered with this status.
    pub(crate) fn assert_all(&self, status: u16) {
        let only = self.statuses.len() == 1 && self.statuses.contains_key(&status);
        assert!(
            only && self.errors.is_empty(),
            "not all were answered {status}: {self:?}"
        );
    }

    /// Answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.answers() as f64 / self.elapsed.as_secs_f64()
    }
}

/// A load under way; dropping it ends it.
pub(crate) struct Load {
    connections: JoinSet<()>,
    shared: Arc<Shared>,
    start: Instant,
}

#[derive(Default)]
struct Shared {
    stopping: AtomicBool,
    next: AtomicU64,
    report: Mutex<Report>,
}

impl Load {
    /// Begins.
    pub(crate) fn start(plan: Plan) -> Self {
        let shared = Arc::new(Shared::default());
        let mut connections = JoinSet::new();
        for index in 0..plan.connections {
            connections.spawn(run(plan.clone(), index, Arc::clone(&shared)));
        }
        Self {
            connections,
            shared,
            start: Instant::now(),
        }
    }

    /// Runs a load for this long.
    pub(crate) async fn run_for(plan: Plan, duration: Duration) -> Report {
        let load = Self::start(plan);
        tokio::time::sleep(duration).await;
        load.stop().await
    }

    /// What was counted so far.
    pub(crate) fn report(&self) -> Report {
        let report = self.shared.report.lock().unwrap().clone();
        Report {
            elapsed: self.start.elapsed(),
            ..report
        }
    }

    /// The latencies since this was last called, taken out of the report.
    pub(crate) fn lap(&self) -> Histogram {
        std::mem::take(&mut self.shared.report.lock().unwrap().latencies)
    }

    /// Sends nothing more, waits for the answers under way, and tells.
    pub(crate) async fn stop(mut self) -> Report {
        self.shared.stopping.store(true, Ordering::Relaxed);
        while let Some(ended) = self.connections.join_next().await {
            ended.expect("a load connection does not panic");
        }
        self.report()
    }
}

async fn run(plan: Plan, index: u32, shared: Arc<Shared>) {
    let period =
        Duration::from_secs(1).mul_f64(f64::from(plan.connections) / f64::from(plan.rate_per_second));
    let offset = period.mul_f64(f64::from(index) / f64::from(plan.connections));
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + offset, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut client = None;
    loop {
        let due = ticks.tick().await;
        if shared.stopping.load(Ordering::Relaxed) {
            return;
        }
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        let bytes = (plan.make)(number);
        let start = Instant::now();
        let result = once(&plan, &mut client, &bytes).await;
        let mark = result
            .as_ref()
            .ok()
            .zip(plan.mark.as_ref())
            .map(|(response, mark)| mark(number, response));
        let mut report = shared.report.lock().unwrap();
        report.sent += 1;
        report.slowest = report.slowest.max(start.elapsed());
        report.latencies.add(due.elapsed());
        if let Some(mark) = mark {
            *report.marks.entry(mark).or_default() += 1;
        }
        match result {
            Ok(response) => *report.statuses.entry(response.status).or_default() += 1,
            Err(reason) => *report.errors.entry(reason).or_default() += 1,
        }
    }
}

/// One request on the kept connection, or on a fresh one.
async fn once(plan: &Plan, client: &mut Option<Client>, bytes: &[u8]) -> Result<Response, String> {
    let method_end = bytes.iter().position(|&byte| byte == b' ').unwrap_or(0);
    let method = String::from_utf8_lossy(&bytes[..method_end]);
    let mut connection = match client.take() {
        Some(connection) => connection,
        None => Client::try_connect(plan.address)
            .await
            .map_err(|error| format!("connect: {error}"))?,
    };
    connection
        .send(bytes)
        .await
        .map_err(|error| format!("send: {error}"))?;
    let response = connection
        .read_response(&method)
        .await
        .map_err(|error| format!("answer: {error}"))?;
    if response.keeps_alive() {
        *client = Some(connection);
    }
    Ok(response)
}
