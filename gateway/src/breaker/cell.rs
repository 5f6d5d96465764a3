//! The breaker itself: a state that changes in one atomic step, and a window of outcomes.
//!
//! Whoever's compare-and-exchange makes a transition is handed it, so each is logged and counted once
//! whatever the number of threads. The state is one word and nothing else is published through it, so all is
//! `Relaxed`.

use std::cell::LazyCell;

use crate::sync::{AtomicU64, Ordering::Relaxed};

use super::{
    rules::{Rules, millis},
    state::{Event, Next, Phase, State},
    window::{Span, Window},
    words::{Forced, Outcome, Rejection, Ticket, Transition, View, Why},
};

/// The breaker of one server on this proxy. It outlives changes of its rules.
///
/// `rules: None` means that none are configured: then only force has an effect. `now` is in milliseconds
/// since an epoch of the process, and must not run backwards by more than threads overtake each other.
#[derive(Debug)]
pub struct Breaker {
    state: AtomicU64,
    /// When the last transition was. Lags behind `state` for an instant, and is only shown.
    changed_at: AtomicU64,
    window: Window,
}

impl Default for Breaker {
    /// Passing.
    fn default() -> Self {
        Self {
            state: AtomicU64::new(State::default().pack()),
            changed_at: AtomicU64::new(0),
            window: Window::default(),
        }
    }
}

impl Breaker {
    /// Asks for the right to send a request.
    ///
    /// `chance` is uniform in 0..1 and asked at most once, only while probing or growing. `tell` is given the
    /// transition if it was this call that found the pause to be over.
    #[inline]
    pub fn admit(
        &self,
        rules: Option<&Rules>,
        now: u64,
        chance: impl FnOnce() -> f64,
        tell: impl FnOnce(Transition),
    ) -> Result<Ticket, Rejection> {
        let state = self.state();
        if let Phase::Passing { .. } = state.phase {
            return state.admission(rules, now, chance);
        }
        if let Some(transition) = self.step(rules, now) {
            tell(transition);
        }
        self.admit_some(rules, now, chance)
    }

    /// Brings back a ticket with what came of its request.
    ///
    /// `may_trip` is asked at most once, and only if a passing breaker would trip. If it says no the breaker
    /// stays passing and asks again at the next outcome that it would trip on. If it took a place among those
    /// that may reject and this call returns no transition to rejecting, another thread was faster: the place
    /// is to be given back. A failed probe does not ask: its server counts as rejecting ever since it
    /// tripped. `jitter` is uniform in 0..1, asked at most once.
    #[inline]
    pub fn report(
        &self,
        rules: Option<&Rules>,
        ticket: Ticket,
        outcome: Outcome,
        now: u64,
        may_trip: impl FnOnce() -> bool,
        jitter: impl FnOnce() -> f64,
    ) -> Option<Transition> {
        let Some(rules) = rules else {
            self.give_back(ticket);
            return None;
        };
        let why = if !ticket.probe {
            self.count(rules, ticket, outcome, now).filter(|_| may_trip())?
        } else if let Some(why) = rules.probe_failure(outcome) {
            why
        } else {
            return self.apply(Event::Succeeded(ticket, rules), now);
        };
        let jitter = jitter();
        let trip = Event::Trip {
            ticket,
            why,
            rules,
            jitter,
        };
        self.apply(trip, now)
    }

    /// Brings back a ticket whose request came to nothing: it was cancelled, or never sent. Counts as neither
    /// success nor failure.
    pub fn give_back(&self, ticket: Ticket) {
        if ticket.probe {
            // No transition, so no moment.
            let _ = self.apply(Event::Lost(ticket), 0);
        }
    }

    /// Does what time, or a change of the rules, has made due. Needs no traffic; [`admit`](Self::admit) does
    /// the same by itself.
    pub fn step(&self, rules: Option<&Rules>, now: u64) -> Option<Transition> {
        self.apply(Event::Clock(rules), now)
    }

    /// When the next [`step`](Self::step) is due by time: the end of the pause of a rejecting breaker.
    pub fn next_step_at(&self) -> Option<u64> {
        match self.state().phase {
            Phase::Rejecting { until } => Some(until),
            _ => None,
        }
    }

    /// What it is at `now`, a step that is due and not done yet included.
    pub fn view(&self, rules: Option<&Rules>, now: u64) -> View {
        let state = self.state();
        let due = state.next(Event::Clock(rules), now);
        let state = due.map_or(state, |next| next.state);
        let due_at = due.and_then(|next| next.transition).map(|(_, moment)| moment);
        let (until, probes_in_flight, probe_successes) = match state.phase {
            Phase::Rejecting { until } => (Some(until), 0, 0),
            Phase::Probing { in_flight, successes } => (None, in_flight, successes),
            Phase::Passing { .. } | Phase::Forced(_) => (None, 0, 0),
        };
        View {
            condition: state.condition(),
            forced: matches!(state.phase, Phase::Forced(_)),
            since: due_at.unwrap_or_else(|| self.changed_at.load(Relaxed)),
            until,
            trips_in_a_row: state.trips.into(),
            probes_in_flight,
            probe_successes,
        }
    }

    /// Holds it at passing or rejecting until [`release`](Self::release). `None` if it is held there already.
    pub fn force(&self, to: Forced, now: u64) -> Option<Transition> {
        self.apply(Event::Force(to), now)
    }

    /// Lets go of a forced breaker: it is passing, with nothing counted. `None` if it was not forced.
    pub fn release(&self, now: u64) -> Option<Transition> {
        self.apply(Event::Release, now)
    }

    /// What `admit` does unless the breaker is passing: a probe takes its place in the state.
    fn admit_some(
        &self,
        rules: Option<&Rules>,
        now: u64,
        chance: impl FnOnce() -> f64,
    ) -> Result<Ticket, Rejection> {
        let chance = LazyCell::new(chance);
        loop {
            let word = self.state.load(Relaxed);
            let state = State::unpack(word);
            let ticket = state.admission(rules, now, || *chance)?;
            if !ticket.probe {
                return Ok(ticket);
            }
            // Always something: only a probing breaker hands out probes.
            let next = state
                .next(Event::Probe, now)
                .map_or(word, |next| next.state.pack());
            if self
                .state
                .compare_exchange_weak(word, next, Relaxed, Relaxed)
                .is_ok()
            {
                return Ok(ticket);
            }
        }
    }

    /// Counts the outcome of a request that was admitted while passing, and says why to trip, if there is a
    /// reason.
    fn count(&self, rules: &Rules, ticket: Ticket, outcome: Outcome, now: u64) -> Option<Why> {
        let state = self.state();
        let Phase::Passing { since, .. } = state.phase else {
            return None;
        };
        if !state.admitted(ticket) {
            return None;
        }
        let span = Span::new(since, now, millis(rules.window));
        self.window.count(outcome, span);
        if !self.window.may_matter(outcome, span) {
            return None;
        }
        let sum = self.window.sum(span);
        let why = rules.verdict(&sum);
        if why.is_some() {
            self.window.unsettle();
        } else if rules.can_judge(&sum) {
            self.window.settle(span);
        }
        why
    }

    fn state(&self) -> State {
        State::unpack(self.state.load(Relaxed))
    }

    /// Lets `event` happen. What is returned is of this call alone: another's exchange in between makes it
    /// look again.
    fn apply(&self, event: Event<'_>, now: u64) -> Option<Transition> {
        let mut word = self.state.load(Relaxed);
        loop {
            let before = State::unpack(word);
            let next = before.next(event, now)?;
            match self
                .state
                .compare_exchange_weak(word, next.state.pack(), Relaxed, Relaxed)
            {
                Ok(_) => return self.transition(before, next),
                Err(seen) => word = seen,
            }
        }
    }

    fn transition(&self, before: State, next: Next) -> Option<Transition> {
        let (why, moment) = next.transition?;
        // Moments grow, so a thread that comes late with an earlier one leaves the later.
        self.changed_at.fetch_max(moment, Relaxed);
        Some(Transition {
            from: before.condition(),
            to: next.state.condition(),
            why,
        })
    }
}
