//! The breaker under every order of its threads' steps, as far as `loom` tells them apart.
//!
//! Up to three preemptions a run: what goes wrong between two threads shows with one or two.
//!
//! The files under test are taken in as they are, with loom's atomics for `crate::sync`.
#![allow(
    unreachable_pub,
    dead_code,
    reason = "they are written for a library, all of which is not used here"
)]

mod sync {
    pub use loom::sync::atomic::{AtomicU64, Ordering};
}

#[path = "../../gateway/src/breaker/cell.rs"]
mod cell;
#[path = "../../gateway/src/breaker/packed.rs"]
mod packed;
#[path = "../../gateway/src/breaker/rules.rs"]
mod rules;
#[path = "../../gateway/src/breaker/state.rs"]
mod state;
#[path = "../../gateway/src/breaker/window.rs"]
mod window;
#[path = "../../gateway/src/breaker/words.rs"]
mod words;

use std::time::Duration;

use loom::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread,
};

use cell::Breaker;
use rules::Rules;
use words::{Condition, Outcome, Rejection, Ticket, Transition, View, Why};

const START: u64 = 1_000;
const PAUSE: u64 = 10_000;

fn rules() -> Rules {
    Rules {
        consecutive_failures: Some(1),
        failure_percent: None,
        slow_percent: None,
        slow_call: None,
        min_requests: 20,
        window: Duration::from_secs(10),
        rejecting_for: Duration::from_millis(PAUSE),
        max_rejecting_for: Duration::from_secs(60),
        probe_percent: 100,
        max_probes: 1,
        probe_successes: 2,
        ramp: None,
    }
}

/// A breaker and its rules, shared by the threads of a run.
struct Shared {
    breaker: Breaker,
    rules: Rules,
}

impl Shared {
    fn new(rules: Rules) -> Arc<Self> {
        let breaker = Breaker::default();
        Arc::new(Self { breaker, rules })
    }

    /// Tripped at `START`, so that its pause ends at `START + PAUSE`.
    fn rejecting(rules: Rules) -> Arc<Self> {
        let shared = Self::new(rules);
        let (ticket, _) = shared.ask(START);
        let transition = shared.report(ticket.expect("admitted"), Outcome::Failure, START);
        assert_eq!(
            transition.map(|transition| transition.to),
            Some(Condition::Rejecting)
        );
        shared
    }

    fn probing(rules: Rules) -> Arc<Self> {
        let shared = Self::rejecting(rules);
        assert_eq!(reasons([shared.step(START + PAUSE)]), [Why::PauseOver]);
        shared
    }

    fn ask(&self, now: u64) -> (Result<Ticket, Rejection>, Option<Transition>) {
        let mut told = None;
        let tell = |transition| assert!(told.replace(transition).is_none());
        let answer = self.breaker.admit(Some(&self.rules), now, || 0.0, tell);
        (answer, told)
    }

    fn admit(&self, now: u64) -> Ticket {
        self.ask(now).0.expect("admitted")
    }

    fn report(&self, ticket: Ticket, outcome: Outcome, now: u64) -> Option<Transition> {
        self.breaker
            .report(Some(&self.rules), ticket, outcome, now, || true, || 0.5)
    }

    fn step(&self, now: u64) -> Option<Transition> {
        self.breaker.step(Some(&self.rules), now)
    }

    fn view(&self, now: u64) -> View {
        self.breaker.view(Some(&self.rules), now)
    }
}

fn explore(run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(run);
}

/// What the call of a thread and that of this one return.
fn both<T: 'static, U>(
    shared: &Arc<Shared>,
    theirs: impl FnOnce(&Shared) -> T + 'static,
    ours: impl FnOnce(&Shared) -> U,
) -> (T, U) {
    let other = Arc::clone(shared);
    let thread = thread::spawn(move || theirs(&other));
    let ours = ours(shared);
    (thread.join().expect("no panic"), ours)
}

fn reasons(transitions: impl IntoIterator<Item = Option<Transition>>) -> Vec<Why> {
    transitions
        .into_iter()
        .flatten()
        .map(|transition| transition.why)
        .collect()
}

#[test]
fn two_failures_at_once_make_one_transition_and_one_generation() {
    explore(|| {
        let shared = Shared::new(rules());
        let (one, other) = (shared.admit(START), shared.admit(START));
        let (a, b) = both(
            &shared,
            move |shared| shared.report(one, Outcome::Failure, START),
            |shared| shared.report(other, Outcome::Failure, START),
        );
        assert_eq!(reasons([a, b]), [Why::ConsecutiveFailures]);
        assert_eq!(shared.view(START).trips_in_a_row, 1);
        assert!(shared.step(START + PAUSE).is_some());
        let probe = shared.admit(START + PAUSE);
        assert_eq!(probe.generation, one.generation + 2);
    });
}

#[test]
fn two_that_enter_a_slot_together_are_both_counted() {
    explore(|| {
        let shared = Shared::new(Rules {
            consecutive_failures: Some(2),
            ..rules()
        });
        // The slot holds an outcome that has left the window.
        let early = shared.admit(START);
        assert_eq!(shared.report(early, Outcome::Failure, START), None);
        let turn = START + 10_000;
        let (one, other) = (shared.admit(turn), shared.admit(turn));
        let (a, b) = both(
            &shared,
            move |shared| shared.report(one, Outcome::Failure, turn),
            |shared| shared.report(other, Outcome::Failure, turn),
        );
        assert_eq!(reasons([a, b]), [Why::ConsecutiveFailures]);
    });
}

#[test]
fn a_success_and_a_failure_at_once_are_in_one_order_or_the_other() {
    explore(|| {
        let shared = Shared::new(Rules {
            consecutive_failures: Some(2),
            ..rules()
        });
        let (first, one, other) = (shared.admit(START), shared.admit(START), shared.admit(START));
        assert_eq!(shared.report(first, Outcome::Failure, START), None);
        let (a, b) = both(
            &shared,
            move |shared| shared.report(one, Outcome::Failure, START),
            |shared| shared.report(other, Outcome::Success, START),
        );
        assert_eq!(b, None);
        let condition = if a.is_some() {
            Condition::Rejecting
        } else {
            Condition::Passing
        };
        assert_eq!(shared.view(START).condition, condition);
    });
}

#[test]
fn the_end_of_a_pause_is_told_once_however_many_find_it() {
    explore(|| {
        let shared = Shared::rejecting(Rules {
            max_probes: 2,
            ..rules()
        });
        let now = START + PAUSE;
        let third = Arc::clone(&shared);
        let third = thread::spawn(move || third.ask(now));
        let ((one, told), stepped) = both(&shared, move |shared| shared.ask(now), |shared| shared.step(now));
        let (other, also_told) = third.join().expect("no panic");
        assert_eq!(reasons([told, stepped, also_told]), [Why::PauseOver]);
        assert!(one.is_ok_and(Ticket::is_probe) && other.is_ok_and(Ticket::is_probe));
        assert_eq!(shared.view(now).probes_in_flight, 2);
    });
}

#[test]
fn probes_given_back_and_admitted_at_once_are_never_too_many_and_leave_no_place_taken() {
    explore(|| {
        let shared = Shared::probing(rules());
        let now = START + PAUSE;
        let out = Arc::new(AtomicU32::new(1));
        let first = shared.admit(now);
        let lose = |shared: &Shared, out: &AtomicU32, ticket| {
            out.fetch_sub(1, SeqCst);
            shared.breaker.give_back(ticket);
        };
        let ask = move |shared: &Shared, out: &AtomicU32| {
            if let Ok(ticket) = shared.ask(now).0 {
                assert_eq!(out.fetch_add(1, SeqCst), 0, "one at a time");
                lose(shared, out, ticket);
            }
        };
        let (counted, third) = (Arc::clone(&out), Arc::clone(&shared));
        let third = thread::spawn(move || ask(&third, &counted));
        let counted = Arc::clone(&out);
        both(
            &shared,
            move |shared| ask(shared, &counted),
            |shared| lose(shared, &out, first),
        );
        third.join().expect("no panic");
        assert_eq!(shared.view(now).probes_in_flight, 0);
        assert!(shared.ask(now).0.is_ok());
        assert!(shared.ask(now).0.is_err());
    });
}

#[test]
fn a_probe_that_succeeds_and_one_that_fails_at_once_make_one_transition() {
    explore(|| {
        let shared = Shared::probing(Rules {
            max_probes: 2,
            probe_successes: 1,
            ..rules()
        });
        let now = START + PAUSE;
        let (good, bad) = (shared.admit(now), shared.admit(now));
        let (succeeded, failed) = both(
            &shared,
            move |shared| shared.report(good, Outcome::Success, now),
            |shared| shared.report(bad, Outcome::Failure, now),
        );
        let expected = if succeeded.is_some() {
            Condition::Passing
        } else {
            Condition::Rejecting
        };
        assert_eq!(reasons([succeeded, failed]).len(), 1);
        assert_eq!(shared.view(now).condition, expected);
    });
}

#[test]
fn the_last_success_racing_with_a_step_is_told_once() {
    explore(|| {
        let shared = Shared::probing(Rules {
            max_probes: 2,
            ..rules()
        });
        let now = START + PAUSE;
        let (one, other) = (shared.admit(now), shared.admit(now));
        assert_eq!(shared.report(one, Outcome::Success, now), None);
        let third = Arc::clone(&shared);
        let third = thread::spawn(move || third.step(now));
        let (reported, stepped) = both(
            &shared,
            move |shared| shared.report(other, Outcome::Success, now),
            |shared| {
                // The rules have changed here and not yet there.
                let fewer = Rules {
                    probe_successes: 1,
                    ..rules()
                };
                shared.breaker.step(Some(&fewer), now)
            },
        );
        let idle = third.join().expect("no panic");
        assert_eq!(reasons([reported, stepped, idle]), [Why::ProbesSucceeded]);
        assert_eq!(shared.view(now).condition, Condition::Passing);
    });
}

#[test]
fn a_late_failure_racing_with_the_end_of_the_pause_changes_nothing() {
    explore(|| {
        let shared = Shared::new(rules());
        let (late, first) = (shared.admit(START), shared.admit(START));
        assert!(shared.report(first, Outcome::Failure, START).is_some());
        let now = START + PAUSE;
        let (reported, stepped) = both(
            &shared,
            move |shared| shared.report(late, Outcome::Failure, now),
            |shared| shared.step(now),
        );
        assert_eq!(reasons([reported, stepped]), [Why::PauseOver]);
        assert_eq!(shared.view(now).condition, Condition::Probing);
    });
}

#[test]
fn a_probe_failing_while_another_is_admitted_leaves_no_place_taken_in_the_next_round() {
    explore(|| {
        let shared = Shared::probing(Rules {
            max_probes: 2,
            ..rules()
        });
        let now = START + PAUSE;
        let bad = shared.admit(now);
        let (asked, failed) = both(
            &shared,
            move |shared| shared.ask(now).0,
            |shared| shared.report(bad, Outcome::Failure, now),
        );
        assert_eq!(reasons([failed]), [Why::ProbeFailed]);
        let next = shared.view(now).until.expect("a pause");
        assert!(shared.step(next).is_some());
        if let Ok(ticket) = asked {
            shared.breaker.give_back(ticket);
        }
        assert_eq!(shared.view(next).probes_in_flight, 0);
    });
}
