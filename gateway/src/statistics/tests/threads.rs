//! Recording and folding at the same time.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
};

use super::*;

const WRITERS: u64 = 2;
/// Of each writer.
const RECORDS: u64 = 150_000;
/// That simulated time takes for all of them: few enough for the series to hold them all.
const PASSING: u64 = 800;
const START: u64 = 1_000;

/// By how many seconds writers may be ahead of the time: enough for ticks to be late, and few enough for them to matter.
const AHEAD: u64 = 20;

/// Records up to three seconds late, so that all slots are written to while one is emptied.
fn write(statistics: &Statistics, clock: &AtomicU64, done: &AtomicU64) {
    for number in 0..RECORDS {
        while clock.load(Relaxed) + AHEAD < START + number * PASSING / RECORDS {
            thread::yield_now();
        }
        let second = clock.load(Relaxed) - number % SLOTS;
        match number % 3 {
            0 => statistics.succeed(second, number),
            1 => statistics.fail(second, number),
            _ => statistics.refuse(second),
        }
        done.fetch_add(1, Relaxed);
    }
}

/// Lets time pass with the records, and folds in the middle of them.
fn pass_time(statistics: &Statistics, clock: &AtomicU64, done: &AtomicU64) {
    for second in 0..PASSING {
        clock.store(START + second, Relaxed);
        statistics.tick(START + second);
        while done.load(Relaxed) < WRITERS * RECORDS * second / PASSING {
            thread::yield_now();
        }
    }
}

#[test]
fn two_threads_record_while_a_third_folds_and_nothing_is_lost() {
    let statistics = Statistics::default();
    let (clock, done) = (AtomicU64::new(START), AtomicU64::new(0));
    thread::scope(|scope| {
        (0..WRITERS).for_each(|_| {
            scope.spawn(|| write(&statistics, &clock, &done));
        });
        scope.spawn(|| pass_time(&statistics, &clock, &done));
    });
    let end = START + PASSING + 8;
    statistics.tick_through(START + PASSING..end + 2);

    let (seconds, histogram) = statistics.history().read(end - SECONDS..end);
    let total = seconds.iter().fold(Figures::EMPTY, Figures::and);
    let third = (WRITERS * RECORDS / 3) as u32;
    assert_eq!(
        (total.successes, total.failures, total.refusals),
        (third, third, third)
    );
    let sum_us: u64 = (0..RECORDS).filter(|number| number % 3 < 2).sum();
    assert_eq!(total.sum_us, WRITERS * sum_us);
    assert_eq!(histogram.count(), u64::from(2 * third));
    let spread = seconds.iter().filter(|second| second.requests() > 0).count();
    assert!(
        spread as u64 >= PASSING / AHEAD - 1,
        "folded in {spread} seconds only"
    );
}

/// Everything into one slot and one bucket, emptied many times, for both sides to meet between any two steps.
#[test]
fn whoever_is_recorded_while_the_slot_is_emptied_is_found_this_time_or_the_next() {
    let (recorder, emptying) = (Recorder::new(START), AtomicBool::new(true));
    let (mut total, mut latencies) = (Figures::EMPTY, Histogram::EMPTY);
    let mut take = || {
        if let Some((figures, histogram)) = recorder.take(START) {
            total = total.and(&figures);
            latencies.merge(&histogram);
        }
    };
    let write = || {
        let record = || recorder.record(START, Outcome::Success, Duration::from_micros(1));
        (0_u64..)
            .take_while(|_| emptying.load(Relaxed))
            .map(|_| record())
            .count() as u64
    };
    let recorded: u64 = thread::scope(|scope| {
        let writers = [(); 2].map(|()| scope.spawn(write));
        (0..20_000).for_each(|_| take());
        emptying.store(false, Relaxed);
        writers.into_iter().filter_map(|writer| writer.join().ok()).sum()
    });
    take();
    let found = (u64::from(total.successes), total.sum_us, latencies.count());
    assert_eq!(found, (recorded, recorded, recorded));
}
