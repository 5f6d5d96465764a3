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

    /// The latencies that so many percent did not exceed; `None` while there are fewer than 20. Halves the weight of all there are, so
    /// they are to be asked for at equal distances.
    pub(crate) fn percentiles_us<const N: usize>(&self, percents: [u32; N]) -> Option<[u32; N]> {
        let recent = self.live.take();
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.halve();
        past.merge(&recent);
        // Of one that is not empty each percentile is something.
        (past.count() >= LEAST).then(|| percents.map(|percent| past.percentile_us(percent).unwrap_or(0)))
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
        assert_eq!(latencies.percentiles_us([95]), None, "too few");
        add(900, 10);
        add(100, 80);
        let ms = latencies
            .percentiles_us([50, 95])
            .map(|us| us.map(|us| us / 1000));
        assert!(matches!(ms, Some([9 | 10, 79..=81])), "{ms:?}");
        (0..12).for_each(|_| {
            add(1000, 40);
            latencies.percentiles_us([95]);
        });
        let ms = latencies.percentiles_us([1]).map(|us| us.map(|us| us / 1000));
        assert!(
            matches!(ms, Some([39..=41])),
            "the old ones are forgotten: {ms:?}"
        );
    }
}
