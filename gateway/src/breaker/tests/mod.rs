//! The breaker by itself, on a simulated clock.

mod forcing;
mod liveness;
mod naive;
mod packing;
mod pausing;
mod probing;
mod tripping;
mod window;

use std::time::Duration;

use super::{Breaker, Condition, Forced, Outcome, Rejection, Rules, Ticket, Transition, View, Why};

/// A chance that everything is admitted at, and one that nothing is short of 100 %.
const LUCKY: f64 = 0.0;
const UNLUCKY: f64 = 0.999_999;
/// The jitter that leaves a pause as it is.
const EVEN: f64 = 0.5;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// No criterion applies until a test sets it.
fn rules() -> Rules {
    Rules {
        consecutive_failures: None,
        failure_percent: None,
        slow_percent: None,
        slow_call: None,
        min_requests: 20,
        window: ms(10_000),
        rejecting_for: ms(10_000),
        max_rejecting_for: ms(60_000),
        probe_percent: 10,
        max_probes: 5,
        probe_successes: 5,
        ramp: None,
    }
}

/// Trips at the first failure.
fn touchy() -> Rules {
    Rules {
        consecutive_failures: Some(1),
        ..rules()
    }
}

/// A breaker, its rules and a clock.
struct Scene {
    breaker: Breaker,
    rules: Option<Rules>,
    now: u64,
    may_trip: bool,
    /// How often it was asked whether it may trip.
    asked: u32,
    jitter: f64,
    transitions: Vec<Transition>,
}

impl Scene {
    fn new(rules: Rules) -> Self {
        Self {
            breaker: Breaker::default(),
            rules: Some(rules),
            now: 1_000,
            may_trip: true,
            asked: 0,
            jitter: EVEN,
            transitions: Vec::new(),
        }
    }

    /// Tripped by a failure at this very moment.
    fn rejecting(rules: Rules) -> Self {
        let mut scene = Self::new(Rules {
            consecutive_failures: Some(1),
            ..rules
        });
        scene.run(Outcome::Failure);
        assert_eq!(scene.condition(), Condition::Rejecting);
        scene
    }

    /// Right after its first pause.
    fn probing(rules: Rules) -> Self {
        let mut scene = Self::rejecting(rules);
        scene.sit_out();
        assert_eq!(scene.condition(), Condition::Probing);
        scene
    }

    /// Came to pass after its first pause.
    fn recovered(rules: Rules) -> Self {
        let mut scene = Self::probing(rules);
        while scene.condition() == Condition::Probing {
            scene.run(Outcome::Success);
        }
        scene
    }

    fn ask(&mut self, chance: f64) -> Result<Ticket, Rejection> {
        let Self {
            breaker,
            rules,
            now,
            transitions,
            ..
        } = self;
        breaker.admit(
            rules.as_ref(),
            *now,
            || chance,
            |transition| transitions.push(transition),
        )
    }

    fn admit(&mut self) -> Ticket {
        self.ask(LUCKY).expect("admitted")
    }

    fn report(&mut self, ticket: Ticket, outcome: Outcome) {
        let Self {
            breaker,
            rules,
            now,
            may_trip,
            asked,
            jitter,
            transitions,
        } = self;
        let may_trip = || {
            *asked += 1;
            *may_trip
        };
        transitions.extend(breaker.report(rules.as_ref(), ticket, outcome, *now, may_trip, || *jitter));
    }

    fn run(&mut self, outcome: Outcome) {
        let ticket = self.admit();
        self.report(ticket, outcome);
    }

    fn run_all(&mut self, count: usize, outcome: Outcome) {
        (0..count).for_each(|_| self.run(outcome));
    }

    fn step(&mut self) {
        let transition = self.breaker.step(self.rules.as_ref(), self.now);
        self.transitions.extend(transition);
    }

    fn force(&mut self, to: Forced) {
        self.transitions.extend(self.breaker.force(to, self.now));
    }

    fn release(&mut self) {
        self.transitions.extend(self.breaker.release(self.now));
    }

    /// Moves on to the end of the pause and does nothing there.
    fn sit_out(&mut self) {
        self.now = self.view().until.expect("a pause");
    }

    fn view(&self) -> View {
        self.breaker.view(self.rules.as_ref(), self.now)
    }

    fn condition(&self) -> Condition {
        self.view().condition
    }

    fn reasons(&self) -> Vec<Why> {
        self.transitions.iter().map(|transition| transition.why).collect()
    }

    /// How long the pause is from this moment on.
    fn pause(&self) -> u64 {
        self.view().until.expect("a pause") - self.now
    }
}
