//! Whatever comes when: each request is counted once, and in its own second while ticks and requests are punctual.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::*;

/// What happens in one second.
#[derive(Clone, Debug)]
struct Step {
    /// Seconds since the step before.
    passed: u64,
    events: Vec<Event>,
    ticks: u32,
}

#[derive(Clone, Debug)]
struct Event {
    late_by: u64,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Succeed(u32),
    Fail(u32),
    Cancel,
    Refuse,
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        3 => (0..100_000_u32).prop_map(What::Succeed),
        2 => (0..100_000_u32).prop_map(What::Fail),
        1 => Just(What::Cancel),
        1 => Just(What::Refuse),
    ]
}

fn steps(passed: Range<u64>, late_by: Range<u64>, ticks: Range<u32>) -> impl Strategy<Value = Vec<Step>> {
    let event = (late_by, what()).prop_map(|(late_by, what)| Event { late_by, what });
    let step = (passed, vec(event, 0..6), ticks).prop_map(|(passed, events, ticks)| Step {
        passed,
        events,
        ticks,
    });
    vec(step, 1..60)
}

/// What a second must have: successes, failures, cancelled, refusals, and its latencies in order.
#[derive(Clone, Debug, Default, PartialEq)]
struct Expected {
    counts: [u32; 4],
    latencies_us: Vec<u32>,
}

impl Expected {
    fn add(&mut self, what: What) {
        let kind = match what {
            What::Succeed(us) | What::Fail(us) => {
                self.latencies_us.push(us);
                usize::from(matches!(what, What::Fail(_)))
            }
            What::Cancel => 2,
            What::Refuse => 3,
        };
        self.counts[kind] += 1;
    }

    /// Whether `figures` are what was recorded.
    fn check(&mut self, figures: &Figures) -> Result<(), TestCaseError> {
        self.latencies_us.sort_unstable();
        let counts = [
            figures.successes,
            figures.failures,
            figures.cancelled,
            figures.refusals,
        ];
        prop_assert_eq!(counts, self.counts);
        let sum_us: u64 = self.latencies_us.iter().copied().map(u64::from).sum();
        prop_assert_eq!(figures.sum_us, sum_us);
        let Some((&minimum, &maximum)) = self.latencies_us.first().zip(self.latencies_us.last()) else {
            prop_assert!(figures.latency_ms().is_none());
            return Ok(());
        };
        prop_assert_eq!((figures.minimum_us, figures.maximum_us), (minimum, maximum));
        for (percent, found) in [(50, figures.p50_us), (99, figures.p99_us)] {
            let exact = self.latencies_us[(self.latencies_us.len() * percent).div_ceil(100) - 1];
            prop_assert!(
                found.abs_diff(exact) * 50 <= exact,
                "p{percent}: {found} for {exact}"
            );
        }
        Ok(())
    }
}

/// The beginning: far enough from zero for everybody to be late.
const START: u64 = 1_000;

/// Runs `steps`, ticks until everything must be folded, and says by second what was recorded.
fn run(statistics: &Statistics, steps: Vec<Step>) -> (u64, BTreeMap<u64, Expected>) {
    let (mut now, mut expected) = (START, BTreeMap::<u64, Expected>::new());
    for step in steps {
        now += step.passed;
        for Event { late_by, what } in step.events {
            let second = now - late_by;
            expected.entry(second).or_default().add(what);
            match what {
                What::Succeed(us) => statistics.succeed(second, us.into()),
                What::Fail(us) => statistics.fail(second, us.into()),
                What::Cancel => statistics.cancel(second),
                What::Refuse => statistics.refuse(second),
            }
        }
        (0..step.ticks).for_each(|_| statistics.tick(now));
    }
    statistics.tick_through(now + 1..now + 7);
    (now + 6, expected)
}

fn folded(statistics: &Statistics, end: u64) -> Vec<Figures> {
    statistics.history().read(end - SECONDS..end).0
}

proptest! {
    #[test]
    fn punctual_requests_and_ticks_put_everything_in_its_second(
        steps in steps(1..2, 0..2, 1..3), left_out in vec(any::<bool>(), 60),
    ) {
        // Every second tick at most is left out.
        let steps = steps.into_iter().zip(left_out).enumerate().map(|(index, (step, left_out))| Step {
            ticks: if left_out && index % 2 == 0 { 0 } else { step.ticks },
            ..step
        });
        let statistics = Statistics::default();
        let (now, mut expected) = run(&statistics, steps.collect());
        for (second, figures) in (now - 1 - SECONDS..).zip(folded(&statistics, now - 1)) {
            expected.entry(second).or_default().check(&figures)?;
        }
    }

    /// Up to 59 steps of up to 14 s: all of it is still in the series at the end.
    #[test]
    fn whatever_is_late_nothing_is_lost_or_counted_twice(steps in steps(0..15, 0..20, 0..3)) {
        let statistics = Statistics::default();
        let (now, expected) = run(&statistics, steps);
        let mut all = Expected::default();
        for second in expected.into_values() {
            all.latencies_us.extend(second.latencies_us);
            (0..4).for_each(|kind| all.counts[kind] += second.counts[kind]);
        }
        let seconds = folded(&statistics, now - 1);
        let mut total = seconds.iter().fold(Figures::EMPTY, Figures::and);
        let (_, histogram) = statistics.history().read(now - 1 - SECONDS..now - 1);
        prop_assert_eq!(histogram.count(), all.latencies_us.len() as u64);
        total.rank_by(&histogram);
        all.check(&total)?;
    }
}
