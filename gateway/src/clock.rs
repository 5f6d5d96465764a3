//! Time as limits, breakers and statistics count it: from the beginning of the process, in one number.
//!
//! A request asks the system for the time once and passes the answer on; what is kept in atomics is such numbers.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

/// What all moments are counted from: a second before the first one is asked for, since another thread may have taken its own just
/// before. (A machine that has not run for a second counts from then.)
static EPOCH: LazyLock<Instant> = LazyLock::new(|| {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(1)).unwrap_or(now)
});

/// A moment in this process's life: nanoseconds since about its beginning (they last for 584 years).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// This moment. In tests on tokio's paused clock, that clock's.
    pub fn now() -> Self {
        Self::of(tokio::time::Instant::now().into_std())
    }

    /// The same moment as the standard library has it; what is before the beginning counts as the beginning.
    pub fn of(instant: Instant) -> Self {
        let since = instant.saturating_duration_since(*EPOCH);
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    /// `span` after the beginning.
    pub const fn after_start(span: Duration) -> Self {
        Self(span.as_nanos() as u64)
    }

    /// Nanoseconds since the beginning.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the beginning.
    pub const fn millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Whole seconds since the beginning.
    pub const fn second(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// The moment `millis` milliseconds after the beginning.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// The same in milliseconds of Unix time, as the system's clock stands at present. For people: that clock can be set.
    pub fn unix_ms(self) -> u64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_millis() as u64);
        (now + self.millis()).saturating_sub(Self::now().millis())
    }

    /// This long after `earlier`; nothing if it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// `span` later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_the_unit_asked_for() {
        let moment = Moment::after_start(Duration::from_millis(2_345)).plus(Duration::from_nanos(7));
        assert_eq!(
            (moment.nanos(), moment.millis(), moment.second()),
            (2_345_000_007, 2_345, 2)
        );
        assert_eq!(moment.since(moment.plus(Duration::from_secs(1))), Duration::ZERO);
        assert_eq!(moment.plus(Duration::MAX).nanos(), u64::MAX);
    }

    #[test]
    fn what_was_before_the_beginning_counts_as_the_beginning() {
        let now = Instant::now();
        let _ = Moment::of(now);
        let before = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        assert!(Moment::of(before) <= Moment::of(now));
    }
}
