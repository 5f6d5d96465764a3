//! A server's traffic on this proxy, second by second for the last 15 minutes.
//!
//! A request counts in one of the live seconds of a [`recorder`]: three atomic additions, seldom more, and no lock. Once a
//! second a background task folds what is over into the [`series`]: 900 seconds with the [`figures`] of each, and a
//! [`histogram`] for each minute, from which come the percentiles of longer spans. A [`report`] is read from there.
//!
//! **Memory** does not depend on the traffic. A server without any has 40 bytes. Its first request, or refusal, allocates
//! the recorder (11,400 bytes, once in the server's life; requests of the same instant wait for it). The first fold that
//! finds something allocates the series (81,072 bytes); it goes again after 15 minutes without anything.
//!
//! **Seconds** are counted by the caller from any beginning. One is folded by the first tick that comes at least a second
//! after its end. Ticks may be late or left out as long as no two are more than two seconds apart; after a longer pause,
//! what the pause counted shows in the last four of its seconds: sums stay right, places in the chart do not.

mod figures;
mod histogram;
mod recent;
mod recorder;
mod report;
mod series;
#[cfg(test)]
mod tests;

use std::{
    ops::Range,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use figures::Figures;
use histogram::Histogram;
use recorder::{Recorder, SLOTS};
use series::{SECONDS, Series};

pub use figures::LatencyMs;
pub(crate) use recent::RecentLatencies;
pub use report::{Buckets, Columns, Report, Window};

/// How a request ended that was not given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server answered well.
    Success,
    /// It did not.
    Failure,
}

/// The traffic statistics of one server.
#[derive(Default)]
pub struct Statistics {
    recorder: OnceLock<Box<Recorder>>,
    history: Mutex<History>,
}

/// What is folded. Only ticks and readers come here.
#[derive(Default)]
struct History {
    /// The first second that is not; where the series ends, if there is one.
    next: u64,
    series: Option<Box<Series>>,
}

impl Statistics {
    /// Counts a request that ended in `second` and took `latency` (in whole microseconds, at most 71 minutes).
    pub fn record(&self, second: u64, outcome: Outcome, latency: Duration) {
        self.recorder(second).record(second, outcome, latency);
    }

    /// Counts a request that was given up in `second`. How long that took says nothing of the server.
    pub fn cancel(&self, second: u64) {
        self.recorder(second).cancel(second);
    }

    /// Counts a request that the server was not allowed to take in `second`.
    pub fn refuse(&self, second: u64) {
        self.recorder(second).refuse(second);
    }

    /// Folds the seconds that are over; to be called once in each. A second time, or for an earlier second, it does nothing.
    pub fn tick(&self, now_second: u64) {
        if let Some(recorder) = self.recorder.get() {
            self.history().fold(recorder, now_second.saturating_sub(1));
        }
    }

    /// The last `seconds` (1 to 900) that are folded, as seen from `now_second`. Never more than this process has lived.
    pub fn report(&self, now_second: u64, seconds: u32, buckets: Buckets) -> Report {
        let history = self.history();
        let folded_until = match self.recorder.get() {
            Some(recorder) => history.next.max(recorder.first()),
            None => now_second.saturating_sub(1),
        };
        let span = folded_until.saturating_sub(u64::from(seconds).clamp(1, SECONDS))..folded_until;
        let start_seconds_ago = now_second.saturating_sub(span.start);
        let (seconds, latencies) = history.read(span);
        drop(history);
        Report::new(start_seconds_ago, &seconds, &latencies, buckets)
    }

    fn recorder(&self, second: u64) -> &Recorder {
        self.recorder.get_or_init(|| Box::new(Recorder::new(second)))
    }

    fn history(&self) -> MutexGuard<'_, History> {
        // Nothing panics while it is held, and a fold left half done would harm no later one.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl History {
    /// Folds all seconds before `end`. They are in four slots, so after a longer pause the last four seconds are enough to
    /// leave nothing of it in any slot.
    fn fold(&mut self, recorder: &Recorder, end: u64) {
        if end <= self.next {
            return;
        }
        let start = self.next.max(recorder.first()).max(end.saturating_sub(SLOTS));
        for second in start..end {
            if let Some((figures, histogram)) = recorder.take(second) {
                let series = self.series.get_or_insert_with(|| Series::starting_at(second));
                series.push(second, figures, &histogram);
            }
        }
        if let Some(series) = &mut self.series {
            series.pass(end);
        }
        self.series.take_if(|series| series.is_idle());
        self.next = end;
    }

    fn read(&self, span: Range<u64>) -> (Vec<Figures>, Histogram) {
        match &self.series {
            Some(series) => (series.figures(span.clone()), series.histogram(span)),
            None => (span.map(|_| Figures::EMPTY).collect(), Histogram::EMPTY),
        }
    }
}
