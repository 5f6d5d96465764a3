//! What is told of a server's traffic: a window as a whole and second by second, in columns as charts want them.

use serde::Serialize;

use super::{
    figures::{Figures, LatencyMs},
    histogram::Histogram,
};

/// Whether a report has the window's histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buckets {
    /// Left out.
    Without,
    /// For whoever merges the windows of several proxies.
    With,
}

/// The traffic of one server on this proxy in the last seconds.
///
/// `requests` are always `successes + failures + cancelled`; `refusals` come on top: those went elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// All seconds together.
    pub window: Window,
    /// Each second.
    pub series: Columns,
}

/// All seconds of a report together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Window {
    /// How many they are: fewer than asked for if this process is younger.
    pub seconds: u64,
    /// Those that were taken.
    pub requests: u32,
    /// Answered well.
    pub successes: u32,
    /// Answered badly or not at all.
    pub failures: u32,
    /// Given up by the client.
    pub cancelled: u32,
    /// Not taken.
    pub refusals: u32,
    /// `requests / seconds`.
    pub requests_per_second: f64,
    /// `None` if none was answered.
    ///
    /// Average, minimum and maximum are of exactly these seconds. The percentiles are of all minutes (of the process)
    /// that the window has a second in, kept between minimum and maximum: they look back up to 59 s further than the
    /// window, which matters for windows of a few minutes and less.
    pub latency_ms: Option<LatencyMs>,
    /// How many took how long in the minutes the percentiles are of, as `[from, count]` with `from` in microseconds.
    /// Empty if none was answered in the window.
    ///
    /// A bucket ends before `from + 1` if `from` is below 32, else before `from + 2^(⌊log2 from⌋ − 5)`; the last one,
    /// from 66,060,288 on, has no end. Histograms of several proxies are merged by adding counts of equal `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub histogram: Option<Vec<(u32, u32)>>,
}

/// The seconds of a report, oldest first. Latencies are `None` in seconds that answered no request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Columns {
    /// How long before the second of asking the first one began.
    pub start_seconds_ago: u64,
    /// What an element stands for: 1.
    pub step_seconds: u32,
    /// Those that were taken.
    pub requests: Vec<u32>,
    /// Answered well.
    pub successes: Vec<u32>,
    /// Answered badly or not at all.
    pub failures: Vec<u32>,
    /// Given up by the client.
    pub cancelled: Vec<u32>,
    /// Not taken.
    pub refusals: Vec<u32>,
    /// The arithmetic mean.
    pub average_ms: Vec<Option<f64>>,
    /// The shortest.
    pub minimum_ms: Vec<Option<f64>>,
    /// The longest.
    pub maximum_ms: Vec<Option<f64>>,
    /// What half of the second's requests did not exceed, within 1/64 of it.
    pub p50_ms: Vec<Option<f64>>,
    /// What 99 % of the second's requests did not exceed, within 1/64 of it.
    pub p99_ms: Vec<Option<f64>>,
}

impl Report {
    pub(super) fn new(
        start_seconds_ago: u64,
        seconds: &[Figures],
        latencies: &Histogram,
        buckets: Buckets,
    ) -> Self {
        Self {
            window: Window::new(seconds, latencies, buckets),
            series: Columns::new(start_seconds_ago, seconds),
        }
    }
}

impl Window {
    fn new(seconds: &[Figures], latencies: &Histogram, buckets: Buckets) -> Self {
        let mut total = seconds.iter().fold(Figures::EMPTY, Figures::and);
        total.rank_by(latencies);
        let latency_ms = total.latency_ms();
        let pairs = || latency_ms.map_or_else(Vec::new, |_| latencies.pairs());
        Self {
            seconds: seconds.len() as u64,
            requests: total.requests(),
            successes: total.successes,
            failures: total.failures,
            cancelled: total.cancelled,
            refusals: total.refusals,
            requests_per_second: f64::from(total.requests()) / seconds.len().max(1) as f64,
            latency_ms,
            histogram: (buckets == Buckets::With).then(pairs),
        }
    }
}

impl Columns {
    fn new(start_seconds_ago: u64, seconds: &[Figures]) -> Self {
        let count = |of: fn(&Figures) -> u32| seconds.iter().map(of).collect();
        let latencies: Vec<_> = seconds.iter().map(Figures::latency_ms).collect();
        let latency =
            |of: fn(&LatencyMs) -> f64| latencies.iter().map(|some| some.as_ref().map(of)).collect();
        Self {
            start_seconds_ago,
            step_seconds: 1,
            requests: count(Figures::requests),
            successes: count(|second| second.successes),
            failures: count(|second| second.failures),
            cancelled: count(|second| second.cancelled),
            refusals: count(|second| second.refusals),
            average_ms: latency(|latency| latency.average),
            minimum_ms: latency(|latency| latency.minimum),
            maximum_ms: latency(|latency| latency.maximum),
            p50_ms: latency(|latency| latency.p50),
            p99_ms: latency(|latency| latency.p99),
        }
    }
}
