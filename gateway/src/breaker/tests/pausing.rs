//! The time of rejecting, and its end.

use super::*;
use Outcome::{Failure, Success};

/// Fails the first probe after the pause.
fn trip_again(scene: &mut Scene) {
    scene.sit_out();
    scene.run(Failure);
}

#[test]
fn the_first_trip_serves_its_whole_pause() {
    let mut scene = Scene::rejecting(rules());
    assert_eq!(scene.pause(), 10_000);
    for rest in [10_000, 1_000, 1] {
        scene.now = scene.view().until.expect("a pause") - rest;
        assert_eq!(
            scene.ask(LUCKY),
            Err(Rejection {
                retry_after: ms(rest)
            })
        );
    }
    scene.now += 1;
    assert!(scene.ask(LUCKY).is_ok());
}

#[test]
fn pauses_double_with_every_trip_in_a_row_up_to_the_most() {
    let mut scene = Scene::rejecting(rules());
    let mut pauses = vec![scene.pause()];
    for _ in 0..5 {
        trip_again(&mut scene);
        pauses.push(scene.pause());
    }
    assert_eq!(pauses, [10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
}

#[test]
fn a_hundred_trips_in_a_row_pause_as_long_as_the_most() {
    let mut scene = Scene::rejecting(rules());
    (0..100).for_each(|_| trip_again(&mut scene));
    assert_eq!((scene.pause(), scene.view().trips_in_a_row), (60_000, 31));
}

#[test]
fn pauses_start_over_after_passing() {
    let mut scene = Scene::rejecting(rules());
    trip_again(&mut scene);
    assert_eq!((scene.pause(), scene.view().trips_in_a_row), (20_000, 2));
    scene.sit_out();
    scene.run_all(5, Success);
    assert_eq!(
        (scene.condition(), scene.view().trips_in_a_row),
        (Condition::Passing, 0)
    );
    scene.run(Failure);
    assert_eq!((scene.pause(), scene.view().trips_in_a_row), (10_000, 1));
}

#[test]
fn jitter_moves_a_pause_by_a_tenth_at_most() {
    for (jitter, pause) in [(0.0, 9_000), (0.25, 9_500), (0.5, 10_000), (1.0, 11_000)] {
        let mut scene = Scene::new(touchy());
        scene.jitter = jitter;
        scene.run(Failure);
        assert_eq!(scene.pause(), pause);
    }
}

#[test]
fn the_pause_ends_by_time_alone() {
    let mut scene = Scene::rejecting(rules());
    assert_eq!(scene.breaker.next_step_at(), Some(11_000));
    scene.now = 10_999;
    scene.step();
    assert_eq!(scene.condition(), Condition::Rejecting);
    scene.now = 11_000;
    scene.step();
    assert_eq!(scene.reasons(), [Why::ConsecutiveFailures, Why::PauseOver]);
    assert_eq!(scene.breaker.next_step_at(), None);
}

#[test]
fn a_view_shows_the_end_of_the_pause_before_anybody_stepped() {
    let mut scene = Scene::rejecting(rules());
    scene.now = 500_000;
    let seen = scene.view();
    assert_eq!(
        (seen.condition, seen.since, seen.until),
        (Condition::Probing, 11_000, None)
    );
    scene.step();
    assert_eq!(scene.view(), seen);
}

#[test]
fn asking_after_the_pause_makes_the_step_and_tells_of_it_once() {
    let mut scene = Scene::rejecting(rules());
    scene.sit_out();
    assert!(scene.admit().is_probe());
    assert_eq!(scene.reasons(), [Why::ConsecutiveFailures, Why::PauseOver]);
    scene.step();
    assert!(scene.admit().is_probe());
    assert_eq!(scene.transitions.len(), 2);
}

#[test]
fn a_refused_request_makes_the_step_all_the_same() {
    let mut scene = Scene::rejecting(rules());
    scene.sit_out();
    assert_eq!(
        scene.ask(UNLUCKY),
        Err(Rejection {
            retry_after: ms(1_000)
        })
    );
    assert_eq!(scene.reasons(), [Why::ConsecutiveFailures, Why::PauseOver]);
}

#[test]
fn a_pause_keeps_its_end_when_the_rules_change() {
    let mut scene = Scene::rejecting(rules());
    scene.rules = Some(Rules {
        rejecting_for: ms(50),
        max_rejecting_for: ms(50),
        ..rules()
    });
    assert_eq!(scene.pause(), 10_000);
}

#[test]
fn a_process_that_outlived_its_clock_still_trips_and_recovers() {
    let mut scene = Scene::new(touchy());
    scene.now = (1 << 40) + 5;
    scene.run(Failure);
    assert_eq!(scene.reasons(), [Why::ConsecutiveFailures]);
    scene.run_all(5, Success);
    assert_eq!(scene.condition(), Condition::Passing);
    scene.run(Failure);
    assert_eq!(scene.transitions.len(), 4);
}
