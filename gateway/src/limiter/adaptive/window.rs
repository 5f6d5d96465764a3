//! The latencies of a while.

use crate::sync::{AtomicU64, Ordering::Relaxed};

/// Bits of the word that count; the others sum microseconds. 2¹⁹ samples of 2²⁵ µs (33 s) fit.
const COUNT_BITS: u32 = 20;
const LONGEST_US: u64 = 1 << 25;

/// Sum and count in one word, so that a mean is never of one without the other.
#[derive(Debug, Default)]
pub(super) struct Window {
    samples: AtomicU64,
    peak: AtomicU64,
}

/// What a window has seen.
pub(super) struct Mean {
    pub(super) latency_us: u64,
    pub(super) count: u64,
    /// The most in flight.
    pub(super) peak: u64,
}

impl Window {
    /// A window with so many samples must be closed; there is room for as many again until that is done.
    pub(super) const MOST: u64 = 1 << (COUNT_BITS - 2);

    /// Adds a sample, and says how many there are.
    pub(super) fn add(&self, latency_us: u64, in_flight: u64) -> u64 {
        if self.peak.load(Relaxed) < in_flight {
            self.peak.fetch_max(in_flight, Relaxed);
        }
        let sample = latency_us.min(LONGEST_US) << COUNT_BITS | 1;
        count(self.samples.fetch_add(sample, Relaxed)) + 1
    }

    /// Empties it.
    pub(super) fn take(&self) -> Option<Mean> {
        let samples = self.samples.swap(0, Relaxed);
        let peak = self.peak.swap(0, Relaxed);
        let latency_us = (samples >> COUNT_BITS).checked_div(count(samples))?;
        Some(Mean {
            latency_us,
            count: count(samples),
            peak,
        })
    }
}

fn count(samples: u64) -> u64 {
    samples % (1 << COUNT_BITS)
}
