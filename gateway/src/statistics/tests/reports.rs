//! What a report says.

use serde_json::json;

use super::*;

/// A server that answered one request a second in `seconds`, each as many milliseconds as `latency_ms` says.
fn server(seconds: Range<u64>, latency_ms: impl Fn(u64) -> u64) -> Statistics {
    let statistics = Statistics::default();
    for second in seconds.clone() {
        statistics.succeed(second, 1000 * latency_ms(second));
        statistics.tick(second);
    }
    statistics.tick_through(seconds.end..seconds.end + 2);
    statistics
}

#[test]
fn it_reads_like_this() {
    let statistics = Statistics::default();
    statistics.succeed(100, 20);
    statistics.fail(100, 41);
    statistics.cancel(100);
    statistics.refuse(100);
    statistics.tick_through(100..104);
    let report = statistics.report(104, 3, Buckets::With);
    let expected = json!({
        "window": {
            "seconds": 3, "requests": 3, "successes": 1, "failures": 1, "cancelled": 1, "refusals": 1,
            "requests_per_second": 1.0,
            "latency_ms": {"average": 0.031, "minimum": 0.02, "maximum": 0.041, "p50": 0.02, "p99": 0.041},
            "histogram": [[20, 1], [41, 1]],
        },
        "series": {
            "start_seconds_ago": 5, "step_seconds": 1,
            "requests": [0, 3, 0], "successes": [0, 1, 0], "failures": [0, 1, 0],
            "cancelled": [0, 1, 0], "refusals": [0, 1, 0],
            "average_ms": [null, 0.031, null], "minimum_ms": [null, 0.02, null], "maximum_ms": [null, 0.041, null],
            "p50_ms": [null, 0.02, null], "p99_ms": [null, 0.041, null],
        },
    });
    assert_eq!(serde_json::to_value(report).ok(), Some(expected));
}

#[test]
fn without_an_answered_request_there_is_no_latency() {
    let statistics = Statistics::default();
    statistics.cancel(100);
    statistics.refuse(100);
    statistics.tick_through(100..103);
    let report = statistics.report(102, 10, Buckets::With);
    assert_eq!((report.window.requests, report.window.refusals), (1, 1));
    assert_eq!(report.window.latency_ms, None);
    assert_eq!(report.window.histogram, Some(vec![]));
    assert_eq!(report.series.p99_ms, [None; 10]);
}

#[test]
fn a_window_is_exactly_its_seconds() {
    let statistics = server(1000..1100, |second| second - 999);
    let window = statistics.report(1101, 10, Buckets::Without).window;
    assert_eq!((window.seconds, window.requests, window.successes), (10, 10, 10));
    assert_eq!(window.requests_per_second, 1.0);
    let latency = window
        .latency_ms
        .map(|latency| (latency.average, latency.minimum, latency.maximum));
    assert_eq!(latency, Some((95.5, 91.0, 100.0)));
}

#[test]
fn percentiles_of_a_window_are_those_of_its_whole_minutes() {
    // From 1,020 to 1,080 is a minute, and nine in ten of its requests are fast.
    let statistics = server(1000..1080, |second| if second % 10 == 9 { 500 } else { 10 });
    let window = statistics.report(1081, 21, Buckets::With).window;
    let counted: u32 = window.histogram.iter().flatten().map(|(_, count)| count).sum();
    assert_eq!((window.requests, counted), (21, 60));
    let latency = window.latency_ms.map(|latency| (latency.p50, latency.p99));
    let (p50, p99) = latency.unwrap_or_default();
    assert!((p50 / 10.0 - 1.0).abs() <= 1.0 / 64.0, "{p50}");
    assert!((p99 / 500.0 - 1.0).abs() <= 1.0 / 64.0, "{p99}");
}

#[test]
fn a_window_that_answered_nothing_has_no_latencies_of_the_rest_of_its_minute() {
    let statistics = server(1020..1025, |_| 10);
    statistics.tick_through(1027..1040);
    let window = statistics.report(1040, 10, Buckets::With).window;
    assert_eq!((window.latency_ms, window.histogram), (None, Some(vec![])));
}

#[test]
fn percentiles_of_a_window_stay_between_its_extremes() {
    let statistics = server(1020..1080, |second| if second < 1070 { 500 } else { 10 });
    let window = statistics.report(1081, 10, Buckets::Without).window;
    let latency = window
        .latency_ms
        .map(|latency| (latency.minimum, latency.p50, latency.p99));
    assert_eq!(latency, Some((10.0, 10.0, 10.0)));
}

#[test]
fn the_longest_window_has_the_latencies_of_all_its_seconds() {
    let statistics = server(1000..2000, |_| 0);
    for end in 2001..2061 {
        statistics.succeed(end - 1, 0);
        statistics.tick(end + 1);
        let window = statistics.report(end + 1, WHOLE, Buckets::With).window;
        let minutes_before_end = end - (end - SECONDS) / 60 * 60;
        let expected = Some(vec![(0, minutes_before_end as u32)]);
        assert_eq!(
            (window.requests, window.histogram),
            (WHOLE, expected),
            "until {end}"
        );
    }
}

#[test]
fn the_window_is_at_least_a_second_and_at_most_900() {
    let statistics = server(1000..2000, |_| 1);
    for (asked, given) in [(0, 1), (1, 1), (900, 900), (901, 900), (u32::MAX, 900)] {
        let report = statistics.report(2001, asked, Buckets::Without);
        assert_eq!(report.window.seconds, given);
        assert_eq!(report.series.requests, vec![1; given as usize]);
    }
}

#[test]
fn a_window_does_not_begin_before_the_process() {
    let statistics = server(0..5, |_| 1);
    for statistics in [&statistics, &Statistics::default()] {
        let report = statistics.report(6, WHOLE, Buckets::Without);
        assert_eq!((report.window.seconds, report.series.start_seconds_ago), (5, 6));
    }
    let nothing = Statistics::default().report(0, WHOLE, Buckets::Without);
    assert_eq!(
        (nothing.window.seconds, nothing.window.requests_per_second),
        (0, 0.0)
    );
}

#[test]
fn seconds_that_are_not_folded_are_left_out_and_not_called_empty() {
    let statistics = server(1000..1100, |_| 1);
    statistics.succeed(1101, 1);
    let report = statistics.report(1110, 3, Buckets::Without);
    assert_eq!(report.series.requests, [1, 1, 1]);
    assert_eq!(report.series.start_seconds_ago, 1110 - 1097);
}
