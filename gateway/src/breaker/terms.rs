//! What a configuration says of a breaker: its rules, and what counts as which outcome.

use meta::model::{self, BreakerRules};

use super::{Outcome, Rules};
use crate::cluster;

/// The rules of one breaker and the statuses it takes for failures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub(crate) rules: Rules,
    failure_status: Box<[u16]>,
}

impl Terms {
    /// As configured.
    pub fn new(breaker: &model::Breaker) -> Self {
        let rules = breaker.rules();
        Self {
            rules: Rules::from(&rules),
            failure_status: rules.failure_status.into(),
        }
    }

    /// Whether an answer with that status is a failure.
    pub(crate) fn is_failure(&self, status: u16) -> bool {
        self.failure_status.contains(&status)
    }
}

impl Outcome {
    /// What came of a request in a breaker's words; without rules nothing is slow.
    pub(crate) fn of(outcome: cluster::Outcome, rules: Option<&Rules>) -> Self {
        match outcome {
            cluster::Outcome::Failure { .. } => Self::Failure,
            cluster::Outcome::Success { latency } if rules.is_some_and(|rules| rules.is_slow(latency)) => {
                Self::Slow
            }
            cluster::Outcome::Success { .. } => Self::Success,
        }
    }
}

impl From<&BreakerRules> for Rules {
    fn from(rules: &BreakerRules) -> Self {
        Self {
            consecutive_failures: rules.consecutive_failures,
            failure_percent: rules.failure_percent,
            slow_percent: rules.slow.map(|slow| slow.percent),
            slow_call: rules.slow.map(|slow| slow.from),
            min_requests: rules.min_requests,
            window: rules.window,
            rejecting_for: rules.rejecting_for,
            max_rejecting_for: rules.max_rejecting_for,
            probe_percent: rules.probe_percent,
            max_probes: rules.max_probes,
            probe_successes: rules.probe_successes,
            ramp: rules.ramp,
        }
    }
}
