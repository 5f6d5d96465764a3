//! Hedging: a second call to another server where the first one takes long (Dean and Barroso, "The Tail at Scale", CACM 56(2), 2013).
//!
//! The first good answer counts and the other call is given up. Second calls are bounded by a share of all calls, so that a cluster
//! that is slow as a whole is not asked twice as much.

use std::{
    pin::pin,
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures::future::{Either, select};
use meta::model::{self, HedgeAfter};
use tokio::time::sleep;

use super::{
    call::{Answer, Asked},
    outcome::NodeError,
};
use crate::{attempts::Avoided, attempts::RetryBudget, clock::Moment, statistics::RecentLatencies};

/// When a node's call is made a second time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hedge {
    after: HedgeAfter,
    budget_percent: u32,
}

/// What survives every change of a node: how long its answers took, and how often it was asked twice.
#[derive(Debug, Default)]
pub(crate) struct HedgeState {
    budget: RetryBudget,
    /// Made for nodes that are hedged only: it takes some 6 KB.
    latencies: OnceLock<Box<RecentLatencies>>,
    /// The percentile `latencies` was last asked for, in microseconds, and the second after which it is asked again.
    after_us: AtomicU32,
    until: AtomicU64,
}

impl HedgeState {
    fn latencies(&self) -> &RecentLatencies {
        self.latencies.get_or_init(Box::default)
    }

    /// The percentile of the answers of the last seconds; `None` while there are too few to tell.
    fn percentile(&self, percent: u8, now: Moment) -> Option<Duration> {
        let second = now.second();
        let until = self.until.load(Relaxed);
        // Whoever comes first in a second works it out; all others take what is there.
        if second >= until
            && self
                .until
                .compare_exchange(until, second + 1, Relaxed, Relaxed)
                .is_ok()
        {
            let us = self.latencies().percentile_us(u32::from(percent)).unwrap_or(0);
            self.after_us.store(us, Relaxed);
        }
        match self.after_us.load(Relaxed) {
            0 => None,
            us => Some(Duration::from_micros(us.into())),
        }
    }
}

impl Hedge {
    pub(crate) fn new(model: &model::Hedge) -> Self {
        Self {
            after: model.after,
            budget_percent: model.budget_percent(),
        }
    }

    fn after(&self, state: &HedgeState, now: Moment) -> Option<Duration> {
        match self.after {
            HedgeAfter::Time(time) => Some(time.get().get()),
            HedgeAfter::Percentile(percent) => state.percentile(percent, now),
        }
    }
}

/// Makes a call, and a second one where the first takes long, another server is there, and the budget allows.
pub(crate) async fn make(asked: &Asked, hedge: Hedge) -> Result<Answer, NodeError> {
    let state = &asked.node.state;
    let began = Moment::now();
    state.hedge.budget.count_request(began);
    let after = hedge
        .after(&state.hedge, began)
        .filter(|_| asked.node.upstream.cluster.usable() > 1);
    let result = match after {
        None => asked.make(asked.began, None).await,
        Some(after) => twice(asked, hedge, after).await,
    };
    if result.is_ok() {
        state.hedge.latencies().add(Moment::now().since(began));
    }
    result
}

async fn twice(asked: &Asked, hedge: Hedge, after: Duration) -> Result<Answer, NodeError> {
    let avoided = Avoided::default();
    let mut first = pin!(asked.make(asked.began, Some(&avoided)));
    if let Either::Left((result, _)) = select(first.as_mut(), pin!(sleep(after))).await {
        return result;
    }
    let state = &asked.node.state;
    if !state.hedge.budget.take_share(Moment::now(), hedge.budget_percent) {
        return first.await;
    }
    state.counters.hedged.fetch_add(1, Relaxed);
    let second = pin!(asked.make(Instant::now(), Some(&avoided)));
    let is_good =
        |result: &Made| matches!(result, Ok(answer) if asked.node.is_success(answer.status.as_u16()));
    match select(first, second).await {
        Either::Right((result, _)) if is_good(&result) => {
            if let Some(slow) = avoided.first() {
                slow.note_overtaken();
            }
            result
        }
        Either::Left((result, _)) if is_good(&result) => result,
        // One failed: the other may still do.
        Either::Left((result, other)) => Some(other.await).filter(is_good).unwrap_or(result),
        Either::Right((result, other)) => Some(other.await).filter(is_good).unwrap_or(result),
    }
}

type Made = Result<Answer, NodeError>;
