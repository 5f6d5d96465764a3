//! Claims about [`Statistics`] as a whole; those about buckets are in `histogram.rs`.

mod folding;
mod nothing_lost;
mod reports;
mod threads;

use super::*;

const WHOLE: u32 = SECONDS as u32;

impl Statistics {
    fn succeed(&self, second: u64, us: u64) {
        self.record(second, Outcome::Success, Duration::from_micros(us));
    }

    fn fail(&self, second: u64, us: u64) {
        self.record(second, Outcome::Failure, Duration::from_micros(us));
    }

    /// Ticks once in each of `seconds`.
    fn tick_through(&self, seconds: Range<u64>) {
        seconds.for_each(|second| self.tick(second));
    }

    /// The requests of the seconds that had any, by second, as seen from `now`.
    fn busy_seconds(&self, now: u64) -> Vec<(u64, u32)> {
        let series = self.report(now, WHOLE, Buckets::Without).series;
        let seconds = (now - series.start_seconds_ago..).zip(series.requests);
        seconds.filter(|(_, requests)| *requests > 0).collect()
    }
}
