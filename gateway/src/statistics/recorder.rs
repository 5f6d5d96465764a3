//! The seconds that are being counted: what requests write to, without waiting and without allocating.
//!
//! A second has a slot, its number modulo four. It is taken out of the slot, which leaves zeros, when the second
//! ended at least one second ago ([`super::History`]); so it is counted right if
//!
//! - whoever records it is at most one second late with it, and
//! - the slot is emptied before the second four later begins.
//!
//! Where that fails nothing is lost or counted twice, for a slot is emptied by swapping each number for zero:
//!
//! - A request recorded later counts with the second that has the slot next, four seconds after its own.
//! - A request that is being recorded while its slot is emptied may have its latency in one second and its count in
//!   the next of the slot. Never the other way round, or a latency could wait in a slot nobody looks into.
//! - If nobody empties the slots for a while, the seconds of that while share them, 2^32 requests of a kind at most.

use std::time::Duration;

use crate::sync::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use super::{
    Outcome,
    figures::Figures,
    histogram::{Histogram, LiveHistogram},
};

/// Seconds that can be written to at a time.
pub(super) const SLOTS: u64 = 4;

/// The live seconds of one server.
pub(super) struct Recorder {
    first: u64,
    slots: [Slot; SLOTS as usize],
}

struct Slot {
    successes: AtomicU32,
    failures: AtomicU32,
    cancelled: AtomicU32,
    refusals: AtomicU32,
    sum_us: AtomicU64,
    minimum_us: AtomicU32,
    maximum_us: AtomicU32,
    histogram: LiveHistogram,
}

impl Recorder {
    /// For a server whose first request is recorded in `second`.
    pub(super) const fn new(second: u64) -> Self {
        Self {
            first: second.saturating_sub(1),
            slots: [const { Slot::new() }; SLOTS as usize],
        }
    }

    /// The first second to fold: the one before that of the first request, because others may be a little late.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// Counts a request that was answered, or not.
    pub(super) fn record(&self, second: u64, outcome: Outcome, latency: Duration) {
        let slot = self.slot(second);
        slot.measure(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
        let counter = match outcome {
            Outcome::Success => &slot.successes,
            Outcome::Failure => &slot.failures,
        };
        // Release, and Acquire in `take`: who sees the count sees the latency.
        counter.fetch_add(1, Release);
    }

    /// Counts a request that was given up.
    pub(super) fn cancel(&self, second: u64) {
        self.slot(second).cancelled.fetch_add(1, Relaxed);
    }

    /// Counts a request that was not taken.
    pub(super) fn refuse(&self, second: u64) {
        self.slot(second).refusals.fetch_add(1, Relaxed);
    }

    /// Empties the slot of `second`. `None` if nothing was in it.
    pub(super) fn take(&self, second: u64) -> Option<(Figures, Histogram)> {
        self.slot(second).take()
    }

    fn slot(&self, second: u64) -> &Slot {
        &self.slots[(second % SLOTS) as usize]
    }
}

impl Slot {
    const fn new() -> Self {
        Self {
            successes: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            cancelled: AtomicU32::new(0),
            refusals: AtomicU32::new(0),
            sum_us: AtomicU64::new(0),
            minimum_us: AtomicU32::new(Figures::EMPTY.minimum_us),
            maximum_us: AtomicU32::new(Figures::EMPTY.maximum_us),
            histogram: LiveHistogram::new(),
        }
    }

    fn measure(&self, us: u32) {
        self.histogram.add(us);
        self.sum_us.fetch_add(u64::from(us), Relaxed);
        // Extremes seldom change, and looking leaves the cache line shared.
        if us < self.minimum_us.load(Relaxed) {
            self.minimum_us.fetch_min(us, Relaxed);
        }
        if us > self.maximum_us.load(Relaxed) {
            self.maximum_us.fetch_max(us, Relaxed);
        }
    }

    fn take(&self) -> Option<(Figures, Histogram)> {
        let counters = [&self.successes, &self.failures, &self.cancelled, &self.refusals];
        if counters.iter().all(|counter| counter.load(Relaxed) == 0) {
            return None;
        }
        // The counts first: see `record`.
        let [successes, failures, cancelled, refusals] = counters.map(|counter| counter.swap(0, Acquire));
        let mut figures = Figures {
            successes,
            failures,
            cancelled,
            refusals,
            sum_us: self.sum_us.swap(0, Relaxed),
            minimum_us: self.minimum_us.swap(Figures::EMPTY.minimum_us, Relaxed),
            maximum_us: self.maximum_us.swap(Figures::EMPTY.maximum_us, Relaxed),
            ..Figures::EMPTY
        };
        let histogram = self.histogram.take();
        figures.bound_by(&histogram);
        figures.rank_by(&histogram);
        Some((figures, histogram))
    }
}
