//! Requests over time, per key.

use std::{sync::OnceLock, time::Duration};

use pingora_limits::rate::{PROPORTIONAL_RATE_ESTIMATE_CALC_FN, Rate as Sketch};

use super::table::Table;
use crate::limiter::rate::{Rate, Ticks, Wait};

/// A bucket for each key, as far as there is room.
///
/// What happens when both groups of a newcomer are full: it takes the place of the key that has the least time left until its bucket is
/// full, if that is less than its own first request takes. What is forgotten is that little debt, so the error is one request
/// too many for a key, never one too few. If there is no such key, the newcomer is judged by a count-min sketch of
/// the last second (4 MiB, made when first needed): admitted up to `burst` and one second of the rate in it. That can only be too
/// strict, and only for keys that share all four of their counters with others.
pub struct KeyedRates {
    table: Table<16>,
    overflow: OnceLock<Sketch>,
}

/// 2 × 4 × 65,536 counters. 100,000 keys beyond the table add 1.5 to each counter on average.
const SKETCH: (usize, usize) = (4, 65_536);

/// `pingora-limits` is not sound with less (an underflow in its first second).
const SKETCH_INTERVAL: Duration = Duration::from_secs(1);

impl KeyedRates {
    /// The cells of a process: 8 MiB, which are in use from the start.
    pub const CELLS: usize = 1 << 19;

    /// Up to this many live keys, with [`Self::CELLS`], the limits are exact.
    pub const PROMISED_KEYS: usize = 400_000;

    /// Room for at least `cells` keys, 16 bytes each.
    pub fn new(cells: usize) -> Self {
        Self {
            table: Table::new(cells),
            overflow: OnceLock::new(),
        }
    }

    /// Takes a token of `key` (what [`KeyHasher`](super::KeyHasher) makes) at `now`, or says when there will be one.
    ///
    /// `rate` may change between calls, as for a [`Bucket`](crate::limiter::Bucket).
    pub fn take(&self, key: u64, rate: &Rate, now: Ticks) -> Result<(), Wait> {
        let left = |tat| now.until(tat);
        match self.table.update(key, left, |tat| rate.spend(tat, now)) {
            Some((verdict, _)) => verdict,
            None => self.judge_by_sketch(key, rate),
        }
    }

    /// Whether any key had to be judged by the sketch so far.
    pub fn has_overflowed(&self) -> bool {
        self.overflow.get().is_some()
    }

    /// Counts first and takes it back when refused, so that two at once cannot both be the last one admitted. By the clock of
    /// `pingora-limits`, which is the real one. Once a second the caller that begins the second clears 262,144 counters.
    fn judge_by_sketch(&self, key: u64, rate: &Rate) -> Result<(), Wait> {
        let sketch = self
            .overflow
            .get_or_init(|| Sketch::new_with_estimator_config(SKETCH_INTERVAL, SKETCH.0, SKETCH.1));
        sketch.observe(&key, 1);
        let seen = sketch.rate_with(&key, PROPORTIONAL_RATE_ESTIMATE_CALC_FN);
        if seen <= f64::from(rate.burst()) + rate.per_second() {
            return Ok(());
        }
        sketch.observe(&key, -1);
        Err(rate.wait_for_one())
    }
}
