//! When a breaker trips, how long it rejects and how it tries again: what the configuration says, and the
//! arithmetic on it.

use std::time::Duration;

use super::{
    window::Sum,
    words::{Outcome, Why},
};

/// What one server's breaker goes by. They may be others at every call: the state stays, and what is due by
/// the rules at hand is done; shares are judged by other rules from the next failure, or tenth of the window,
/// on.
///
/// The ranges are the configuration's to check. Outside of them nothing panics, but `probe_percent` or
/// `max_probes` of 0 would probe for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Trips at so many failures in a row within the window; at least 1.
    pub consecutive_failures: Option<u32>,
    /// Trips at this share of failures among at least `min_requests` in the window; 1 to 100.
    pub failure_percent: Option<u32>,
    /// Trips at this share of slow calls among at least `min_requests` in the window; 1 to 100. Goes with
    /// `slow_call`.
    pub slow_percent: Option<u32>,
    /// A call that takes so long is slow.
    pub slow_call: Option<Duration>,
    /// A share of fewer outcomes than that says nothing; at least 1.
    pub min_requests: u32,
    /// How far it looks back; 100 ms to 5 min.
    pub window: Duration,
    /// The first pause; at least 1 ms.
    pub rejecting_for: Duration,
    /// What pauses grow to, doubling with every trip in a row.
    pub max_rejecting_for: Duration,
    /// The share of requests that become probes; 1 to 100.
    pub probe_percent: u32,
    /// Probes out at a time; at least 1. Above 1,048,575 it is that.
    pub max_probes: u32,
    /// Successes in a row until it is passing again; at least 1. Above 1,048,575 it is that.
    pub probe_successes: u32,
    /// After probing, the share of requests admitted grows over this time from `probe_percent` to all.
    pub ramp: Option<Duration>,
}

impl Rules {
    /// Whether a call that took `latency` is slow; never without a share of slow calls to trip at.
    pub fn is_slow(&self, latency: Duration) -> bool {
        self.slow_percent.is_some() && self.slow_call.is_some_and(|from| latency >= from)
    }

    /// Why it would trip on what was counted, if it would.
    pub(super) fn verdict(&self, sum: &Sum) -> Option<Why> {
        let share = |part: u64, percent: Option<u32>| {
            self.can_judge(sum) && percent.is_some_and(|percent| part * 100 >= sum.total * u64::from(percent))
        };
        if self
            .consecutive_failures
            .is_some_and(|most| sum.failures_in_a_row >= u64::from(most.max(1)))
        {
            Some(Why::ConsecutiveFailures)
        } else if share(sum.failures, self.failure_percent) {
            Some(Why::FailurePercent)
        } else if share(sum.slow, self.slow_percent) {
            Some(Why::SlowPercent)
        } else {
            None
        }
    }

    /// Whether enough requests ran for shares to say something.
    pub(super) fn can_judge(&self, sum: &Sum) -> bool {
        sum.total >= u64::from(self.min_requests.max(1))
    }

    /// Why a probe with that outcome failed, if it did. A slow one did only if slow calls can trip the
    /// breaker.
    pub(super) fn probe_failure(&self, outcome: Outcome) -> Option<Why> {
        match outcome {
            Outcome::Failure => Some(Why::ProbeFailed),
            Outcome::Slow => self.slow_percent.map(|_| Why::ProbeSlow),
            Outcome::Success => None,
        }
    }

    /// Milliseconds to reject for after `trips` trips in a row before this one: `rejecting_for · 2^trips`, at
    /// most `max_rejecting_for`, and of that 90 % (`jitter` 0) to 110 % (`jitter` 1).
    pub(super) fn pause(&self, trips: u8, jitter: f64) -> u64 {
        let doubled = millis(self.rejecting_for).saturating_mul(1 << trips.min(31));
        let pause = doubled.min(millis(self.max_rejecting_for));
        ((pause as f64 * (0.9 + 0.2 * jitter)) as u64).max(1)
    }

    /// The share of requests, 0 to 100 and more, that a breaker admits so long after probing.
    pub(super) fn share_after(&self, passed: u64) -> f64 {
        let Some(ramp) = self.ramp.map(millis).filter(|&ramp| passed < ramp) else {
            return 100.0;
        };
        let least = f64::from(self.probe_percent);
        least + (100.0 - least) * passed as f64 / ramp as f64
    }
}

/// Whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
