use std::{sync::Arc, thread, time::Duration};

use crate::{
    limiter::{
        Bucket, Rate, Ticks,
        keyed::{KeyedGates, KeyedRates, hash_key},
    },
    sync::Pair,
};

const MS: u64 = 1_000_000;
const START: u64 = 1_000_000 * MS;

fn key(number: u64) -> u64 {
    hash_key(1, [number.to_le_bytes().as_slice()].into_iter())
}

fn take(rates: &KeyedRates, number: u64, rate: &Rate, ns: u64) -> bool {
    rates.take(key(number), rate, Ticks::from_nanos(ns)).is_ok()
}

fn rate(requests: f64, burst: u32) -> Rate {
    Rate::new(requests, Duration::from_secs(1), burst).expect("in range")
}

fn hash(limit: u64, parts: &[&str]) -> u64 {
    hash_key(limit, parts.iter().map(|part| part.as_bytes()))
}

#[test]
fn keys_differ_by_limit_parts_and_where_parts_end() {
    let keys = [
        hash(1, &["ab", "c"]),
        hash(2, &["ab", "c"]),
        hash(1, &["a", "bc"]),
        hash(1, &["abc"]),
        hash(1, &["ab", "c", ""]),
        hash(1, &["c", "ab"]),
        hash(1, &[]),
    ];
    for (index, one) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(one), "key {index}");
    }
    assert_eq!(hash(1, &["ab", "c"]), keys[0]);
}

#[test]
fn memory_is_what_it_says() {
    assert_eq!(size_of::<Pair>() * KeyedRates::CELLS, 8 << 20);
    assert_eq!(size_of::<Pair>() * KeyedGates::CELLS, 1 << 20);
}

#[test]
fn each_key_has_a_bucket_of_its_own() {
    let (rates, rate) = (KeyedRates::new(64), rate(1.0, 2));
    for number in 0..8 {
        let admitted: Vec<_> = (0..3).map(|_| take(&rates, number, &rate, START)).collect();
        assert_eq!(admitted, [true, true, false]);
    }
}

#[test]
fn a_key_whose_bucket_is_full_again_has_its_whole_burst() {
    let (rates, rate) = (KeyedRates::new(64), rate(1.0, 2));
    assert!(take(&rates, 1, &rate, START) && take(&rates, 1, &rate, START));
    let later = START + 2_000 * MS;
    assert!(take(&rates, 1, &rate, later) && take(&rates, 1, &rate, later));
    assert!(!take(&rates, 1, &rate, later));
}

/// A hundred thousand keys that take all they may and ask for a third more, ten thousand that stay within their limit, a million that
/// come once: all in five seconds.
#[test]
fn crowds_of_keys_leave_every_limit_exact() {
    const LIVE: u64 = 100_000;
    const ONCE: u64 = 1_000_000;
    const ROUNDS: u64 = 50;
    let (rates, rate) = (KeyedRates::new(KeyedRates::CELLS), rate(7.5, 3));
    let greedy: Vec<_> = (0..LIVE).map(key).collect();
    let innocent: Vec<_> = (LIVE..LIVE + 10_000).map(key).collect();
    let models: Vec<Bucket> = (0..LIVE).map(|_| Bucket::default()).collect();
    for round in 0..ROUNDS {
        let now = Ticks::from_nanos(START + round * 100 * MS);
        for (key, model) in greedy.iter().zip(&models) {
            assert_eq!(rates.take(*key, &rate, now), model.take(&rate, now));
        }
        if round % 2 == 0 {
            for key in &innocent {
                assert_eq!(rates.take(*key, &rate, now), Ok(()), "an innocent key");
            }
        }
        for once in 0..ONCE / ROUNDS {
            assert_eq!(
                rates.take(key(1 << 40 | round << 20 | once), &rate, now),
                Ok(()),
                "a key's first request"
            );
        }
    }
    assert!(!rates.has_overflowed());
}

#[test]
fn limits_are_exact_up_to_the_promised_number_of_keys() {
    let (rates, rate) = (KeyedRates::new(KeyedRates::CELLS), rate(1.0, 2));
    for generation in 0..3 {
        let now = START + generation * 10_000 * MS;
        let keys = || (0..KeyedRates::PROMISED_KEYS as u64).map(|number| number | generation << 40);
        for expected in [true, true, false] {
            assert!(keys().all(|number| take(&rates, number, &rate, now) == expected));
        }
    }
    assert!(!rates.has_overflowed());
}

#[test]
fn beyond_its_cells_a_newcomer_takes_over_a_bucket_that_is_almost_full() {
    let (rates, slow, fast) = (KeyedRates::new(32), rate(1.0, 2), rate(1_000.0, 2));
    assert!((0..32).all(|number| take(&rates, number, &fast, START)));
    assert!((32..64).all(|number| take(&rates, number, &slow, START)));
    assert!(!rates.has_overflowed());
    assert!((32..64).all(|number| take(&rates, number, &slow, START)));
    assert!((32..64).all(|number| !take(&rates, number, &slow, START)));
}

#[test]
fn beyond_its_cells_a_key_has_its_burst_and_a_second_of_its_rate() {
    let (rates, slow) = (KeyedRates::new(32), rate(1.0, 2));
    assert!((0..32).all(|number| take(&rates, number, &slow, START)));
    for number in 100..200 {
        let admitted = (0..10).filter(|_| take(&rates, number, &slow, START)).count();
        // The sketch goes by the real clock, which may end its second in between.
        assert!((3..=5).contains(&admitted), "{admitted}");
    }
    assert!(rates.has_overflowed());
}

#[test]
fn threads_together_get_the_burst_of_each_key_once() {
    const KEYS: u64 = 2_000;
    let (rates, rate) = (KeyedRates::new(1 << 13), rate(1.0, 5));
    let take_all = || {
        let count = |number| (0..4).filter(|_| take(&rates, number, &rate, START)).count();
        (0..KEYS).map(count).collect::<Vec<_>>()
    };
    let counts: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(take_all)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    for number in 0..KEYS as usize {
        assert_eq!(counts.iter().map(|count| count[number]).sum::<usize>(), 5);
    }
}

#[test]
fn each_key_has_a_gate_of_its_own() {
    let gates = Arc::new(KeyedGates::new(64));
    let slots: Vec<_> = (0..8)
        .flat_map(|number| [(); 3].map(|()| gates.enter(key(number), 2)))
        .collect();
    let entered: Vec<_> = slots.iter().map(Option::is_some).collect();
    assert_eq!(entered, [true, true, false].repeat(8));
}

#[test]
fn slots_of_a_key_come_back() {
    let gates = Arc::new(KeyedGates::new(64));
    let slot = gates.enter(key(1), 1);
    assert!(gates.enter(key(1), 1).is_none());
    drop(slot);
    assert!(gates.enter(key(1), 1).is_some());
    assert!(gates.enter(key(2), 0).is_none());
}

#[test]
fn keys_come_and_go_without_using_up_the_cells() {
    let gates = Arc::new(KeyedGates::new(32));
    for number in 0..10_000 {
        let slot = gates.enter(key(number), 1);
        assert!(slot.is_some() && gates.enter(key(number), 1).is_none());
    }
}

#[test]
fn gates_are_exact_up_to_the_promised_number_of_keys() {
    let gates = Arc::new(KeyedGates::new(KeyedGates::CELLS));
    let keys = 0..KeyedGates::PROMISED_KEYS as u64;
    let slots: Vec<_> = keys
        .clone()
        .filter_map(|number| gates.enter(key(number), 1))
        .collect();
    assert_eq!(slots.len(), KeyedGates::PROMISED_KEYS);
    assert!(keys.clone().all(|number| gates.enter(key(number), 1).is_none()));
    assert!(!gates.has_overflowed());
}

#[test]
fn beyond_its_cells_a_key_is_still_capped_and_its_slots_come_back() {
    let gates = Arc::new(KeyedGates::new(32));
    let _slots: Vec<_> = (0..32).map(|number| gates.enter(key(number), 1)).collect();
    for number in 100..110 {
        let slots = [(); 3].map(|()| gates.enter(key(number), 2));
        assert_eq!(slots.each_ref().map(Option::is_some), [true, true, false]);
    }
    assert!(gates.has_overflowed());
}
