//! Held by an operator, and without rules.

use super::*;
use Outcome::{Failure, Success};

#[test]
fn forced_to_pass_it_admits_everything_and_never_trips() {
    let mut scene = Scene::rejecting(rules());
    scene.force(Forced::Passing);
    for _ in 0..100 {
        let ticket = scene.ask(UNLUCKY).expect("admitted");
        scene.report(ticket, Failure);
    }
    let view = scene.view();
    assert_eq!(
        (view.condition, view.forced, view.trips_in_a_row),
        (Condition::Passing, true, 0)
    );
    assert_eq!(scene.reasons(), [Why::ConsecutiveFailures, Why::Forced]);
}

#[test]
fn forced_to_reject_it_refuses_everything_for_ever() {
    let mut scene = Scene::new(rules());
    scene.force(Forced::Rejecting);
    for _ in 0..10 {
        assert_eq!(
            scene.ask(LUCKY),
            Err(Rejection {
                retry_after: ms(10_000)
            })
        );
        scene.now += 1_000_000_000;
        scene.step();
    }
    let view = scene.view();
    assert_eq!(
        (view.condition, view.forced, view.since, view.until),
        (Condition::Rejecting, true, 1_000, None)
    );
    assert_eq!(scene.reasons(), [Why::Forced]);
    assert_eq!(scene.breaker.next_step_at(), None);
}

#[test]
fn forcing_what_is_forced_so_already_is_no_transition() {
    for to in [Forced::Passing, Forced::Rejecting] {
        let mut scene = Scene::new(rules());
        scene.force(to);
        scene.now += 1;
        scene.force(to);
        assert_eq!((scene.transitions.len(), scene.view().since), (1, 1_000));
    }
}

#[test]
fn it_can_be_forced_from_one_to_the_other() {
    let mut scene = Scene::new(rules());
    scene.force(Forced::Passing);
    scene.force(Forced::Rejecting);
    let to_rejecting = Transition {
        from: Condition::Passing,
        to: Condition::Rejecting,
        why: Why::Forced,
    };
    assert_eq!(scene.transitions[1..], [to_rejecting]);
}

#[test]
fn forcing_what_is_so_unforced_is_a_transition_all_the_same() {
    let mut scene = Scene::rejecting(rules());
    scene.force(Forced::Rejecting);
    let held = Transition {
        from: Condition::Rejecting,
        to: Condition::Rejecting,
        why: Why::Forced,
    };
    assert_eq!(scene.transitions[1..], [held]);
}

#[test]
fn released_it_passes_with_nothing_counted() {
    for to in [Forced::Passing, Forced::Rejecting] {
        let mut scene = Scene::new(Rules {
            consecutive_failures: Some(5),
            ..rules()
        });
        scene.run_all(4, Failure);
        scene.force(to);
        scene.release();
        scene.run_all(4, Failure);
        assert_eq!(
            (scene.condition(), scene.view().forced),
            (Condition::Passing, false)
        );
        scene.run(Failure);
        assert_eq!(
            scene.reasons(),
            [Why::Forced, Why::Released, Why::ConsecutiveFailures]
        );
    }
}

#[test]
fn released_it_admits_everything_whatever_the_ramp() {
    let mut scene = Scene::recovered(Rules {
        ramp: Some(ms(9_000)),
        ..rules()
    });
    assert!(scene.ask(UNLUCKY).is_err());
    scene.force(Forced::Passing);
    assert!(scene.ask(UNLUCKY).is_ok());
    scene.release();
    assert!(scene.ask(UNLUCKY).is_ok());
}

#[test]
fn releasing_what_is_not_forced_is_no_transition() {
    for mut scene in [
        Scene::new(rules()),
        Scene::rejecting(rules()),
        Scene::probing(rules()),
    ] {
        let before = (scene.view(), scene.transitions.len());
        scene.release();
        assert_eq!((scene.view(), scene.transitions.len()), before);
    }
}

#[test]
fn outcomes_of_before_the_force_do_not_count_after_the_release() {
    let mut scene = Scene::new(touchy());
    let (early, other) = (scene.admit(), scene.admit());
    scene.force(Forced::Passing);
    let while_forced = scene.admit();
    scene.report(early, Failure);
    scene.release();
    scene.report(other, Failure);
    scene.report(while_forced, Failure);
    assert_eq!(scene.reasons(), [Why::Forced, Why::Released]);
}

#[test]
fn without_rules_nothing_trips_it() {
    let mut scene = Scene::new(touchy());
    scene.rules = None;
    scene.run_all(100, Failure);
    assert_eq!(scene.transitions, []);
    assert!(scene.ask(UNLUCKY).is_ok());
}

#[test]
fn without_rules_force_has_its_effect() {
    let mut scene = Scene::new(rules());
    scene.rules = None;
    scene.force(Forced::Rejecting);
    assert_eq!(
        scene.ask(LUCKY),
        Err(Rejection {
            retry_after: ms(10_000)
        })
    );
    scene.release();
    scene.run(Success);
    assert_eq!(scene.condition(), Condition::Passing);
}

#[test]
fn a_breaker_whose_rules_are_removed_passes_again() {
    for mut scene in [Scene::rejecting(rules()), Scene::probing(rules())] {
        scene.step();
        scene.rules = None;
        assert_eq!(scene.condition(), Condition::Passing);
        assert!(scene.ask(UNLUCKY).is_ok());
        assert_eq!(scene.reasons().last(), Some(&Why::RulesRemoved));
        scene.rules = Some(touchy());
        assert_eq!(
            (scene.condition(), scene.view().trips_in_a_row),
            (Condition::Passing, 0)
        );
    }
}

#[test]
fn a_probe_that_ends_without_rules_gives_its_place_back() {
    let mut scene = Scene::probing(Rules {
        max_probes: 1,
        ..rules()
    });
    let ticket = scene.admit();
    let kept = scene.rules.take();
    scene.report(ticket, Failure);
    scene.rules = kept;
    assert_eq!(
        (scene.condition(), scene.view().probes_in_flight),
        (Condition::Probing, 0)
    );
}
