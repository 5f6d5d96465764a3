//! The last 900 seconds one by one, and the latencies of the minutes they are in.
//!
//! A second keeps its own percentiles, but those of a longer span cannot be had from them. So every second is also
//! merged into its minute's histogram: sixteen minutes, because 900 seconds touch that many.

use std::ops::Range;

use super::{figures::Figures, histogram::Histogram};

/// How many seconds are kept.
pub(super) const SECONDS: u64 = 900;

const MINUTE: u64 = 60;
const MINUTES: u64 = SECONDS / MINUTE + 1;

/// What became of the last 900 seconds. Those before its first are empty.
pub(super) struct Series {
    /// The first second that is not in it.
    end: u64,
    /// The last second with anything in it.
    busy: u64,
    /// By the second modulo their number; the same for minutes.
    seconds: [Figures; SECONDS as usize],
    minutes: [Histogram; MINUTES as usize],
}

impl Series {
    /// One whose first second is `second`.
    ///
    /// Never inlined: its 80 KB are put together on the stack, and a fold that had them in its own frame would touch
    /// all those pages each time (for a server without traffic 230 ns instead of 11).
    #[cold]
    #[inline(never)]
    pub(super) fn starting_at(second: u64) -> Box<Self> {
        Box::new(Self {
            end: second,
            busy: second,
            seconds: [Figures::EMPTY; SECONDS as usize],
            minutes: [Histogram::EMPTY; MINUTES as usize],
        })
    }

    /// Appends `second`, which is not before the end; those between are empty.
    pub(super) fn push(&mut self, second: u64, figures: Figures, histogram: &Histogram) {
        self.pass(second + 1);
        self.busy = second;
        self.seconds[(second % SECONDS) as usize] = figures;
        self.minutes[(second / MINUTE % MINUTES) as usize].merge(histogram);
    }

    /// Appends empty seconds up to `end`. At worst everything is emptied once.
    pub(super) fn pass(&mut self, end: u64) {
        for second in self.end.max(end.saturating_sub(SECONDS))..end {
            self.seconds[(second % SECONDS) as usize] = Figures::EMPTY;
        }
        // The minutes that begin in between.
        let minutes = self.end.div_ceil(MINUTE)..end.div_ceil(MINUTE);
        for minute in minutes.start.max(minutes.end.saturating_sub(MINUTES))..minutes.end {
            self.minutes[(minute % MINUTES) as usize] = Histogram::EMPTY;
        }
        self.end = self.end.max(end);
    }

    /// Whether all its seconds are empty.
    pub(super) const fn is_idle(&self) -> bool {
        self.busy + SECONDS < self.end
    }

    /// The seconds of `span`, which ends where the series ends and is at most 900 long.
    pub(super) fn figures(&self, span: Range<u64>) -> Vec<Figures> {
        span.map(|second| self.seconds[(second % SECONDS) as usize])
            .collect()
    }

    /// The latencies of all minutes that `span`, as above, has a second in.
    pub(super) fn histogram(&self, span: Range<u64>) -> Histogram {
        let mut merged = Histogram::EMPTY;
        for minute in span.start / MINUTE..span.end.div_ceil(MINUTE) {
            merged.merge(&self.minutes[(minute % MINUTES) as usize]);
        }
        merged
    }
}
