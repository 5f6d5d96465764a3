//! When a second is folded, what becomes of those who are late, and what all of it takes.

use super::*;

fn has_series(statistics: &Statistics) -> bool {
    statistics.history().series.is_some()
}

#[test]
fn a_second_shows_as_soon_as_it_ended_a_second_ago() {
    let statistics = Statistics::default();
    statistics.succeed(100, 5);
    statistics.tick_through(100..102);
    assert_eq!(statistics.busy_seconds(101), []);
    statistics.tick(102);
    assert_eq!(statistics.busy_seconds(102), [(100, 1)]);
}

#[test]
fn a_tick_in_a_second_that_had_one_does_nothing() {
    let statistics = Statistics::default();
    statistics.succeed(100, 5);
    statistics.tick_through(100..103);
    // A straggler is what a tick that folds 100 again would find.
    statistics.succeed(100, 5);
    statistics.tick(102);
    statistics.tick(101);
    assert_eq!(statistics.busy_seconds(102), [(100, 1)]);
}

#[test]
fn who_is_a_second_late_still_counts_in_its_own_second() {
    let statistics = Statistics::default();
    statistics.succeed(100, 5);
    statistics.succeed(99, 5);
    statistics.tick_through(100..103);
    statistics.succeed(101, 5);
    statistics.tick_through(103..110);
    assert_eq!(statistics.busy_seconds(109), [(99, 1), (100, 1), (101, 1)]);
}

#[test]
fn who_is_later_than_that_counts_four_seconds_after_its_own() {
    let statistics = Statistics::default();
    statistics.succeed(100, 5);
    statistics.tick_through(100..103);
    statistics.succeed(100, 5);
    statistics.tick_through(103..110);
    assert_eq!(statistics.busy_seconds(109), [(100, 1), (104, 1)]);
}

#[test]
fn a_tick_may_be_left_out() {
    let statistics = Statistics::default();
    for second in 100..120 {
        statistics.succeed(second, 5);
        if second % 2 == 0 {
            statistics.tick(second);
        }
    }
    statistics.tick(121);
    let expected: Vec<_> = (100..120).map(|second| (second, 1)).collect();
    assert_eq!(statistics.busy_seconds(121), expected);
}

#[test]
fn what_a_long_pause_of_the_ticks_counted_shows_in_its_last_four_seconds() {
    let statistics = Statistics::default();
    (100..140).for_each(|second| statistics.succeed(second, 5));
    statistics.tick(141);
    statistics.tick_through(142..150);
    let expected = [(136, 10), (137, 10), (138, 10), (139, 10)];
    assert_eq!(statistics.busy_seconds(149), expected);
}

#[test]
fn after_a_quarter_of_an_hour_a_second_is_forgotten() {
    let statistics = Statistics::default();
    statistics.succeed(100, 5);
    statistics.succeed(101, 5);
    statistics.tick_through(100..1002);
    assert_eq!(statistics.busy_seconds(1001), [(100, 1), (101, 1)]);
    statistics.tick(1002);
    assert_eq!(statistics.busy_seconds(1002), [(101, 1)]);
}

#[test]
fn a_pause_longer_than_the_series_leaves_nothing_of_it() {
    let statistics = Statistics::default();
    (100..1000).for_each(|second| {
        statistics.succeed(second, 5);
        statistics.tick(second);
    });
    statistics.tick(1001);
    statistics.succeed(50_000, 7);
    statistics.tick(50_002);
    assert_eq!(statistics.busy_seconds(50_002), [(50_000, 1)]);
    let window = statistics.report(50_002, WHOLE, Buckets::With).window;
    assert_eq!(window.histogram, Some(vec![(7, 1)]));
}

#[test]
fn a_server_without_traffic_has_nothing_allocated() {
    let statistics = Statistics::default();
    statistics.tick_through(0..1000);
    assert_eq!(statistics.busy_seconds(1000), []);
    assert!(statistics.recorder.get().is_none() && !has_series(&statistics));
}

#[test]
fn the_series_goes_when_all_of_it_is_empty_and_comes_back() {
    let statistics = Statistics::default();
    statistics.refuse(100);
    statistics.tick_through(100..1002);
    assert!(has_series(&statistics));
    statistics.tick(1002);
    assert!(!has_series(&statistics));
    statistics.succeed(1002, 5);
    statistics.tick_through(1003..1006);
    assert_eq!(statistics.busy_seconds(1005), [(1002, 1)]);
}

#[test]
fn an_active_server_takes_92_512_bytes() {
    assert_eq!(size_of::<Statistics>(), 40);
    assert_eq!(size_of::<Recorder>(), 11_400);
    assert_eq!(size_of::<Series>(), 81_072);
}
