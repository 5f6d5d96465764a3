//! The atomics that limiter, breaker and statistics are built on, in one place so that interleavings can be explored with others.

use portable_atomic::AtomicU128;

pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Two words that change together.
///
/// All accesses are sequentially consistent: the keyed tables rest on one order of all of them. Without a lock where the
/// processor has a 16-byte compare-and-swap (x86-64 since 2006, ARMv8), else with one of `portable-atomic`'s.
#[derive(Debug, Default)]
pub(crate) struct Pair(AtomicU128);

impl Pair {
    /// Both words.
    pub(crate) fn load(&self) -> (u64, u64) {
        split(self.0.load(Ordering::SeqCst))
    }

    /// Sets both words if they are still `current`, and says whether they were.
    pub(crate) fn replace(&self, current: (u64, u64), next: (u64, u64)) -> bool {
        let (current, next) = (join(current), join(next));
        self.0
            .compare_exchange(current, next, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }
}

fn join((high, low): (u64, u64)) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

fn split(both: u128) -> (u64, u64) {
    ((both >> 64) as u64, both as u64)
}
