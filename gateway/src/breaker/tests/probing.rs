//! From probing to passing, or back.

use super::*;
use Outcome::{Failure, Slow, Success};

#[test]
fn only_its_share_of_requests_become_probes() {
    let mut scene = Scene::probing(Rules {
        max_probes: 1_000,
        ..rules()
    });
    assert!(scene.ask(0.099).is_ok());
    assert_eq!(
        scene.ask(0.1),
        Err(Rejection {
            retry_after: ms(1_000)
        })
    );
    let chances = (0..1_000).map(|nth| f64::from(nth) / 1_000.0);
    assert_eq!(chances.filter(|&chance| scene.ask(chance).is_ok()).count(), 100);
}

#[test]
fn no_more_probes_are_out_than_allowed() {
    let mut scene = Scene::probing(rules());
    let out: Vec<Ticket> = (0..5).map(|_| scene.admit()).collect();
    assert!(out.iter().all(|ticket| ticket.is_probe()));
    assert!(scene.ask(LUCKY).is_err());
    scene.report(out[0], Success);
    assert!(scene.ask(LUCKY).is_ok());
    assert!(scene.ask(LUCKY).is_err());
}

#[test]
fn enough_successes_in_a_row_let_it_pass() {
    let mut scene = Scene::probing(rules());
    scene.run_all(4, Success);
    let view = scene.view();
    assert_eq!(
        (view.condition, view.probe_successes, view.probes_in_flight),
        (Condition::Probing, 4, 0)
    );
    scene.run(Success);
    assert_eq!(scene.condition(), Condition::Passing);
    assert_eq!(scene.reasons()[1..], [Why::PauseOver, Why::ProbesSucceeded]);
}

#[test]
fn one_failure_makes_it_reject_again() {
    let mut scene = Scene::probing(rules());
    scene.run_all(4, Success);
    scene.run(Failure);
    assert_eq!((scene.condition(), scene.pause()), (Condition::Rejecting, 20_000));
    assert_eq!(scene.reasons()[1..], [Why::PauseOver, Why::ProbeFailed]);
    scene.sit_out();
    assert_eq!(scene.view().probe_successes, 0);
}

#[test]
fn a_failed_probe_does_not_ask_whether_it_may_trip() {
    let mut scene = Scene::probing(rules());
    let asked = scene.asked;
    scene.may_trip = false;
    scene.run(Failure);
    assert_eq!((scene.condition(), scene.asked), (Condition::Rejecting, asked));
}

#[test]
fn a_slow_probe_fails_only_where_slow_calls_can_trip() {
    let mut scene = Scene::probing(Rules {
        slow_percent: Some(80),
        slow_call: Some(ms(100)),
        ..rules()
    });
    scene.run(Slow);
    assert_eq!(scene.reasons()[1..], [Why::PauseOver, Why::ProbeSlow]);
    let mut scene = Scene::probing(rules());
    scene.run(Slow);
    assert_eq!(
        (scene.condition(), scene.view().probe_successes),
        (Condition::Probing, 1)
    );
}

#[test]
fn a_lost_probe_frees_its_place_and_counts_as_nothing() {
    let mut scene = Scene::probing(rules());
    for _ in 0..10 {
        let out: Vec<Ticket> = (0..5).map(|_| scene.admit()).collect();
        assert!(scene.ask(LUCKY).is_err());
        out.into_iter().for_each(|ticket| scene.breaker.give_back(ticket));
    }
    let view = scene.view();
    assert_eq!(
        (view.condition, view.probes_in_flight, view.probe_successes),
        (Condition::Probing, 0, 0)
    );
    scene.run_all(5, Success);
    assert_eq!(scene.condition(), Condition::Passing);
}

#[test]
fn a_success_that_arrives_late_does_not_let_it_pass() {
    let mut scene = Scene::new(Rules {
        probe_successes: 1,
        ..touchy()
    });
    let late: Vec<Ticket> = (0..3).map(|_| scene.admit()).collect();
    scene.run(Failure);
    scene.report(late[0], Success);
    assert_eq!(scene.condition(), Condition::Rejecting);
    scene.sit_out();
    scene.step();
    scene.report(late[1], Success);
    assert_eq!(
        (scene.condition(), scene.view().probe_successes),
        (Condition::Probing, 0)
    );
    scene.report(late[2], Failure);
    assert_eq!(scene.condition(), Condition::Probing);
}

#[test]
fn probes_of_an_earlier_round_change_nothing_in_a_later_one() {
    let mut scene = Scene::probing(rules());
    let late: Vec<Ticket> = (0..4).map(|_| scene.admit()).collect();
    scene.run(Failure);
    scene.sit_out();
    let ticket = scene.admit();
    let before = scene.view();
    scene.report(late[0], Success);
    scene.report(late[1], Failure);
    scene.report(late[2], Slow);
    scene.breaker.give_back(late[3]);
    assert_eq!(scene.view(), before);
    scene.report(ticket, Success);
    assert_eq!(scene.view().probe_successes, 1);
}

#[test]
fn probes_that_end_after_it_passes_change_nothing() {
    let mut scene = Scene::probing(rules());
    let late = [scene.admit(), scene.admit()];
    scene.run_all(5, Success);
    scene.report(late[0], Failure);
    scene.breaker.give_back(late[1]);
    assert_eq!(scene.condition(), Condition::Passing);
}

#[test]
fn fewer_successes_asked_for_than_there_were_let_it_pass_at_the_next_step() {
    let mut scene = Scene::probing(rules());
    scene.run_all(3, Success);
    scene.rules = Some(Rules {
        probe_successes: 2,
        ..touchy()
    });
    assert_eq!(scene.condition(), Condition::Passing);
    assert!(!scene.admit().is_probe());
    assert_eq!(scene.reasons()[1..], [Why::PauseOver, Why::ProbesSucceeded]);
}

#[test]
fn fewer_probes_allowed_than_are_out_admits_none_until_they_are_back() {
    let mut scene = Scene::probing(rules());
    let out: Vec<Ticket> = (0..5).map(|_| scene.admit()).collect();
    scene.rules = Some(Rules {
        max_probes: 2,
        ..touchy()
    });
    for ticket in &out[..3] {
        scene.breaker.give_back(*ticket);
        assert!(scene.ask(LUCKY).is_err());
    }
    scene.breaker.give_back(out[3]);
    assert!(scene.ask(LUCKY).is_ok());
}

#[test]
fn more_successes_asked_for_than_can_be_counted_are_not_waited_for() {
    let mut scene = Scene::probing(Rules {
        probe_successes: u32::MAX,
        ..rules()
    });
    scene.run_all((1 << 20) - 2, Success);
    assert_eq!(scene.condition(), Condition::Probing);
    scene.run(Success);
    assert_eq!(scene.condition(), Condition::Passing);
}

#[test]
fn without_a_ramp_a_recovered_breaker_admits_everything_at_once() {
    let mut scene = Scene::recovered(rules());
    assert!(scene.ask(UNLUCKY).is_ok());
}

#[test]
fn the_share_grows_evenly_from_that_of_probes_to_all() {
    let mut scene = Scene::recovered(Rules {
        ramp: Some(ms(9_000)),
        ..rules()
    });
    let start = scene.now + 1;
    for (passed, percent) in [(0, 10.0), (1_000, 20.0), (4_500, 55.0), (8_900, 99.0)] {
        scene.now = start + passed;
        assert!(scene.ask((percent - 0.01) / 100.0).is_ok(), "{percent}");
        assert_eq!(
            scene.ask((percent + 0.01) / 100.0),
            Err(Rejection {
                retry_after: ms(1_000)
            })
        );
    }
    scene.now = start + 9_000;
    assert!(scene.ask(UNLUCKY).is_ok());
}

#[test]
fn a_breaker_that_never_tripped_does_not_grow() {
    let mut scene = Scene::new(Rules {
        ramp: Some(ms(300_000)),
        ..rules()
    });
    assert!(scene.ask(UNLUCKY).is_ok());
}

#[test]
fn a_growing_breaker_trips_like_any_other() {
    let mut scene = Scene::recovered(Rules {
        ramp: Some(ms(9_000)),
        ..rules()
    });
    scene.run(Failure);
    assert_eq!((scene.condition(), scene.pause()), (Condition::Rejecting, 10_000));
}

#[test]
fn chance_is_asked_only_where_it_decides() {
    let must_not = || -> f64 { unreachable!("chance was asked") };
    let free = Scene::new(rules());
    assert!(
        free.breaker
            .admit(free.rules.as_ref(), free.now, must_not, drop)
            .is_ok()
    );
    let paused = Scene::rejecting(rules());
    assert!(
        paused
            .breaker
            .admit(paused.rules.as_ref(), paused.now, must_not, drop)
            .is_err()
    );
    let mut full = Scene::probing(Rules {
        max_probes: 1,
        ..rules()
    });
    let _out = full.admit();
    assert!(
        full.breaker
            .admit(full.rules.as_ref(), full.now, must_not, drop)
            .is_err()
    );
}
