//! Bounds a retry storm: retries may be a share of the requests of the last ten seconds, and always a few a second.
//!
//! One budget a cluster. The share is that of the rule that asks, which may be a route's, so several shares may draw on one count.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::clock::Moment;

/// Retries that are always allowed in a second, so that a quiet cluster can retry at all.
const FREE_PER_SECOND: u32 = 3;

/// Seconds looked back on.
const WINDOW: u64 = 10;

/// The retry budget of one cluster on this proxy.
///
/// Worst case under contention: two threads that enter a second together may both clear its slot, which forgets what the first
/// counted in between. That errs by a handful of requests a second.
#[derive(Debug, Default)]
pub(crate) struct RetryBudget {
    slots: [Slot; WINDOW as usize],
}

#[derive(Debug, Default)]
struct Slot {
    second: AtomicU64,
    requests: AtomicU32,
    retries: AtomicU32,
}

impl RetryBudget {
    /// Counts a request (not a retry) that came at `now`.
    pub(crate) fn count_request(&self, now: Moment) {
        self.slot(now.second()).requests.fetch_add(1, Relaxed);
    }

    /// Takes a retry out of the budget, if there is one left under `percent` (0 to 100).
    pub(crate) fn take(&self, now: Moment, percent: u32) -> bool {
        self.take_beyond(FREE_PER_SECOND, now, percent)
    }

    /// The same where none is free: only the share counts, so that a quiet cluster has none at all.
    pub(crate) fn take_share(&self, now: Moment, percent: u32) -> bool {
        self.take_beyond(0, now, percent)
    }

    fn take_beyond(&self, free: u32, now: Moment, percent: u32) -> bool {
        let second = now.second();
        let slot = self.slot(second);
        let before = slot.retries.fetch_add(1, Relaxed);
        if before < free || self.within_share(second, percent) {
            return true;
        }
        slot.retries.fetch_sub(1, Relaxed);
        false
    }

    /// Whether the retries counted, the last one included, are within the share.
    fn within_share(&self, second: u64, percent: u32) -> bool {
        let recent = |slot: &&Slot| slot.second.load(Relaxed) + WINDOW > second;
        let (requests, retries) =
            self.slots
                .iter()
                .filter(recent)
                .fold((0_u64, 0_u64), |(requests, retries), slot| {
                    (
                        requests + u64::from(slot.requests.load(Relaxed)),
                        retries + u64::from(slot.retries.load(Relaxed)),
                    )
                });
        retries * 100 <= requests * u64::from(percent)
    }

    fn slot(&self, second: u64) -> &Slot {
        let slot = &self.slots[(second % WINDOW) as usize];
        if slot.second.load(Relaxed) != second && slot.second.swap(second, Relaxed) != second {
            slot.requests.store(0, Relaxed);
            slot.retries.store(0, Relaxed);
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn budget_after(requests: u32) -> RetryBudget {
        let budget = RetryBudget::default();
        budget.slot(100).requests.fetch_add(requests, Relaxed);
        budget
    }

    fn granted(budget: &RetryBudget, percent: u32, second: u64, wanted: u32) -> usize {
        let now = Moment::after_start(Duration::from_secs(second));
        (0..wanted).filter(|_| budget.take(now, percent)).count()
    }

    #[test]
    fn three_retries_a_second_are_always_allowed() {
        let budget = budget_after(0);
        assert_eq!(granted(&budget, 20, 100, 50), 3);
        assert_eq!(granted(&budget, 20, 101, 50), 3);
    }

    #[test]
    fn retries_are_bounded_by_their_share_of_the_last_ten_seconds() {
        let budget = budget_after(1000);
        assert_eq!(granted(&budget, 20, 100, 1000), 200);
        assert_eq!(granted(&budget, 20, 105, 1000), 3);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let budget = budget_after(1000);
        assert_eq!(granted(&budget, 20, 111, 1000), 3);
    }

    #[test]
    fn without_free_ones_the_share_is_kept_from_the_first_on() {
        let budget = budget_after(1000);
        let now = Moment::after_start(Duration::from_secs(100));
        assert_eq!((0..1000).filter(|_| budget.take_share(now, 5)).count(), 50);
        let quiet = budget_after(19);
        assert!(!quiet.take_share(now, 5));
    }

    #[test]
    fn no_share_leaves_the_free_ones() {
        assert_eq!(granted(&budget_after(1000), 0, 100, 100), 3);
    }
}
