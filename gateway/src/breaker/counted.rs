//! A breaker that counts and logs what it does: the one of a server or of a route.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use serde::Serialize;

use super::{Breaker, Condition, Forced, Outcome, Rejection, Rules, Ticket, Transition};
use crate::clock::Moment;

/// A [`Breaker`], how often it refused, and how often it came to be what. Each transition is logged once, under the name of its owner.
#[derive(Debug, Default)]
pub struct Counted {
    breaker: Breaker,
    refused: AtomicU64,
    transitions: [AtomicU64; Condition::ALL.len()],
}

impl Counted {
    /// [`Breaker::admit`] with chance from the system.
    pub(crate) fn admit(
        &self,
        owner: impl fmt::Display,
        rules: Option<&Rules>,
        now: Moment,
    ) -> Result<Ticket, Rejection> {
        let tell = |transition| self.note(owner, transition);
        let admitted = self.breaker.admit(rules, now.millis(), fastrand::f64, tell);
        if admitted.is_err() {
            self.refused.fetch_add(1, Relaxed);
        }
        admitted
    }

    /// [`Breaker::report`] with chance from the system. Says whether that began a pause.
    pub(crate) fn report(
        &self,
        owner: impl fmt::Display,
        rules: Option<&Rules>,
        ticket: Ticket,
        outcome: Outcome,
        now: Moment,
        may_trip: impl FnOnce() -> bool,
    ) -> bool {
        let report = self
            .breaker
            .report(rules, ticket, outcome, now.millis(), may_trip, fastrand::f64);
        let Some(transition) = report else { return false };
        self.note(owner, transition);
        transition.to == Condition::Rejecting
    }

    /// [`Breaker::give_back`].
    pub(crate) fn give_back(&self, ticket: Ticket) {
        self.breaker.give_back(ticket);
    }

    /// What time has made due, so that it is logged without traffic too.
    pub(crate) fn step(&self, owner: impl fmt::Display, rules: Option<&Rules>, now: Moment) {
        if let Some(transition) = self.breaker.step(rules, now.millis()) {
            self.note(owner, transition);
        }
    }

    /// Holds it, or lets go of it.
    pub(crate) fn force(&self, owner: impl fmt::Display, to: Option<Forced>, now: Moment) {
        let transition = match to {
            Some(to) => self.breaker.force(to, now.millis()),
            None => self.breaker.release(now.millis()),
        };
        if let Some(transition) = transition {
            self.note(owner, transition);
        }
    }

    /// Whether it is anything else than passing.
    pub(crate) fn is_tripped(&self, rules: Option<&Rules>, now: Moment) -> bool {
        self.breaker.view(rules, now.millis()).condition != Condition::Passing
    }

    /// How it stands at `now`.
    pub(crate) fn status(&self, rules: Option<&Rules>, now: Moment) -> BreakerStatus {
        let view = self.breaker.view(rules, now.millis());
        let since = Moment::from_millis(view.since);
        BreakerStatus {
            state: view.condition,
            forced: view.forced,
            since_unix_ms: since.unix_ms(),
            rejecting_for_ms: view.until.map(|until| until.saturating_sub(now.millis())),
            trips_in_a_row: view.trips_in_a_row,
            probes_in_flight: view.probes_in_flight,
            probe_successes: view.probe_successes,
            refused: self.refused.load(Relaxed),
            transitions: Condition::ALL
                .map(|condition| (condition, self.transitions[condition as usize].load(Relaxed))),
        }
    }

    fn note(&self, owner: impl fmt::Display, transition: Transition) {
        if transition.from != transition.to {
            self.transitions[transition.to as usize].fetch_add(1, Relaxed);
        }
        match transition.to {
            Condition::Rejecting => log::warn!("{owner}: breaker {transition}"),
            Condition::Passing | Condition::Probing => log::info!("{owner}: breaker {transition}"),
        }
    }
}

/// A breaker as `/status` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct BreakerStatus {
    /// What happens to traffic: `passing`, `rejecting` or `probing`.
    pub state: Condition,
    /// Whether somebody holds it there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
    /// Since when, in milliseconds of Unix time.
    pub since_unix_ms: u64,
    /// How long the pause still is, in milliseconds; absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejecting_for_ms: Option<u64>,
    /// How often it tripped since it was last passing.
    pub trips_in_a_row: u32,
    /// Requests under way that find out whether all is well again.
    pub probes_in_flight: u32,
    /// How many of them ended well since the pause.
    pub probe_successes: u32,
    /// Requests it has refused so far.
    pub refused: u64,
    /// How often it came to be what.
    #[serde(serialize_with = "as_map")]
    pub transitions: [(Condition, u64); Condition::ALL.len()],
}

fn as_map<S: serde::Serializer>(
    transitions: &[(Condition, u64); Condition::ALL.len()],
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_map(transitions.iter().copied())
}
