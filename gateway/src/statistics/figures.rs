//! What is known of a span of time: how many requests, how they ended, how long they took.

use serde::Serialize;

use super::histogram::Histogram;

/// The figures of a second, or of several together.
///
/// Counts stay at `u32::MAX` when they would pass it: in 900 s that takes 4.7 million requests a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) successes: u32,
    pub(super) failures: u32,
    pub(super) cancelled: u32,
    pub(super) refusals: u32,
    /// Of successes and failures, as everything about latency.
    pub(super) sum_us: u64,
    /// Above the maximum where no latency is known.
    pub(super) minimum_us: u32,
    pub(super) maximum_us: u32,
    pub(super) p50_us: u32,
    pub(super) p99_us: u32,
}

/// Latencies in milliseconds, to the microsecond. Requests that were given up have none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LatencyMs {
    /// The arithmetic mean.
    pub average: f64,
    /// The shortest.
    pub minimum: f64,
    /// The longest.
    pub maximum: f64,
    /// What half of the requests did not exceed, within 1/64 of it.
    pub p50: f64,
    /// What 99 % of the requests did not exceed, within 1/64 of it.
    pub p99: f64,
}

impl Figures {
    pub(super) const EMPTY: Self = Self {
        successes: 0,
        failures: 0,
        cancelled: 0,
        refusals: 0,
        sum_us: 0,
        minimum_us: u32::MAX,
        maximum_us: 0,
        p50_us: 0,
        p99_us: 0,
    };

    /// Those that were taken. A refused request went elsewhere.
    pub(super) fn requests(&self) -> u32 {
        self.answered().saturating_add(self.cancelled)
    }

    fn answered(&self) -> u32 {
        self.successes.saturating_add(self.failures)
    }

    /// Both together, but for the percentiles: those cannot be had from two pairs of them.
    pub(super) fn and(self, other: &Self) -> Self {
        Self {
            successes: self.successes.saturating_add(other.successes),
            failures: self.failures.saturating_add(other.failures),
            cancelled: self.cancelled.saturating_add(other.cancelled),
            refusals: self.refusals.saturating_add(other.refusals),
            sum_us: self.sum_us.saturating_add(other.sum_us),
            minimum_us: self.minimum_us.min(other.minimum_us),
            maximum_us: self.maximum_us.max(other.maximum_us),
            ..self
        }
    }

    /// Puts the extremes where `histogram`, which counted the same requests, saw them. They are there already
    /// unless a request was being recorded while its second was folded (see [`super::recorder`]).
    pub(super) fn bound_by(&mut self, histogram: &Histogram) {
        let (Some(lowest), Some(highest)) = (histogram.lowest_us(), histogram.highest_us()) else {
            (self.minimum_us, self.maximum_us) = (u32::MAX, 0);
            return;
        };
        self.minimum_us = self.minimum_us.clamp(lowest.0, lowest.1);
        self.maximum_us = self.maximum_us.clamp(highest.0, highest.1).max(self.minimum_us);
    }

    /// Takes the percentiles from `histogram`, kept between the extremes.
    pub(super) fn rank_by(&mut self, histogram: &Histogram) {
        let between = |percent| {
            let us = histogram.percentile_us(percent).unwrap_or(0);
            us.max(self.minimum_us).min(self.maximum_us)
        };
        (self.p50_us, self.p99_us) = (between(50), between(99));
    }

    /// `None` if no request was answered.
    pub(super) fn latency_ms(&self) -> Option<LatencyMs> {
        let answered = u64::from(self.answered());
        if answered == 0 || self.minimum_us > self.maximum_us {
            return None;
        }
        // Whole microseconds, rounded. It is between the extremes but for requests recorded during the fold.
        let average = u32::try_from((self.sum_us + answered / 2) / answered).unwrap_or(u32::MAX);
        let ms = |us: u32| f64::from(us) / 1000.0;
        Some(LatencyMs {
            average: ms(average.clamp(self.minimum_us, self.maximum_us)),
            minimum: ms(self.minimum_us),
            maximum: ms(self.maximum_us),
            p50: ms(self.p50_us),
            p99: ms(self.p99_us),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(minimum_us: u32, maximum_us: u32, sum_us: u64, latencies_us: &[u32]) -> Option<LatencyMs> {
        let histogram = latencies_us.iter().copied().collect();
        let mut figures = Figures {
            successes: 2,
            sum_us,
            minimum_us,
            maximum_us,
            ..Figures::EMPTY
        };
        figures.bound_by(&histogram);
        figures.rank_by(&histogram);
        figures.latency_ms()
    }

    #[test]
    fn extremes_that_were_recorded_are_kept_to_the_microsecond() {
        let latency = answered(1001, 9999, 11_000, &[1001, 9999]);
        let latency = latency.map(|latency| (latency.minimum, latency.average, latency.maximum));
        assert_eq!(latency, Some((1.001, 5.5, 9.999)));
    }

    #[test]
    fn a_second_that_misses_part_of_a_request_still_has_its_figures_in_order() {
        let bucket = 0.992..1.024;
        let untouched = (Figures::EMPTY.minimum_us, Figures::EMPTY.maximum_us, 0);
        for (minimum, maximum, sum) in [untouched, (5, 5, 10), (70_000, 70_000, 1_000_000)] {
            let latency = answered(minimum, maximum, sum, &[1000, 1000]);
            let in_order = latency.is_some_and(|latency| {
                [
                    bucket.start,
                    latency.minimum,
                    latency.average,
                    latency.maximum,
                    bucket.end,
                ]
                .is_sorted()
                    && [latency.minimum, latency.p50, latency.p99, latency.maximum].is_sorted()
            });
            assert!(in_order, "{latency:?}");
        }
        assert_eq!(answered(5, 5, 10, &[]), None);
    }
}
