use std::{thread, time::Duration};

use proptest::{collection::vec, prelude::*};

use crate::limiter::{Bucket, Rate, Ticks, rate::Wait};

const SECOND_NS: u64 = 1_000_000_000;
/// Some time into the life of a process.
const START_NS: u64 = 1_000 * SECOND_NS;

/// `quarters / 4` requests every `seconds`: exact in floating point and in whole numbers.
#[derive(Clone, Copy, Debug)]
struct Asked {
    quarters: u64,
    seconds: u64,
    burst: u32,
}

impl Asked {
    fn rate(&self) -> Rate {
        let per = Duration::from_secs(self.seconds);
        Rate::new(self.quarters as f64 / 4.0, per, self.burst).expect("in range")
    }

    fn interval_ns(&self) -> u64 {
        self.seconds * 4 * SECOND_NS / self.quarters
    }

    fn per_second(&self) -> f64 {
        self.quarters as f64 / 4.0 / self.seconds as f64
    }

    /// Whether `count` in `ns` is at most `burst + rate · t`.
    fn allows(&self, count: u64, ns: u64) -> bool {
        let above = u128::from(count.saturating_sub(u64::from(self.burst)));
        above * 4 * u128::from(self.seconds * SECOND_NS) <= u128::from(self.quarters) * u128::from(ns)
    }
}

/// From one an hour to ten million a second, every magnitude as likely.
fn asked() -> impl Strategy<Value = Asked> {
    let seconds = prop_oneof![Just(1_u64), Just(60), Just(3_600)];
    (seconds, 0.0..1.0_f64, 1_u32..200).prop_map(|(seconds, magnitude, burst)| {
        let (least, most) = (
            (4 * seconds).div_ceil(3_600) as f64,
            40_000_000.0 * seconds as f64,
        );
        let quarters = (least * (most / least).powf(magnitude)) as u64;
        Asked {
            quarters,
            seconds,
            burst,
        }
    })
}

/// Between arrivals, in thousandths of an interval: at once, jittered around one, a long pause.
fn gaps() -> impl Strategy<Value = Vec<u64>> {
    let gap = prop_oneof![4 => Just(0_u64), 4 => 0_u64..3_000, 1 => 0_u64..300_000];
    vec(gap, 1..400)
}

fn take(bucket: &Bucket, rate: &Rate, ns: u64) -> Result<(), Wait> {
    bucket.take(rate, Ticks::from_nanos(ns))
}

proptest! {
    #[test]
    fn never_more_than_burst_and_rate_in_any_interval(asked in asked(), gaps in gaps()) {
        let (bucket, rate) = (Bucket::default(), asked.rate());
        let mut now = START_NS;
        let mut admitted = Vec::new();
        for gap in gaps {
            now += gap * asked.interval_ns() / 1_000;
            if take(&bucket, &rate, now).is_ok() {
                admitted.push(now);
            }
        }
        for (first, &since) in admitted.iter().enumerate() {
            for (last, &until) in admitted.iter().enumerate().skip(first) {
                prop_assert!(asked.allows((last - first) as u64 + 1, until - since));
            }
        }
    }

    /// The other side of the bound: what an exact bucket, a thousandth slower, would admit is admitted.
    #[test]
    fn never_fewer_than_a_bucket_a_thousandth_slower(asked in asked(), gaps in gaps()) {
        let (bucket, rate) = (Bucket::default(), asked.rate());
        let mut now = START_NS;
        // In units that make a token of the slower rate a whole number.
        let token = 4 * 1_001 * u128::from(asked.seconds * SECOND_NS);
        let full = token * u128::from(asked.burst);
        let mut tokens = full;
        for gap in gaps {
            let passed = gap * asked.interval_ns() / 1_000;
            now += passed;
            tokens = full.min(tokens + u128::from(asked.quarters) * 1_000 * u128::from(passed));
            let admitted = take(&bucket, &rate, now).is_ok();
            prop_assert!(admitted || tokens < token);
            if admitted {
                tokens = tokens.saturating_sub(token);
            }
        }
    }

    #[test]
    fn saturated_bucket_admits_the_rate_in_every_second(
        quarters in 4_u64..80_000, burst in 1_u32..50,
    ) {
        let asked = Asked { quarters, seconds: 1, burst };
        let (bucket, rate) = (Bucket::default(), asked.rate());
        let mut counts = [0_u64; 10];
        let mut now = START_NS;
        while let Some(count) = counts.get_mut(((now - START_NS) / SECOND_NS) as usize) {
            match take(&bucket, &rate, now) {
                Ok(()) => *count += 1,
                Err(wait) => now += wait.duration().as_nanos() as u64,
            }
        }
        assert_full_rate(&asked, &counts);
    }

    #[test]
    fn evenly_spaced_double_overload_admits_the_rate_in_every_second(
        quarters in 4_u64..80_000, burst in 2_u32..50,
    ) {
        let asked = Asked { quarters, seconds: 1, burst };
        let (bucket, rate) = (Bucket::default(), asked.rate());
        let mut counts = [0_u64; 10];
        for arrival in 0.. {
            let passed = arrival * 4 * SECOND_NS / (2 * quarters);
            let Some(count) = counts.get_mut((passed / SECOND_NS) as usize) else { break };
            *count += u64::from(take(&bucket, &rate, START_NS + passed).is_ok());
        }
        assert_full_rate(&asked, &counts);
    }

    #[test]
    fn waits_are_exact(asked in asked()) {
        let (bucket, rate) = (Bucket::default(), asked.rate());
        let wait = loop {
            if let Err(wait) = take(&bucket, &rate, START_NS) {
                break wait.duration().as_nanos() as u64;
            }
        };
        prop_assert!(take(&bucket, &rate, START_NS + wait - 1).is_err());
        prop_assert!(take(&bucket, &rate, START_NS + wait).is_ok());
    }

    #[test]
    fn remaining_is_what_can_be_taken_at_once(asked in asked(), taken in 0_u32..300, passed in 0_u64..100_000) {
        let (bucket, rate) = (Bucket::default(), asked.rate());
        for _ in 0..taken {
            let _ = take(&bucket, &rate, START_NS);
        }
        let now = START_NS + passed * asked.interval_ns() / 1_000;
        let remaining = bucket.remaining(&rate, Ticks::from_nanos(now));
        let takeable = (0..).take_while(|_| take(&bucket, &rate, now).is_ok()).count();
        prop_assert_eq!(remaining as usize, takeable);
    }

    #[test]
    fn after_a_change_of_rate_it_admits_in_time_and_not_too_much(old in asked(), next in asked()) {
        let (bucket, rate) = (Bucket::default(), next.rate());
        while take(&bucket, &old.rate(), START_NS).is_ok() {}
        let first = match take(&bucket, &rate, START_NS) {
            Ok(()) => START_NS,
            Err(wait) => START_NS + wait.duration().as_nanos() as u64,
        };
        prop_assert!(first - START_NS <= SECOND_NS + next.interval_ns() + 1);
        let mut now = first;
        for count in 1..100 {
            while let Err(wait) = take(&bucket, &rate, now) {
                now += wait.duration().as_nanos() as u64;
            }
            prop_assert!(next.allows(count, now - START_NS));
        }
    }
}

/// 99 % of it, but for the one that falls just beyond the end of a second.
fn assert_full_rate(asked: &Asked, counts: &[u64]) {
    let rate = asked.per_second();
    for count in counts {
        assert!(
            *count as f64 >= (0.99 * rate).floor() - f64::from(rate < 100.0),
            "{counts:?} of {rate}"
        );
    }
    let total: u64 = counts.iter().sum();
    assert!(
        total as f64 >= 0.99 * rate * counts.len() as f64 - 1.0,
        "{counts:?} of {rate}"
    );
}

#[test]
fn smaller_rate_does_not_wait_for_the_debt_of_a_larger_burst() {
    let bucket = Bucket::default();
    let hourly = Rate::new(1.0, Duration::from_secs(3600), 100).expect("in range");
    while take(&bucket, &hourly, START_NS).is_ok() {}
    let fast = Rate::new(10.0, Duration::from_secs(1), 1).expect("in range");
    let wait = take(&bucket, &fast, START_NS).expect_err("empty");
    assert_eq!(wait.duration(), Duration::from_millis(100));
    assert_eq!(take(&bucket, &fast, START_NS + SECOND_NS / 10), Ok(()));
}

#[test]
fn an_older_time_than_another_threads_gives_nothing_back() {
    let bucket = Bucket::default();
    let rate = Rate::new(1_000_000.0, Duration::from_secs(1), 5).expect("in range");
    while take(&bucket, &rate, START_NS).is_ok() {}
    for late_by in [1, 1_000, 1_000_000, SECOND_NS] {
        assert!(take(&bucket, &rate, START_NS - late_by).is_err());
    }
    assert_eq!(bucket.remaining(&rate, Ticks::from_nanos(START_NS + 1_000)), 1);
}

#[test]
fn at_the_end_of_time_it_refuses() {
    let rate = Rate::new(1.0, Duration::from_secs(1), 5).expect("in range");
    let bucket = Bucket::default();
    assert!(bucket.take(&rate, Ticks::from_nanos(u64::MAX)).is_err());
}

#[test]
fn threads_together_get_the_burst_once() {
    let bucket = Bucket::default();
    let rate = Rate::new(1.0, Duration::from_secs(1), 1_000).expect("in range");
    let take_all = || {
        (0..1_000)
            .filter(|_| take(&bucket, &rate, START_NS).is_ok())
            .count()
    };
    let admitted: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(take_all)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum()
    });
    assert_eq!(admitted, 1_000);
}
