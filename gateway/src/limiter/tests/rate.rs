use std::time::Duration;

use proptest::prelude::*;

use crate::limiter::{Bucket, Rate, Ticks, Wait};

const SECOND: Duration = Duration::from_secs(1);

fn rate(requests: f64, per: Duration) -> Rate {
    Rate::new(requests, per, 1).expect("in range")
}

/// What an empty bucket of one makes the next wait.
fn wait(rate: &Rate) -> Wait {
    let (bucket, now) = (Bucket::default(), Ticks::from_nanos(0));
    bucket.take(rate, now).expect("full");
    bucket.take(rate, now).expect_err("empty")
}

#[test]
fn range_is_one_an_hour_to_ten_million_a_second() {
    let hour = Duration::from_secs(3600);
    assert_eq!(wait(&rate(1.0, hour)).duration(), hour);
    assert_eq!(
        wait(&rate(10_000_000.0, SECOND)).duration(),
        Duration::from_nanos(100)
    );
    assert_eq!(Rate::new(0.99, hour, 1), None);
    assert_eq!(Rate::new(10_010_000.0, SECOND, 1), None);
}

#[test]
fn nonsense_is_no_rate() {
    for requests in [f64::NAN, f64::INFINITY, 0.0, -0.0, -1.0, f64::MIN_POSITIVE] {
        assert_eq!(Rate::new(requests, SECOND, 1), None, "{requests}");
    }
    assert_eq!(Rate::new(1.0, Duration::ZERO, 1), None);
    assert_eq!(Rate::new(1.0, Duration::MAX, 1), None);
    assert_eq!(Rate::new(1.0, SECOND, 0), None);
}

#[test]
fn burst_that_would_take_more_than_nine_years_is_no_rate() {
    let hour = Duration::from_secs(3600);
    assert!(Rate::new(1.0, hour, 80_000).is_some());
    assert_eq!(Rate::new(1.0, hour, 81_000), None);
}

#[test]
fn waits_round_up() {
    let third = wait(&rate(3.0, SECOND));
    assert_eq!(third.duration(), Duration::from_nanos(333_333_334));
    assert_eq!(third.seconds(), 1);
    assert_eq!(wait(&rate(1.0, Duration::from_millis(2_001))).seconds(), 3);
    assert_eq!(wait(&rate(1.0, Duration::from_secs(2))).seconds(), 2);
}

#[test]
fn policy_is_exact_in_small_whole_numbers_else_less_than_the_rate() {
    let minute = 60 * SECOND;
    let table = [
        (100.0, minute, (100, 60)),
        (50.0, SECOND, (50, 1)),
        (0.5, SECOND, (1, 2)),
        (2.5, SECOND, (5, 2)),
        (1.1, SECOND, (11, 10)),
        (1000.0, 1440 * minute, (1000, 86_400)),
        (10.0, Duration::from_millis(100), (100, 1)),
        (1.0, Duration::from_millis(1_500), (2, 3)),
        (std::f64::consts::PI, SECOND, (3, 1)),
        (0.123_456_7, SECOND, (1, 9)),
    ];
    for (requests, per, expected) in table {
        assert_eq!(rate(requests, per).policy(), expected, "{requests} per {per:?}");
    }
}

proptest! {
    #[test]
    fn rate_is_never_more_than_asked_and_less_by_under_a_thousandth(
        quarters in 1_u64..=40_000_000,
        seconds in prop_oneof![Just(1_u64), Just(60), Just(3_600), Just(86_400)],
    ) {
        let Some(rate) = Rate::new(quarters as f64 / 4.0, Duration::from_secs(seconds), 1) else {
            return Ok(());
        };
        // Intervals of 1/16 ns against the exact one, by cross-multiplication.
        let ticks = 16.0e9 / rate.per_second();
        let ticks = ticks.round() as u128;
        let exact_times_quarters = u128::from(seconds) * 16_000_000_000 * 4;
        prop_assert!(ticks * u128::from(quarters) >= exact_times_quarters);
        prop_assert!(ticks * u128::from(quarters) * 999 <= exact_times_quarters * 1000);
    }
}
