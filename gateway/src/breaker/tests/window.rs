//! The sliding window, against a plain list.

use proptest::prelude::*;

use super::super::window::{Span, Sum, Window};
use super::Outcome::{self, Failure, Slow, Success};

const SINCE: u64 = 777;

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![Just(Success), Just(Slow), Just(Failure)]
}

/// Pauses and what follows each.
fn histories() -> impl Strategy<Value = Vec<(u64, Outcome)>> {
    prop::collection::vec((0_u64..400, outcomes()), 1..200)
}

/// Of what `kept` keeps.
fn plain_sum(list: &[(u64, Outcome)], kept: impl Fn(u64) -> bool) -> Sum {
    let kept: Vec<Outcome> = list
        .iter()
        .filter(|(at, _)| kept(*at))
        .map(|&(_, outcome)| outcome)
        .collect();
    let number = |wanted| kept.iter().filter(|&&outcome| outcome == wanted).count() as u64;
    Sum {
        total: kept.len() as u64,
        slow: number(Slow),
        failures: number(Failure),
        failures_in_a_row: kept
            .iter()
            .rev()
            .take_while(|&&outcome| outcome == Failure)
            .count() as u64,
    }
}

proptest! {
    #[test]
    fn it_holds_what_came_in_slots_that_started_within_it(history in histories(), length in 100_u64..3_000) {
        let (window, mut list, mut now) = (Window::default(), Vec::new(), SINCE);
        let width = length.div_ceil(10);
        for (pause, outcome) in history {
            now += pause;
            list.push((now, outcome));
            window.count(outcome, Span::new(SINCE, now, length));
            let start = |at: u64| SINCE + (at - SINCE) / width * width;
            let expected = plain_sum(&list, |at| start(at) + 10 * width > now);
            prop_assert_eq!(window.sum(Span::new(SINCE, now, length)), expected);
        }
    }

    #[test]
    fn changing_its_length_never_makes_it_count_more_than_there_was(
        history in prop::collection::vec((0_u64..400, outcomes(), 100_u64..3_000), 1..200),
    ) {
        let (window, mut list, mut now) = (Window::default(), Vec::new(), SINCE);
        for (pause, outcome, length) in history {
            now += pause;
            list.push((now, outcome));
            window.count(outcome, Span::new(SINCE, now, length));
            let sum = window.sum(Span::new(SINCE, now, length));
            let most = plain_sum(&list, |at| at + length.next_multiple_of(10) > now);
            prop_assert!(sum.total >= 1, "the outcome just counted is there");
            prop_assert!(sum.total <= most.total && sum.failures <= most.failures && sum.slow <= most.slow);
            prop_assert!(sum.failures_in_a_row <= sum.failures);
        }
    }

    #[test]
    fn one_window_after_its_length_changed_it_is_exact_again(
        before in histories(), after in histories(), lengths in (100_u64..3_000, 100_u64..3_000),
    ) {
        let (window, mut list, mut now) = (Window::default(), Vec::new(), SINCE);
        for (pause, outcome) in before {
            now += pause;
            window.count(outcome, Span::new(SINCE, now, lengths.0));
        }
        let (width, changed) = (lengths.1.div_ceil(10), now);
        for (pause, outcome) in after {
            now += pause;
            list.push((now, outcome));
            let span = Span::new(SINCE, now, lengths.1);
            window.count(outcome, span);
            if now >= changed + lengths.1 + width {
                let start = |at: u64| SINCE + (at - SINCE) / width * width;
                prop_assert_eq!(window.sum(span), plain_sum(&list, |at| start(at) + 10 * width > now));
            }
        }
    }
}

#[test]
fn successes_of_a_healthy_server_do_not_matter() {
    let window = Window::default();
    let span = Span::new(1, 5_000, 10_000);
    (0..100).for_each(|_| window.count(Success, span));
    assert!(!window.may_matter(Success, span));
}

#[test]
fn after_trouble_successes_matter_until_settled_and_again_when_a_slot_leaves() {
    let window = Window::default();
    let at = |now| Span::new(1, now, 10_000);
    window.count(Failure, at(5_000));
    assert!(window.may_matter(Success, at(5_000)));
    window.settle(at(5_000));
    assert!(!window.may_matter(Success, at(5_000)));
    assert!(window.may_matter(Failure, at(5_000)) && window.may_matter(Slow, at(5_000)));
    assert!(window.may_matter(Success, at(6_001)));
    assert!(!window.may_matter(Success, at(15_000)));
}

#[test]
fn what_came_before_it_began_is_nothing() {
    let window = Window::default();
    (0..100).for_each(|_| window.count(Failure, Span::new(1, 5_000, 10_000)));
    let next_life = Span::new(5_001, 5_000, 10_000);
    assert_eq!(window.sum(next_life), Sum::default());
    assert!(!window.may_matter(Success, next_life));
}

#[test]
fn one_that_comes_late_by_a_whole_turn_disturbs_nothing() {
    let window = Window::default();
    let (late, in_time) = (Span::new(1, 50, 1_000), Span::new(1, 1_050, 1_000));
    window.count(Failure, in_time);
    let before = window.sum(in_time);
    for outcome in [Failure, Success, Slow] {
        window.count(outcome, late);
        assert_eq!(window.sum(in_time), before, "{outcome:?}");
    }
}
