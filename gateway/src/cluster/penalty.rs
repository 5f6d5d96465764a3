//! What a server's failures weigh in `least_request`.
//!
//! A server that fails fast has nothing in flight and would draw all traffic. So a failure counts like requests that
//! are still waiting: a number added to those in flight. With P the penalty,
//!
//! - a failure makes it `min(2·P + 1, 1024)`,
//! - a success makes it `P / 2`,
//! - by itself it halves every 5 s: `P(t) = P · 2^(−t / 5 s)`,
//! - and below 1/2 it is nothing.
//!
//! This is the idea of Finagle's peak EWMA (react to bad news at once, forget it by exponential decay,
//! `com.twitter.finagle.loadbalancer.PeakEwma`) with failures instead of latency. What follows from it:
//! against servers with L requests in flight each, one that fails every request is tried about once in 5 s
//! whatever the traffic, since each failure doubles P and each 5 s halve it around P = L; one that fails 1 %
//! keeps P below 1, for the 99 successes between halve it away. Worst case: after a burst of failures (P =
//! 1024) a server that is well again is first tried when P has sunk to L: 50 s later at L = 1, 55 s if the
//! others are idle. With more than 1,024 requests in flight per server the penalty is too small to hold
//! traffic off.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

const HALF_LIFE_S: f32 = 5.0;
const MOST: f32 = 1024.0;
/// Below this a penalty is nothing.
const LEAST: f32 = 0.5;

/// A decaying number: its value as `f32` in the low half, the eighth of a second it had that value at in the
/// high half (17 years fit).
#[derive(Default)]
pub(super) struct Penalty(AtomicU64);

impl Penalty {
    /// Whether there is none, without asking for the time.
    pub(super) fn is_none(&self) -> bool {
        self.0.load(Relaxed) == 0
    }

    /// What it is at `age` of its server.
    pub(super) fn at(&self, age: Duration) -> f32 {
        decayed(self.0.load(Relaxed), eighths(age))
    }

    pub(super) fn fail(&self, age: Duration) {
        self.change(age, |penalty| (2.0 * penalty + 1.0).min(MOST));
    }

    pub(super) fn succeed(&self, age: Duration) {
        self.change(age, |penalty| penalty / 2.0);
    }

    pub(super) fn forget(&self) {
        self.0.store(0, Relaxed);
    }

    fn change(&self, age: Duration, step: impl Fn(f32) -> f32) {
        let now = eighths(age);
        let pack = |old| {
            let penalty = step(decayed(old, now));
            Some(if penalty >= LEAST {
                u64::from(now) << 32 | u64::from(penalty.to_bits())
            } else {
                0
            })
        };
        // The closure always answers, so this always succeeds.
        let _ = self.0.fetch_update(Relaxed, Relaxed, pack);
    }
}

fn eighths(age: Duration) -> u32 {
    u32::try_from(age.as_millis() / 125).unwrap_or(u32::MAX)
}

fn decayed(packed: u64, now: u32) -> f32 {
    if packed == 0 {
        return 0.0;
    }
    let (then, bits) = ((packed >> 32) as u32, packed as u32);
    let passed_s = now.saturating_sub(then) as f32 / 8.0;
    let left = f32::from_bits(bits) * (-passed_s / HALF_LIFE_S).exp2();
    if left < LEAST { 0.0 } else { left }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::ZERO;

    #[test]
    fn failures_double_it_up_to_its_bound() {
        let penalty = Penalty::default();
        for expected in [1.0, 3.0, 7.0, 15.0] {
            penalty.fail(START);
            assert_eq!(penalty.at(START), expected);
        }
        (0..100).for_each(|_| penalty.fail(START));
        assert_eq!(penalty.at(START), MOST);
    }

    #[test]
    fn it_halves_every_five_seconds_and_with_every_success() {
        let penalty = Penalty::default();
        (0..4).for_each(|_| penalty.fail(START));
        assert_eq!(penalty.at(Duration::from_secs(5)), 7.5);
        penalty.succeed(Duration::from_secs(10));
        assert_eq!(penalty.at(Duration::from_secs(10)), 1.875);
    }

    #[test]
    fn a_forgotten_penalty_costs_no_look_at_the_clock() {
        let penalty = Penalty::default();
        penalty.fail(START);
        assert!(!penalty.is_none());
        (0..2).for_each(|_| penalty.succeed(START));
        assert!(penalty.is_none());
    }
}
