//! Latencies in buckets that widen with them: percentiles out of 2,816 bytes, off by 1/64 of their value at most.
//!
//! This is the log-linear layout of HdrHistogram (Gil Tene, <http://hdrhistogram.org>) for whole microseconds:
//! below 32 µs a bucket is 1 µs wide, above it every octave is cut into 32 of equal width, up to 2^26 µs (67 s).
//! What took longer counts in the last bucket, so a percentile never says more than 66.6 s. A bucket stands for
//! its middle; it is at most 1/32 of its lower bound wide, hence the 1/64. Fractions of a microsecond are cut off
//! before.
//!
//! Counts stay at `u32::MAX` when they would pass it.

use crate::sync::{AtomicU32, Ordering::Relaxed};

/// Buckets in an octave, and the first value that has octaves.
const STEPS: u32 = 32;
const OCTAVES: u32 = 21;
const BUCKETS: usize = (STEPS + OCTAVES * STEPS) as usize;

/// The bucket of a latency.
const fn index(us: u32) -> usize {
    let octave = (us | STEPS).ilog2() - STEPS.ilog2();
    let index = (octave * STEPS + (us >> octave)) as usize;
    if index < BUCKETS { index } else { BUCKETS - 1 }
}

/// The smallest latency of a bucket, and at `BUCKETS` that of the one there is none for.
const fn lower_bound_us(index: usize) -> u32 {
    let octave = (index as u32 / STEPS).saturating_sub(1);
    (index as u32 - octave * STEPS) << octave
}

/// The largest latency of a bucket.
const fn upper_bound_us(index: usize) -> u32 {
    if index + 1 < BUCKETS {
        lower_bound_us(index + 1) - 1
    } else {
        u32::MAX
    }
}

const fn middle_us(index: usize) -> u32 {
    let lower = lower_bound_us(index);
    lower + (lower_bound_us(index + 1) - lower) / 2
}

/// Counts while they are being counted, by any number of threads.
pub(super) struct LiveHistogram([AtomicU32; BUCKETS]);

impl LiveHistogram {
    pub(super) const fn new() -> Self {
        Self([const { AtomicU32::new(0) }; BUCKETS])
    }

    pub(super) fn add(&self, us: u32) {
        self.0[index(us)].fetch_add(1, Relaxed);
    }

    /// Everything counted since the last time. What is added meanwhile is in this one or in the next.
    pub(super) fn take(&self) -> Histogram {
        let mut taken = Histogram::EMPTY;
        for (count, live) in taken.0.iter_mut().zip(&self.0) {
            // Most are 0, and looking is cheaper than swapping.
            if live.load(Relaxed) != 0 {
                *count = live.swap(0, Relaxed);
            }
        }
        taken
    }
}

/// How many requests took how long.
#[derive(Clone)]
pub(super) struct Histogram([u32; BUCKETS]);

impl Histogram {
    pub(super) const EMPTY: Self = Self([0; BUCKETS]);

    /// Adds what another one counted.
    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(&other.0) {
            *count = count.saturating_add(*more);
        }
    }

    /// Makes every count half of what it was, rounded down.
    pub(super) fn halve(&mut self) {
        self.0.iter_mut().for_each(|count| *count /= 2);
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().copied().map(u64::from).sum()
    }

    /// The latency that `percent` (0 to 100) percent did not exceed; `None` if there are none.
    ///
    /// By nearest rank: of n latencies in ascending order the ⌈n · percent / 100⌉-th, and for 0 the first. So it
    /// is one that occurred (give or take its bucket), never something between two.
    pub(super) fn percentile_us(&self, percent: u32) -> Option<u32> {
        let rank = (self.count() * u64::from(percent)).div_ceil(100).max(1);
        let mut seen = 0;
        let reached = self.0.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        reached.map(middle_us)
    }

    /// Where the smallest latency lies: the bounds of its bucket, both included.
    pub(super) fn lowest_us(&self) -> Option<(u32, u32)> {
        let lowest = self.0.iter().position(|count| *count != 0);
        lowest.map(|index| (lower_bound_us(index), upper_bound_us(index)))
    }

    /// Where the largest one lies.
    pub(super) fn highest_us(&self) -> Option<(u32, u32)> {
        let highest = self.0.iter().rposition(|count| *count != 0);
        highest.map(|index| (lower_bound_us(index), upper_bound_us(index)))
    }

    /// The buckets that are not empty, as lower bound in microseconds and count.
    pub(super) fn pairs(&self) -> Vec<(u32, u32)> {
        let pair = |(index, count): (usize, &u32)| (*count != 0).then(|| (lower_bound_us(index), *count));
        self.0.iter().enumerate().filter_map(pair).collect()
    }
}

#[cfg(test)]
impl FromIterator<u32> for Histogram {
    fn from_iter<I: IntoIterator<Item = u32>>(latencies_us: I) -> Self {
        let live = LiveHistogram::new();
        latencies_us.into_iter().for_each(|us| live.add(us));
        live.take()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// As many small ones as large ones, up to the end of the last bucket.
    fn latencies() -> impl Strategy<Value = Vec<u32>> {
        let latency = (0..26_u32).prop_flat_map(|octave| (1_u32 << octave) - 1..=(2 << octave) - 1);
        vec(latency, 1..300)
    }

    #[test]
    fn buckets_follow_each_other_without_gap_or_overlap() {
        assert_eq!(lower_bound_us(0), 0);
        for bucket in 0..BUCKETS {
            let (lower, upper) = (lower_bound_us(bucket), upper_bound_us(bucket));
            assert!(lower <= middle_us(bucket) && middle_us(bucket) <= upper);
            assert_eq!((index(lower), index(upper)), (bucket, bucket));
            assert!(bucket + 1 == BUCKETS || upper + 1 == lower_bound_us(bucket + 1));
        }
    }

    #[test]
    fn what_takes_longer_than_67_s_counts_in_the_last_bucket() {
        let histogram = Histogram::from_iter([1 << 26, u32::MAX]);
        assert_eq!(histogram.pairs(), [(66_060_288, 2)]);
        assert_eq!(histogram.percentile_us(50), Some(66_584_576));
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let histogram = Histogram::from_iter(1..=50);
        for (percent, expected) in [(0, 1), (1, 1), (50, 25), (51, 26), (99, 50), (100, 50)] {
            assert_eq!(histogram.percentile_us(percent), Some(expected), "{percent} %");
        }
        assert_eq!(Histogram::EMPTY.percentile_us(50), None);
    }

    proptest! {
        #[test]
        fn a_percentile_is_within_a_64th_of_the_sorted_sample(mut sample in latencies(), percent in 1..=100_u32) {
            let found = Histogram::from_iter(sample.iter().copied()).percentile_us(percent);
            sample.sort_unstable();
            let exact = sample[(sample.len() * percent as usize).div_ceil(100) - 1];
            let error = found.map(|found| found.abs_diff(exact));
            prop_assert!(error.is_some_and(|error| error * 64 <= exact), "{found:?} for {exact}");
        }

        #[test]
        fn merged_histograms_are_the_histogram_of_all(one in latencies(), two in latencies()) {
            let mut merged = Histogram::from_iter(one.iter().copied());
            merged.merge(&Histogram::from_iter(two.iter().copied()));
            prop_assert_eq!(merged.pairs(), Histogram::from_iter(one.into_iter().chain(two)).pairs());
        }
    }
}
