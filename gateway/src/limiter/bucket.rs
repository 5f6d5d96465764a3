//! A limit of requests over time: one token bucket on one atomic.
//!
//! Promise: in any time t at most `burst + rate · t` requests are admitted, just after a pause and under concurrency too, and under
//! saturation no fewer than 99 % of the rate. The proof and the arithmetic are [`Rate`]'s.

use super::rate::{Rate, Ticks, Wait};
use crate::sync::{AtomicU64, Ordering::Relaxed};

/// The bucket of one limit, full at first.
///
/// It holds the theoretical arrival time and nothing of the rate, which is passed in and may change between calls. Threads
/// whose `now` is up to a second behind another's are fine: they find the bucket a little emptier. While callers with an old and
/// with a smaller rate take turns, each of the latter may forget what the former took.
///
/// `Relaxed`, for nothing else is read or written under its protection.
#[derive(Debug)]
pub struct Bucket(AtomicU64);

impl Default for Bucket {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Bucket {
    /// Takes a token at `now`, or says when there will be one.
    pub fn take(&self, rate: &Rate, now: Ticks) -> Result<(), Wait> {
        let mut tat = self.0.load(Relaxed);
        loop {
            let (next, verdict) = rate.spend(tat, now);
            if next == tat {
                return verdict;
            }
            match self.0.compare_exchange_weak(tat, next, Relaxed, Relaxed) {
                Ok(_) => return verdict,
                Err(seen) => tat = seen,
            }
        }
    }

    /// Tokens there are at `now`.
    pub fn remaining(&self, rate: &Rate, now: Ticks) -> u32 {
        rate.left(self.0.load(Relaxed), now)
    }
}
