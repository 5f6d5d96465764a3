//! Latencies in buckets that are each about 1.6 % wide (64 per power of two), from 1 ns to 17 s.

use std::fmt;
use std::time::Duration;

const STEPS: usize = 64;
const POWERS: usize = 34;

/// How many answers took how long.
#[derive(Clone)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; STEPS * POWERS],
            count: 0,
        }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, p99, p999] = [0.5, 0.99, 0.999].map(|share| self.quantile_ms(share));
        write!(
            formatter,
            "p50 {median:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms"
        )
    }
}

impl Histogram {
    pub(crate) fn add(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX).max(1);
        let power = ns.ilog2() as usize;
        // The bits below the highest one, scaled to 0..STEPS.
        let rest = ns - (1 << power);
        let step = usize::try_from((u128::from(rest) * STEPS as u128) >> power).unwrap_or(STEPS - 1);
        let last = self.buckets.len() - 1;
        self.buckets[(power * STEPS + step).min(last)] += 1;
        self.count += 1;
    }

    /// How many were added.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The latency that this share (0 to 1) of the answers did not exceed, in milliseconds; 0 if there are none.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, &count) in self.buckets.iter().enumerate() {
            seen += count;
            if count > 0 && seen >= wanted {
                let (power, step) = (index / STEPS, index % STEPS);
                return (1_u64 << power) as f64 * (1.0 + (step as f64 + 0.5) / STEPS as f64) / 1e6;
            }
        }
        0.0
    }
}
