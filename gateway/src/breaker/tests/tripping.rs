//! From passing to rejecting.

use super::*;
use Outcome::{Failure, Slow, Success};

fn shares(failure_percent: u32, min_requests: u32) -> Rules {
    Rules {
        failure_percent: Some(failure_percent),
        min_requests,
        ..rules()
    }
}

fn slow_shares(slow_percent: u32, min_requests: u32) -> Rules {
    Rules {
        slow_percent: Some(slow_percent),
        slow_call: Some(ms(2_000)),
        min_requests,
        ..rules()
    }
}

#[test]
fn it_trips_at_the_last_of_the_failures_in_a_row() {
    let mut scene = Scene::new(Rules {
        consecutive_failures: Some(5),
        ..rules()
    });
    scene.run_all(4, Failure);
    assert_eq!(scene.condition(), Condition::Passing);
    scene.run(Failure);
    assert_eq!(scene.condition(), Condition::Rejecting);
    let transition = Transition {
        from: Condition::Passing,
        to: Condition::Rejecting,
        why: Why::ConsecutiveFailures,
    };
    assert_eq!(scene.transitions, [transition]);
}

#[test]
fn a_success_ends_a_row_of_failures_even_if_slow() {
    for success in [Success, Slow] {
        let mut scene = Scene::new(Rules {
            consecutive_failures: Some(5),
            ..slow_shares(100, 1_000)
        });
        for _ in 0..10 {
            scene.run_all(4, Failure);
            scene.run(success);
            scene.now += 700;
        }
        assert_eq!(scene.transitions, []);
    }
}

#[test]
fn a_success_of_an_earlier_slot_ends_only_the_failures_before_it() {
    let mut scene = Scene::new(Rules {
        consecutive_failures: Some(5),
        ..rules()
    });
    scene.run_all(4, Failure);
    scene.now += 1_000;
    scene.run(Success);
    scene.run_all(2, Failure);
    scene.now += 1_000;
    scene.run_all(2, Failure);
    assert_eq!(scene.condition(), Condition::Passing);
    scene.run(Failure);
    assert_eq!(scene.condition(), Condition::Rejecting);
}

#[test]
fn failures_in_a_row_count_only_within_the_window() {
    let mut scene = Scene::new(Rules {
        consecutive_failures: Some(5),
        ..rules()
    });
    for _ in 0..20 {
        scene.run(Failure);
        scene.now += 2_501;
    }
    assert_eq!(scene.transitions, []);
    scene.run_all(2, Failure);
    assert_eq!(scene.reasons(), [Why::ConsecutiveFailures]);
}

#[test]
fn it_trips_at_its_share_of_failures() {
    let mut scene = Scene::new(shares(50, 20));
    (0..11).for_each(|_| scene.run(Success));
    scene.run_all(10, Failure);
    assert_eq!(scene.condition(), Condition::Passing);
    scene.run(Failure);
    assert_eq!(scene.reasons(), [Why::FailurePercent]);
}

#[test]
fn a_share_of_fewer_than_the_least_requests_says_nothing() {
    let mut scene = Scene::new(shares(50, 20));
    scene.run_all(19, Failure);
    assert_eq!(scene.condition(), Condition::Passing);
    scene.run(Failure);
    assert_eq!(scene.reasons(), [Why::FailurePercent]);
}

#[test]
fn it_trips_when_a_success_completes_the_least_requests() {
    let mut scene = Scene::new(shares(50, 20));
    scene.run_all(19, Failure);
    scene.run(Success);
    assert_eq!(scene.reasons(), [Why::FailurePercent]);
}

#[test]
fn it_trips_at_its_share_of_slow_calls() {
    let mut scene = Scene::new(slow_shares(80, 10));
    scene.run_all(2, Success);
    scene.run_all(7, Slow);
    assert_eq!(scene.condition(), Condition::Passing);
    scene.run(Slow);
    assert_eq!(scene.reasons(), [Why::SlowPercent]);
}

#[test]
fn a_success_that_completes_the_least_requests_trips_on_slow_calls_too() {
    let mut scene = Scene::new(slow_shares(80, 10));
    scene.run_all(9, Slow);
    scene.run(Success);
    assert_eq!(scene.reasons(), [Why::SlowPercent]);
}

#[test]
fn a_call_is_slow_only_from_the_limit_on_and_only_with_a_share_to_trip_at() {
    let rules = slow_shares(80, 10);
    assert!(rules.is_slow(ms(2_000)));
    assert!(!rules.is_slow(ms(1_999)));
    assert!(
        !Rules {
            slow_percent: None,
            ..rules.clone()
        }
        .is_slow(ms(2_001))
    );
    assert!(
        !Rules {
            slow_call: None,
            ..rules
        }
        .is_slow(ms(2_001))
    );
}

#[test]
fn criteria_that_are_not_set_do_not_trip_it() {
    let mut scene = Scene::new(rules());
    scene.run_all(100, Failure);
    scene.run_all(100, Slow);
    assert_eq!(scene.transitions, []);
}

#[test]
fn outcomes_older_than_the_window_do_not_count() {
    let mut scene = Scene::new(shares(50, 20));
    scene.run_all(19, Failure);
    scene.now += 10_000;
    scene.run_all(19, Failure);
    assert_eq!(scene.transitions, []);
    scene.run(Failure);
    assert_eq!(scene.reasons(), [Why::FailurePercent]);
}

#[test]
fn outcomes_within_nine_tenths_of_the_window_count() {
    for offset in (0..1_000).step_by(37) {
        let mut scene = Scene::new(shares(50, 20));
        scene.now += offset;
        scene.run_all(19, Failure);
        scene.now += 9_000;
        scene.run(Failure);
        assert_eq!(scene.reasons(), [Why::FailurePercent]);
    }
}

#[test]
fn one_refused_to_trip_stays_passing_and_asks_again() {
    let mut scene = Scene::new(Rules {
        consecutive_failures: Some(3),
        ..rules()
    });
    scene.may_trip = false;
    scene.run_all(5, Failure);
    assert_eq!((scene.condition(), scene.asked), (Condition::Passing, 3));
    scene.may_trip = true;
    scene.run(Failure);
    assert_eq!((scene.condition(), scene.asked), (Condition::Rejecting, 4));
}

#[test]
fn a_breaker_without_reason_to_trip_does_not_ask() {
    let mut scene = Scene::new(Rules {
        consecutive_failures: Some(3),
        ..shares(50, 20)
    });
    for _ in 0..100 {
        scene.run_all(2, Failure);
        scene.run_all(3, Success);
    }
    assert_eq!(scene.asked, 0);
}

#[test]
fn a_cancelled_request_is_neither_success_nor_failure() {
    let mut scene = Scene::new(Rules {
        consecutive_failures: Some(2),
        ..shares(50, 3)
    });
    scene.run(Failure);
    for _ in 0..10 {
        let ticket = scene.admit();
        scene.breaker.give_back(ticket);
    }
    assert_eq!(scene.condition(), Condition::Passing);
    scene.run(Failure);
    assert_eq!(scene.reasons(), [Why::ConsecutiveFailures]);
}

#[test]
fn outcomes_of_requests_sent_before_the_trip_change_nothing() {
    let mut scene = Scene::new(touchy());
    let late: Vec<Ticket> = (0..5).map(|_| scene.admit()).collect();
    scene.run(Failure);
    let tripped = scene.view();
    for (ticket, outcome) in late.into_iter().zip([Failure, Success, Slow, Failure, Success]) {
        scene.report(ticket, outcome);
    }
    assert_eq!(scene.view(), tripped);
    assert_eq!(scene.transitions.len(), 1);
}

#[test]
fn outcomes_of_before_a_trip_do_not_count_after_recovery() {
    // All of it within one slot of the window.
    let quick = Rules {
        rejecting_for: ms(10),
        window: ms(300_000),
        ..shares(50, 20)
    };
    let mut scene = Scene::new(Rules {
        probe_successes: 1,
        ..quick
    });
    scene.run_all(20, Failure);
    scene.sit_out();
    scene.run(Success);
    assert_eq!(scene.condition(), Condition::Passing);
    scene.run_all(19, Failure);
    assert_eq!(scene.condition(), Condition::Passing);
    scene.run(Failure);
    assert_eq!(scene.condition(), Condition::Rejecting);
}

#[test]
fn a_transition_reads_as_a_sentence() {
    let scene = Scene::rejecting(rules());
    assert_eq!(
        scene.transitions[0].to_string(),
        "passing → rejecting: too many failures in a row"
    );
}
