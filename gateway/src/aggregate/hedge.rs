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

/// Where so many calls go to a slow server that the percentile is that server's own latency, a second call at that time would come too
/// late to help, and would never find the server out. The budget bounds what this costs.
const MOST_MEDIANS: u32 = 4;

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

    /// The percentile of the answers of the last seconds, and not more than [`MOST_MEDIANS`] of their medians; `None` while there are
    /// too few to tell.
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
            let recent = self.latencies().percentiles_us([u32::from(percent), 50]);
            let after = recent.map(|[us, median]| us.min(median.saturating_mul(MOST_MEDIANS)));
            self.after_us.store(after.unwrap_or(0), Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn after(latencies: &[(u64, u64)]) -> Option<u128> {
        let state = HedgeState::default();
        for (count, ms) in latencies {
            (0..*count).for_each(|_| state.latencies().add(Duration::from_millis(*ms)));
        }
        let after = state.percentile(95, Moment::after_start(Duration::from_secs(5)));
        after.map(|after| after.as_millis())
    }

    #[test]
    fn a_percentile_is_waited_for_once_there_are_enough_answers() {
        assert_eq!(after(&[(19, 10)]), None);
        let ms = after(&[(940, 10), (60, 30)]);
        assert!(matches!(ms, Some(29..=31)), "{ms:?}");
    }

    #[test]
    fn a_slow_server_that_gets_more_than_the_rest_of_the_percentile_is_not_waited_for() {
        let ms = after(&[(670, 2), (330, 40)]);
        assert!(matches!(ms, Some(7..=8)), "four times the median: {ms:?}");
    }

    #[test]
    fn the_percentile_is_worked_out_once_a_second() {
        let state = HedgeState::default();
        let at = |second| Moment::after_start(Duration::from_secs(second));
        let add = |ms| (0..100).for_each(|_| state.latencies().add(Duration::from_millis(ms)));
        add(10);
        let first = state.percentile(95, at(5));
        add(100);
        add(100);
        assert_eq!(state.percentile(95, at(5)), first);
        assert!(state.percentile(95, at(6)) > first);
    }
}
