//! What `store` promises, on a simulated clock.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use proptest::prelude::*;

use crate::share::{
    freshness::{Lifetime, Limits},
    key::Key,
    store::{Answer, Answers, Found, Stored},
};

const SECOND: Duration = Duration::from_secs(1);

fn key(number: usize) -> Key {
    super::key(&number.to_string())
}

fn stored(body: usize, at: Duration, fresh: u32, stale: u32) -> Arc<Stored> {
    aged(None, body, at, fresh, stale)
}

fn aged(age: Option<&'static str>, body: usize, at: Duration, fresh: u32, stale: u32) -> Arc<Stored> {
    let age = age.map(|age| (header::AGE, HeaderValue::from_static(age)));
    let answer = Answer {
        status: StatusCode::OK,
        headers: HeaderMap::from_iter(age),
        body: Bytes::from(vec![0; body]),
    };
    let lifetime = Lifetime {
        fresh_for: fresh * SECOND,
        stale_for: stale * SECOND,
    };
    Arc::new(Stored::new(Arc::new(answer), at, Duration::ZERO, lifetime))
}

/// What the bytes grow by with such an answer.
fn weight(age: Option<&'static str>, body: usize) -> u64 {
    let answers = Answers::new(1 << 20);
    answers.put(key(0), aged(age, body, Duration::ZERO, 1, 0));
    answers.bytes()
}

/// What is found for key 0, in a word.
fn word(answers: &Answers, now: Duration) -> &'static str {
    match answers.find(&key(0), now) {
        Found::Fresh(_) => "fresh",
        Found::Stale(_) => "stale",
        Found::Nothing => "nothing",
    }
}

#[test]
fn an_answer_is_fresh_then_stale_then_gone() {
    let answers = Answers::new(1 << 20);
    answers.put(key(0), stored(10, 100 * SECOND, 10, 5));
    for (now, expected) in [
        (99, "fresh"),
        (100, "fresh"),
        (109, "fresh"),
        (110, "stale"),
        (114, "stale"),
        (115, "nothing"),
    ] {
        assert_eq!(word(&answers, now * SECOND), expected, "at {now} s");
    }
    assert_eq!((answers.entries(), answers.bytes()), (0, 0));
}

#[test]
fn what_is_found_is_counted() {
    let answers = Answers::new(1 << 20);
    answers.put(key(0), stored(10, Duration::ZERO, 1, 1));
    for now in [0, 0, 1, 2, 2, 2] {
        answers.find(&key(0), now * SECOND);
    }
    assert_eq!(
        (answers.hits(), answers.stale_hits(), answers.misses()),
        (2, 1, 3)
    );
}

#[test]
fn a_later_answer_takes_the_place_of_an_earlier_one() {
    let answers = Answers::new(1 << 20);
    answers.put(key(0), stored(1000, Duration::ZERO, 1, 0));
    answers.put(key(0), stored(10, SECOND, 1, 0));
    assert_eq!(answers.entries(), 1);
    assert!(answers.bytes() < 1000);
    assert_eq!(word(&answers, SECOND), "fresh");
}

#[test]
fn a_removed_answer_is_gone() {
    let answers = Answers::new(1 << 20);
    answers.put(key(0), stored(10, Duration::ZERO, 1, 0));
    answers.put(key(1), stored(10, Duration::ZERO, 1, 0));
    answers.remove(&key(0));
    assert_eq!(word(&answers, Duration::ZERO), "nothing");
    assert_eq!(answers.entries(), 1);
}

#[test]
fn an_eighth_of_the_whole_is_the_largest_entry() {
    let max_bytes = 1 << 20;
    let answers = Answers::new(max_bytes);
    let room = (max_bytes / 8 - weight(None, 0)) as usize;
    answers.put(key(0), stored(room, Duration::ZERO, 1, 0));
    assert_eq!(
        (word(&answers, Duration::ZERO), answers.bytes()),
        ("fresh", max_bytes / 8)
    );
    answers.put(key(0), stored(room + 1, Duration::ZERO, 1, 0));
    assert_eq!((word(&answers, Duration::ZERO), answers.bytes()), ("nothing", 0));
}

#[test]
fn without_room_nothing_is_kept() {
    for max_bytes in [0, 1, 1000] {
        let answers = Answers::new(max_bytes);
        answers.put(key(0), stored(0, Duration::ZERO, 1, 0));
        assert_eq!(answers.entries(), 0, "{max_bytes} bytes");
    }
}

#[test]
fn a_store_that_shrinks_drops_what_no_longer_fits() {
    let answers = Answers::new(1 << 20);
    for number in 0..100 {
        answers.put(key(number), stored(9_000, Duration::ZERO, 1, 0));
    }
    answers.resize(100_000);
    assert!(answers.bytes() <= 100_000 && answers.entries() > 0);
    assert_eq!(answers.largest(), 100_000 / 8);
    answers.resize(1 << 20);
    for number in 0..50 {
        answers.put(key(number), stored(9_000, Duration::ZERO, 1, 0));
    }
    assert!(answers.bytes() > 50 * 9_000);
}

#[test]
fn headers_and_body_have_their_weight() {
    assert!(weight(None, 0) > 0);
    assert_eq!(weight(None, 1000), weight(None, 0) + 1000);
    assert!(weight(Some("12"), 0) > weight(None, 0) + "age12".len() as u64);
    assert_eq!(weight(Some("12345"), 0), weight(Some("12"), 0) + 3);
}

#[test]
fn what_is_asked_for_outlives_a_flood_of_what_is_asked_for_once() {
    let answers = Answers::new(1 << 20);
    for number in 0..50_000 {
        answers.put(key(number), stored(100, Duration::ZERO, 1, 0));
        assert_eq!(word(&answers, Duration::ZERO), "fresh", "after {number} others");
    }
}

#[test]
fn age_counts_on_from_the_age_on_arrival_and_the_backends_delay() {
    let plain = aged(Some("30"), 0, 100 * SECOND, 60, 0);
    assert_eq!(plain.age(107 * SECOND), 37 * SECOND);
    let late = Stored::new(
        plain.answer.clone(),
        100 * SECOND,
        2 * SECOND,
        Lifetime::default(),
    );
    assert_eq!(late.age(107 * SECOND), 39 * SECOND);
}

#[test]
fn a_client_is_given_what_is_within_its_limits() {
    let (zero, any) = (Duration::ZERO, Duration::MAX);
    let limits = |max_age, min_fresh, max_stale| Limits {
        max_age,
        min_fresh,
        max_stale,
    };
    // Arrived with an age of 5 s, fresh for 10 s, stale for 10 s more.
    let stored = aged(Some("5"), 0, zero, 10, 10);
    for (now, limits, suits) in [
        (0, limits(None, zero, zero), true),
        (4, limits(Some(9 * SECOND), zero, zero), true),
        (5, limits(Some(9 * SECOND), zero, zero), false),
        (4, limits(None, 6 * SECOND, zero), true),
        (5, limits(None, 6 * SECOND, zero), false),
        (10, limits(None, zero, zero), false),
        (12, limits(None, zero, 3 * SECOND), true),
        (13, limits(None, zero, 3 * SECOND), false),
        (19, limits(None, zero, any), true),
        (12, limits(None, SECOND, any), false),
        (12, limits(Some(10 * SECOND), zero, any), false),
    ] {
        assert_eq!(
            stored.suits(&limits, now * SECOND),
            suits,
            "at {now} s, {limits:?}"
        );
    }
}

#[test]
fn max_stale_does_not_accept_what_never_was_fresh() {
    let limits = Limits {
        max_stale: Duration::MAX,
        ..Limits::default()
    };
    assert!(!stored(0, Duration::ZERO, 0, 10).suits(&limits, SECOND));
}

proptest! {
    #[test]
    fn the_bound_holds_whatever_is_put(
        max_bytes in 0_u64..40_000,
        puts in proptest::collection::vec((0_usize..60, 0_usize..6_000), 0..200),
    ) {
        let answers = Answers::new(max_bytes);
        for (name, body) in puts {
            answers.put(key(name), stored(body, Duration::ZERO, 1, 0));
            answers.find(&key(name / 2), Duration::ZERO);
            prop_assert!(answers.bytes() <= max_bytes);
        }
    }
}
