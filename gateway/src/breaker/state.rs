//! The breaker as a pure function: a state and an event give the next state.
//!
//! Every transition begins a generation. What comes of a request counts only in the generation that admitted
//! it, so nothing sent before a trip can close the breaker, trip it again or take a probe's place.

use std::time::Duration;

use super::{
    packed::MOST_PROBES,
    rules::Rules,
    words::{Condition, Forced, Rejection, Ticket, Why},
};

/// What a request is told to wait for that a probing or growing breaker did not admit: the next may be.
const SOON: Duration = Duration::from_secs(1);
/// What a request is told while an operator holds the breaker at rejecting: nobody knows how long.
const WHILE_FORCED: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) generation: u16,
    /// In a row, without passing in between.
    pub(super) trips: u8,
    pub(super) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// `recovered`: out of probing, so a ramp applies.
    Passing {
        since: u64,
        recovered: bool,
    },
    Rejecting {
        until: u64,
    },
    Probing {
        in_flight: u32,
        successes: u32,
    },
    Forced(Forced),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    /// Time has passed, or the rules have changed; `None` means that there are none.
    Clock(Option<&'a Rules>),
    /// A probe is sent that `admission` had a place for.
    Probe,
    /// A probe ended without an outcome.
    Lost(Ticket),
    /// A probe succeeded.
    Succeeded(Ticket, &'a Rules),
    /// A probe failed, or the window says so. `jitter` is in 0..1.
    Trip {
        ticket: Ticket,
        why: Why,
        rules: &'a Rules,
        jitter: f64,
    },
    Force(Forced),
    Release,
}

/// What becomes of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) state: State,
    /// If it is a transition, its reason and its moment.
    pub(super) transition: Option<(Why, u64)>,
}

impl Default for State {
    /// Passing ever since.
    fn default() -> Self {
        Self {
            generation: 0,
            trips: 0,
            phase: passing(0, false),
        }
    }
}

impl State {
    /// What becomes of it by `event` at `now`; `None` if it stays as it is.
    pub(super) fn next(self, event: Event<'_>, now: u64) -> Option<Next> {
        match (event, self.phase) {
            (Event::Force(to), Phase::Forced(held)) if held == to => None,
            (Event::Force(to), _) => self.begin(Phase::Forced(to), 0, Why::Forced, now),
            (Event::Release, Phase::Forced(_)) => self.begin(passing(now, false), 0, Why::Released, now),
            (Event::Clock(rules), _) => self.due(rules, now),
            (Event::Probe, Phase::Probing { in_flight, successes }) => self.stay(in_flight + 1, successes),
            (
                Event::Trip {
                    ticket,
                    why,
                    rules,
                    jitter,
                },
                _,
            ) if self.admitted(ticket) => self.trip(why, rules, jitter, now),
            (Event::Lost(ticket), Phase::Probing { in_flight, successes }) if self.admitted(ticket) => {
                self.stay(in_flight.saturating_sub(1), successes)
            }
            (Event::Succeeded(ticket, rules), Phase::Probing { in_flight, successes })
                if self.admitted(ticket) =>
            {
                let counted = self.stay(in_flight.saturating_sub(1), (successes + 1).min(MOST_PROBES))?;
                counted.state.due(Some(rules), now).or(Some(counted))
            }
            _ => None,
        }
    }

    /// Whether a request is admitted. A probe is only if [`Event::Probe`] follows on the same state.
    pub(super) fn admission(
        self,
        rules: Option<&Rules>,
        now: u64,
        chance: impl FnOnce() -> f64,
    ) -> Result<Ticket, Rejection> {
        match (self.phase, rules) {
            (Phase::Forced(Forced::Passing), _) => Ok(self.ticket()),
            (Phase::Forced(Forced::Rejecting), _) => Err(refused_for(WHILE_FORCED)),
            (_, None) => Ok(self.uncounted()),
            (Phase::Rejecting { until }, _) => {
                Err(refused_for(Duration::from_millis(until.saturating_sub(now))))
            }
            (Phase::Passing { since, recovered }, Some(rules)) => {
                let share = if recovered {
                    rules.share_after(now.saturating_sub(since))
                } else {
                    100.0
                };
                let admitted = share >= 100.0 || chance() * 100.0 < share;
                admitted.then_some(self.ticket()).ok_or(refused_for(SOON))
            }
            (Phase::Probing { in_flight, .. }, Some(rules)) => {
                let free = in_flight < rules.max_probes.min(MOST_PROBES);
                let admitted = free && chance() * 100.0 < f64::from(rules.probe_percent);
                admitted.then_some(self.ticket()).ok_or(refused_for(SOON))
            }
        }
    }

    pub(super) fn condition(self) -> Condition {
        match self.phase {
            Phase::Passing { .. } | Phase::Forced(Forced::Passing) => Condition::Passing,
            Phase::Rejecting { .. } | Phase::Forced(Forced::Rejecting) => Condition::Rejecting,
            Phase::Probing { .. } => Condition::Probing,
        }
    }

    /// For a request that goes out in this state.
    pub(super) fn ticket(self) -> Ticket {
        Ticket {
            generation: self.generation,
            probe: matches!(self.phase, Phase::Probing { .. }),
        }
    }

    /// For a request that goes out without rules: no probe, whatever the state.
    fn uncounted(self) -> Ticket {
        Ticket {
            probe: false,
            ..self.ticket()
        }
    }

    /// Whether `ticket` is of this generation and of its kind.
    pub(super) fn admitted(self, ticket: Ticket) -> bool {
        ticket == self.ticket()
    }

    /// What time and the rules by themselves make of it.
    fn due(self, rules: Option<&Rules>, now: u64) -> Option<Next> {
        match (self.phase, rules) {
            (Phase::Rejecting { .. } | Phase::Probing { .. }, None) => {
                self.begin(passing(now, false), 0, Why::RulesRemoved, now)
            }
            (Phase::Rejecting { until }, Some(_)) if until <= now => {
                let probing = Phase::Probing {
                    in_flight: 0,
                    successes: 0,
                };
                self.begin(probing, self.trips, Why::PauseOver, until)
            }
            (Phase::Probing { successes, .. }, Some(rules))
                if successes >= rules.probe_successes.min(MOST_PROBES) =>
            {
                self.begin(passing(now, true), 0, Why::ProbesSucceeded, now)
            }
            _ => None,
        }
    }

    fn trip(self, why: Why, rules: &Rules, jitter: f64, now: u64) -> Option<Next> {
        match self.phase {
            Phase::Passing { .. } | Phase::Probing { .. } => {
                let until = now.saturating_add(rules.pause(self.trips, jitter));
                self.begin(Phase::Rejecting { until }, self.trips.saturating_add(1), why, now)
            }
            Phase::Rejecting { .. } | Phase::Forced(_) => None,
        }
    }

    fn stay(self, in_flight: u32, successes: u32) -> Option<Next> {
        let phase = Phase::Probing { in_flight, successes };
        Some(Next {
            state: Self { phase, ..self },
            transition: None,
        })
    }

    fn begin(self, phase: Phase, trips: u8, why: Why, moment: u64) -> Option<Next> {
        let generation = self.generation.wrapping_add(1);
        Some(Next {
            state: Self {
                generation,
                trips,
                phase,
            },
            transition: Some((why, moment)),
        })
    }
}

/// Passing from the millisecond after `now` on, so that no slot of the window that began before is in it.
fn passing(now: u64, recovered: bool) -> Phase {
    let since = now.saturating_add(1);
    Phase::Passing { since, recovered }
}

fn refused_for(retry_after: Duration) -> Rejection {
    Rejection { retry_after }
}
