//! Steady requests to one proxy, each answer held against all that can be right.
//!
//! One route is edited from state to state. Its answers name their state, the number of the request, and the newest state that
//! had been seen when that was sent: so an answer to another request, of a state that was never written, or of one before what
//! was already served, is noticed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Histogram, Load, Plan, Report, Response, eventually};

/// The state of the watched route that each proxy begins with.
pub(crate) const FIRST_STATE: u64 = 1;
/// How an answer is counted that is as it must be.
const RIGHT: &str = "right";

/// The watched route in a state, as a value in etcd. Its cluster is `b`, which answers with the target it is asked for.
pub(crate) fn watched_route(state: u64) -> String {
    format!(
        r#"{{"id": "watched", "match": {{"path": "/watched"}}, "to": [{{"cluster": "b"}}],
            "rewrite": "/{state}?request={{query.request}}&since={{query.since}}"}}"#
    )
}

/// Requests to one proxy, until it is stopped.
pub(crate) struct Traffic {
    load: Load,
    seen: Arc<Seen>,
}

/// The states that answers were of.
#[derive(Default)]
struct Seen {
    newest: AtomicU64,
    /// When each was first seen.
    first: Mutex<BTreeMap<u64, Instant>>,
}

impl Traffic {
    /// Begins. `written` is the newest state that may be served, raised before it is written.
    pub(crate) fn start(proxy: SocketAddr, rate_per_second: u32, written: Arc<AtomicU64>) -> Self {
        let seen = Arc::<Seen>::default();
        let (asking, judging) = (Arc::clone(&seen), Arc::clone(&seen));
        let ask = move |number| {
            let since = asking.newest.load(Ordering::SeqCst);
            format!("GET /watched?request={number}&since={since} HTTP/1.1\r\nHost: {proxy}\r\n\r\n")
                .into_bytes()
        };
        let judge = move |number, response: &Response| match judging.judge(number, response, &written) {
            Ok(()) => RIGHT.to_owned(),
            Err(reason) => format!("{reason}: {} {:?}", response.status, response.text()),
        };
        let plan = Plan::new(proxy, ask).rate(rate_per_second).mark(judge);
        Self {
            load: Load::start(plan),
            seen,
        }
    }

    /// Waits until an answer is of this state, and gives when the first was.
    pub(crate) async fn until_served(&self, state: u64, deadline: Duration) -> Instant {
        let first = || self.seen.first.lock().unwrap().get(&state).copied();
        let what = format!("an answer of state {state}");
        eventually(&what, deadline, || async { first().is_some() }).await;
        first().expect("the wait above ends with one")
    }

    /// How long answers took since this was last asked for.
    pub(crate) fn lap(&self) -> Histogram {
        self.load.lap()
    }

    /// Sends nothing more and panics unless every single request was answered as it must be.
    pub(crate) async fn stop(self) -> Report {
        let report = self.load.stop().await;
        report.assert_all(200);
        let right = report.marks.get(RIGHT).copied().unwrap_or(0);
        assert_eq!(right, report.sent, "answers that cannot be: {report:?}");
        report
    }
}

impl Seen {
    fn judge(&self, number: u64, response: &Response, written: &AtomicU64) -> Result<(), &'static str> {
        let (state, asked, since) = parts(&response.text()).ok_or("not an answer of the watched route")?;
        if asked != number {
            return Err("an answer to another request");
        }
        if state < since.max(FIRST_STATE) {
            return Err("older than what was served before");
        }
        if state > written.load(Ordering::SeqCst) {
            return Err("never written");
        }
        self.newest.fetch_max(state, Ordering::SeqCst);
        self.first
            .lock()
            .unwrap()
            .entry(state)
            .or_insert_with(Instant::now);
        Ok(())
    }
}

/// State, number of the request and newest state before it, of an answer `/7?request=12&since=6`.
fn parts(answer: &str) -> Option<(u64, u64, u64)> {
    let (state, query) = answer.strip_prefix('/')?.split_once("?request=")?;
    let (asked, since) = query.split_once("&since=")?;
    Some((state.parse().ok()?, asked.parse().ok()?, since.parse().ok()?))
}
