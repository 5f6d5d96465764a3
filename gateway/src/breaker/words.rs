//! What a breaker is asked, told and answers.

use std::{fmt, time::Duration};

use serde::Serialize;

/// What happens to traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// All of it goes through.
    Passing,
    /// None of it does.
    Rejecting,
    /// Some of it does, to find out whether the server is well again.
    Probing,
}

/// Where an operator can hold a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forced {
    /// Every request is admitted, and no failure trips it.
    Passing,
    /// Every request is refused.
    Rejecting,
}

/// How an admitted request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The server answered in time.
    Success,
    /// The server answered, and [`Rules::is_slow`](super::Rules::is_slow) says too late.
    Slow,
    /// The server failed.
    Failure,
}

/// The right to send one request, to be brought back exactly once: to [`report`](super::Breaker::report) or
/// to [`give_back`](super::Breaker::give_back).
#[must_use = "a probe's ticket that is not brought back keeps its place taken"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The life of the breaker that it was admitted in; what comes of it counts in no other.
    pub(super) generation: u16,
    pub(super) probe: bool,
}

impl Ticket {
    /// Whether the request is one of those that find out whether the server is well again.
    pub fn is_probe(self) -> bool {
        self.probe
    }
}

/// A request was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// After which it is worth asking again: the rest of the pause while rejecting, 1 s while probing or
    /// growing, 10 s while forced.
    pub retry_after: Duration,
}

/// A change of condition, or of whether it is forced. Each is handed out once, to the caller whose call
/// brought it about.
#[must_use = "nobody else is told of this transition"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What it was.
    pub from: Condition,
    /// What it is; the same as `from` if only the force on it changed.
    pub to: Condition,
    /// The reason.
    pub why: Why,
}

/// The reason of a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// [`consecutive_failures`](super::Rules::consecutive_failures) was reached.
    ConsecutiveFailures,
    /// [`failure_percent`](super::Rules::failure_percent) was reached.
    FailurePercent,
    /// [`slow_percent`](super::Rules::slow_percent) was reached.
    SlowPercent,
    /// The time of rejecting has passed.
    PauseOver,
    /// The server failed a probe.
    ProbeFailed,
    /// The server was slow on a probe.
    ProbeSlow,
    /// [`probe_successes`](super::Rules::probe_successes) was reached.
    ProbesSucceeded,
    /// An operator forced it.
    Forced,
    /// An operator let go of it.
    Released,
    /// The server has no breaker configured any more.
    RulesRemoved,
}

/// A breaker at a moment, to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// What happens to traffic.
    pub condition: Condition,
    /// Whether an operator holds it there.
    pub forced: bool,
    /// Since when, in milliseconds of the process.
    pub since: u64,
    /// When the pause ends, in milliseconds of the process; only while rejecting unforced.
    pub until: Option<u64>,
    /// Trips since it was last passing; from 31 on it says 31.
    pub trips_in_a_row: u32,
    /// Probes out at the moment.
    pub probes_in_flight: u32,
    /// Probes that succeeded since the pause ended.
    pub probe_successes: u32,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Passing, Self::Rejecting, Self::Probing];
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passing => "passing",
            Self::Rejecting => "rejecting",
            Self::Probing => "probing",
        })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConsecutiveFailures => "too many failures in a row",
            Self::FailurePercent => "too large a share of failures",
            Self::SlowPercent => "too large a share of slow calls",
            Self::PauseOver => "the pause is over",
            Self::ProbeFailed => "a probe failed",
            Self::ProbeSlow => "a probe was slow",
            Self::ProbesSucceeded => "enough probes succeeded",
            Self::Forced => "forced by an operator",
            Self::Released => "released by an operator",
            Self::RulesRemoved => "no breaker is configured any more",
        })
    }
}

impl fmt::Display for Transition {
    /// `passing → rejecting: too many failures in a row`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}: {}", self.from, self.to, self.why)
    }
}
