//! A breaker: when a server gets no requests for a while because those it had failed or were slow, and how it is tried again.

use std::{collections::BTreeSet, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    bounds::{HOUR, MINUTE, Percent, SECOND, Span, Whole},
    timespan::Timespan,
};

/// When a server gets a pause because requests to it failed or were slow, and how it is tried again.
///
/// A criterion that is not named does not count. If none is, `consecutive_failures: 5` and `failure_percent: 50` do.
///
/// Failures are connections that fail, timeouts, malformed answers and the statuses in `failure_status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// So many failures in a row within `window`: 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_failures: Option<Whole<1, 1000>>,
    /// So many percent of the requests of the last `window` failed: 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_percent: Option<Percent>,
    /// Percentages count only when so many requests ended within `window`: 1 to 1,000,000; 20 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_requests: Option<Whole<1, 1_000_000>>,
    /// What is looked back on: 100 ms to 5 min; 10 s if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Span<100, { 5 * MINUTE }>>,
    /// From when on a call is slow: 1 ms to 10 min.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_call: Option<Span<1, { 10 * MINUTE }>>,
    /// So many percent of the requests of the last `window` took `slow_call` or longer: 1 to 100; 80 if absent.
    ///
    /// Needs `slow_call`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_percent: Option<Percent>,
    /// The statuses that count as failures: at least one, each from 400 to 599; 500, 502, 503 and 504 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub failure_status: Option<Vec<Whole<400, 599>>>,
    /// How long the first pause is, ±10 %: 100 ms to 1 h; 10 s if absent. Each pause in a row takes twice as long as the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejecting_for: Option<Span<100, HOUR>>,
    /// How long a pause becomes at most: `rejecting_for` to 24 h. If absent, 5 min, or `rejecting_for` if that is longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rejecting_for: Option<Span<100, { 24 * HOUR }>>,
    /// After a pause, so many percent of the requests that would go to the server try it: 1 to 100; 10 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_percent: Option<Percent>,
    /// How many requests try the server at once: 1 to 1000; 5 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_probes: Option<Whole<1, 1000>>,
    /// So many successes in a row end the trial: 1 to 1000; 5 if absent. One failure begins the next pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_successes: Option<Whole<1, 1000>>,
    /// How long the share of a server grows from nothing to its weight after a pause: 100 ms to 10 min; at once if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp: Option<Span<100, { 10 * MINUTE }>>,
    /// Of a cluster only: how many percent of its servers may have a pause at a time: 1 to 100; 50 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rejecting_percent: Option<Percent>,
}

/// What a [`Breaker`] comes to, with what it does not name filled in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BreakerRules {
    /// So many failures in a row within `window`, if that counts: 1 to 1000.
    pub consecutive_failures: Option<u32>,
    /// So many percent failures within `window`, if that counts: 1 to 100.
    pub failure_percent: Option<u32>,
    /// So many percent slow calls within `window`, if that counts.
    pub slow: Option<SlowCalls>,
    /// Percentages count from so many requests on: 1 to 1,000,000.
    pub min_requests: u32,
    /// What is looked back on: 100 ms to 5 min.
    pub window: Duration,
    /// The statuses that are failures: 400 to 599, at least one, ascending.
    pub failure_status: Vec<u16>,
    /// The first pause: 100 ms to 1 h.
    pub rejecting_for: Duration,
    /// The longest pause: `rejecting_for` to 24 h.
    pub max_rejecting_for: Duration,
    /// The share of requests that probe: 1 to 100.
    pub probe_percent: u32,
    /// How many probe at once: 1 to 1000.
    pub max_probes: u32,
    /// So many successes in a row end the probing: 1 to 1000.
    pub probe_successes: u32,
    /// How long the share grows again after that, if it does: 100 ms to 10 min.
    pub ramp: Option<Duration>,
}

/// When slow calls trip a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlowCalls {
    /// A call that takes so long is slow: 1 ms to 10 min.
    pub from: Duration,
    /// So many percent of them trip it: 1 to 100.
    pub percent: u32,
}

impl Breaker {
    const FAILURE_STATUS: [u16; 4] = [500, 502, 503, 504];
    const MAX_REJECTING_FOR: Timespan = Timespan::from_millis(5 * MINUTE);

    /// The rules, complete. [`Self::max_rejecting_percent`] is none of them: it is of the cluster, not of one server.
    pub fn rules(&self) -> BreakerRules {
        let unnamed =
            self.consecutive_failures.is_none() && self.failure_percent.is_none() && self.slow_call.is_none();
        let slow = self.slow_call.map(|from| SlowCalls {
            from: *from.get(),
            percent: number(self.slow_percent, 80),
        });
        BreakerRules {
            consecutive_failures: self.consecutive_failures.map(Whole::get).or(unnamed.then_some(5)),
            failure_percent: self.failure_percent.map(Whole::get).or(unnamed.then_some(50)),
            slow,
            min_requests: number(self.min_requests, 20),
            window: self
                .window
                .map_or(Duration::from_millis(10 * SECOND), |span| *span.get()),
            failure_status: self.failure_status(),
            rejecting_for: *self.rejecting_for(),
            max_rejecting_for: *self.max_rejecting_for(),
            probe_percent: number(self.probe_percent, 10),
            max_probes: number(self.max_probes, 5),
            probe_successes: number(self.probe_successes, 5),
            ramp: self.ramp.map(|span| *span.get()),
        }
    }

    /// How many percent of a cluster's servers are given a pause at a time: 1 to 100.
    pub fn max_rejecting_percent(&self) -> u32 {
        number(self.max_rejecting_percent, 50)
    }

    /// Whether the share of any kind of request counts.
    pub(crate) fn counts_percent(&self) -> bool {
        let rules = self.rules();
        rules.failure_percent.is_some() || rules.slow.is_some()
    }

    fn failure_status(&self) -> Vec<u16> {
        let Some(statuses) = &self.failure_status else {
            return Self::FAILURE_STATUS.to_vec();
        };
        let statuses: BTreeSet<_> = statuses.iter().copied().collect();
        // 599 at most.
        statuses.into_iter().map(|status| status.get() as u16).collect()
    }

    /// The first pause.
    pub(crate) fn rejecting_for(&self) -> Timespan {
        self.rejecting_for
            .map_or(Timespan::from_millis(10 * SECOND), Span::get)
    }

    fn max_rejecting_for(&self) -> Timespan {
        let absent = || Self::MAX_REJECTING_FOR.max(self.rejecting_for());
        self.max_rejecting_for.map_or_else(absent, Span::get)
    }
}

fn number<const LEAST: u32, const MOST: u32>(written: Option<Whole<LEAST, MOST>>, absent: u32) -> u32 {
    written.map_or(absent, Whole::get)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value as Json, json};

    use super::*;

    fn rules(written: Json) -> BreakerRules {
        serde_json::from_value::<Breaker>(written).unwrap().rules()
    }

    #[test]
    fn a_breaker_that_names_nothing_has_the_rules_that_are_documented() {
        let expected = BreakerRules {
            consecutive_failures: Some(5),
            failure_percent: Some(50),
            slow: None,
            min_requests: 20,
            window: Duration::from_secs(10),
            failure_status: vec![500, 502, 503, 504],
            rejecting_for: Duration::from_secs(10),
            max_rejecting_for: Duration::from_secs(300),
            probe_percent: 10,
            max_probes: 5,
            probe_successes: 5,
            ramp: None,
        };
        assert_eq!(rules(json!({})), expected);
        assert_eq!(Breaker::default().max_rejecting_percent(), 50);
    }

    #[test]
    fn a_criterion_that_is_not_named_does_not_count_once_another_is() {
        let slow = |percent| {
            Some(SlowCalls {
                from: Duration::from_secs(2),
                percent,
            })
        };
        for (written, consecutive, percent, slow_calls) in [
            (json!({"consecutive_failures": 3}), Some(3), None, None),
            (json!({"failure_percent": 30}), None, Some(30), None),
            (json!({"slow_call": "2s"}), None, None, slow(80)),
            (
                json!({"slow_call": "2s", "slow_percent": 10}),
                None,
                None,
                slow(10),
            ),
            (
                json!({"consecutive_failures": 3, "slow_call": "2s"}),
                Some(3),
                None,
                slow(80),
            ),
            (json!({"window": "1s", "max_probes": 1}), Some(5), Some(50), None),
        ] {
            let found = rules(written.clone());
            let criteria = (found.consecutive_failures, found.failure_percent, found.slow);
            assert_eq!(criteria, (consecutive, percent, slow_calls), "{written}");
        }
    }

    #[test]
    fn the_longest_pause_is_never_shorter_than_the_first() {
        for (written, longest) in [
            (json!({"rejecting_for": "4m"}), 300),
            (json!({"rejecting_for": "6m"}), 360),
            (json!({"rejecting_for": "6m", "max_rejecting_for": "24h"}), 86_400),
            (json!({"max_rejecting_for": "10s"}), 10),
        ] {
            let found = rules(written.clone()).max_rejecting_for;
            assert_eq!(found, Duration::from_secs(longest), "{written}");
        }
    }

    #[test]
    fn a_breaker_is_written_as_it_was_read() {
        for written in [
            json!({}),
            json!({"consecutive_failures": 5}),
            json!({
                "consecutive_failures": 1000, "failure_percent": 100, "min_requests": 1000000, "window": "5m",
                "slow_call": "10m", "slow_percent": 1, "failure_status": [429, 599], "rejecting_for": "1h",
                "max_rejecting_for": "24h", "probe_percent": 1, "max_probes": 1000, "probe_successes": 1000,
                "ramp": "100ms", "max_rejecting_percent": 100,
            }),
        ] {
            let breaker: Breaker = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(serde_json::to_value(&breaker).unwrap(), written);
        }
    }
}
