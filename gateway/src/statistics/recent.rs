//! How long the answers of the last seconds took, for who decides by it and needs no history.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::histogram::{Histogram, LiveHistogram};

/// With fewer answers a percentile says nothing.
const LEAST: u64 = 20;

/// Latencies that weigh half as much each time they are looked at. 5,632 bytes.
pub(crate) struct RecentLatencies {
    live: LiveHistogram,
    past: Mutex<Histogram>,
}

impl Default for RecentLatencies {
    fn default() -> Self {
        Self {
            live: LiveHistogram::new(),
            past: Mutex::new(Histogram::EMPTY),
        }
    }
}

impl RecentLatencies {
    /// Counts one: one atomic addition.
    pub(crate) fn add(&self, latency: Duration) {
        self.live
            .add(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// The latency that `percent` percent did not exceed; `None` while there are fewer than 20. Halves the weight of all there are, so it
    /// is to be asked for at equal distances.
    pub(crate) fn percentile_us(&self, percent: u32) -> Option<u32> {
        let recent = self.live.take();
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.halve();
        past.merge(&recent);
        (past.count() >= LEAST)
            .then(|| past.percentile_us(percent))
            .flatten()
    }
}

impl fmt::Debug for RecentLatencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecentLatencies")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_of_what_was_recent() {
        let latencies = RecentLatencies::default();
        let add = |count, ms| (0..count).for_each(|_| latencies.add(Duration::from_millis(ms)));
        add(19, 10);
        assert_eq!(latencies.percentile_us(95), None, "too few");
        add(1000, 10);
        let us = latencies.percentile_us(95).map(|us| us / 1000);
        assert!(matches!(us, Some(9 | 10)), "{us:?}");
        (0..12).for_each(|_| {
            add(1000, 40);
            latencies.percentile_us(95);
        });
        let us = latencies.percentile_us(1).map(|us| us / 1000);
        assert!(matches!(us, Some(39..=41)), "the old ones are forgotten: {us:?}");
    }
}
