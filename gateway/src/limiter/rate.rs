//! What a limit of requests over time says, and its arithmetic.
//!
//! The rule is the generic cell rate algorithm in its virtual scheduling form (ITU-T I.371, Annex A): of the past, only the
//! theoretical arrival time is kept, the time at which the bucket will be full again. A request moves it on by one interval and is
//! admitted if it is then at most `burst` intervals ahead. So in any time t at most `burst + rate · t` are admitted:
//! the n-th admission after a time s puts it at `s + n` intervals or later, and no more than `burst` intervals ahead of its own time.

use std::time::Duration;

const TICKS_PER_NS: u64 = 16;
const TICKS_PER_SECOND: u64 = TICKS_PER_NS * 1_000_000_000;

/// Ten million a second.
const SHORTEST: f64 = (TICKS_PER_SECOND / 10_000_000) as f64;
/// One an hour.
const LONGEST: f64 = (TICKS_PER_SECOND * 3600) as f64;
/// Nine years: what is left of the range after it serves as the range of `now`.
const MOST_CAPACITY: u64 = 1 << 62;

/// How far threads may disagree about the time, one second: longer than a thread is kept from running between reading the clock
/// and asking.
const SKEW: u64 = TICKS_PER_SECOND;

/// A time since an epoch that the process chooses, such as its start, in 1/16 ns.
///
/// Ends 36 years after the epoch (18 years for keyed limits, which need a bit); the limits then refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(u64);

impl Ticks {
    /// From nanoseconds since the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos.saturating_mul(TICKS_PER_NS))
    }

    /// How long after this time `later` is; nothing if it is not.
    pub(super) fn until(self, later: u64) -> u64 {
        later.saturating_sub(self.0)
    }
}

/// How long until one request would be admitted, if no other takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait(u64);

impl Wait {
    /// The wait, rounded up to a nanosecond.
    pub fn duration(self) -> Duration {
        Duration::from_nanos(self.0.div_ceil(TICKS_PER_NS))
    }

    /// The wait in whole seconds, rounded up, as `Retry-After` wants it (RFC 9110 §10.2.3). At least 1.
    pub fn seconds(self) -> u64 {
        self.0.div_ceil(TICKS_PER_SECOND).max(1)
    }
}

/// Requests over time, and how many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Ticks between two requests.
    interval: u64,
    /// Ticks that a bucket emptied at once takes to fill: `burst` intervals.
    capacity: u64,
    policy: (u64, u64),
}

impl Rate {
    /// `requests` every `per`, from one an hour to ten million a second, and `burst` at once.
    ///
    /// The interval is rounded up to a tick, so the rate is never more than asked and less by under 0.1 %. `None` outside of that
    /// range, for a burst of 0, and for one that would take more than nine years to come back (80,000 at one an hour).
    pub fn new(requests: f64, per: Duration, burst: u32) -> Option<Self> {
        let interval = interval(requests, per)?;
        let capacity = interval.checked_mul(u64::from(burst))?;
        (1..=MOST_CAPACITY).contains(&capacity).then_some(Self {
            interval,
            capacity,
            policy: policy(requests, per.as_secs_f64()),
        })
    }

    /// Quota and window in seconds for `RateLimit-Policy: "name";q=QUOTA;w=WINDOW` (draft-ietf-httpapi-ratelimit-headers-10, §3).
    ///
    /// Exact where whole numbers with a window up to a minute (or that of the configuration) allow; else less than the rate.
    pub fn policy(&self) -> (u64, u64) {
        self.policy
    }

    /// How many are admitted at once after a pause.
    pub fn burst(&self) -> u32 {
        (self.capacity / self.interval) as u32
    }

    /// How many are admitted in a second of steady load.
    pub(super) fn per_second(&self) -> f64 {
        TICKS_PER_SECOND as f64 / self.interval as f64
    }

    /// How long one request takes to come back.
    pub(super) fn wait_for_one(&self) -> Wait {
        Wait(self.interval)
    }

    /// What one request at `now` makes of the theoretical arrival time `tat`, and whether it is admitted.
    ///
    /// A `tat` further ahead than this rate can have put it comes from another rate, before a configuration change, and
    /// counts as that of an empty bucket. [`SKEW`] tells it from one that a thread with a later `now` has left; so after such a
    /// change the bucket may stay empty for that second longer.
    pub(super) fn spend(&self, tat: u64, now: Ticks) -> (u64, Result<(), Wait>) {
        let empty = now.0.saturating_add(self.capacity);
        let tat = if tat > empty.saturating_add(SKEW) {
            empty
        } else {
            tat
        };
        let next = tat.max(now.0).saturating_add(self.interval);
        if next <= empty && next < u64::MAX {
            (next, Ok(()))
        } else {
            (tat, Err(Wait(next - empty)))
        }
    }

    /// How many requests at `now` the theoretical arrival time `tat` leaves.
    pub(super) fn left(&self, tat: u64, now: Ticks) -> u32 {
        (self.capacity.saturating_sub(now.until(tat)) / self.interval) as u32
    }
}

/// The least number of ticks whose rate is not above the one asked for.
fn interval(requests: f64, per: Duration) -> Option<u64> {
    let span = per.as_nanos() as f64 * TICKS_PER_NS as f64;
    let mut ticks = (span / requests).ceil();
    // The quotient is rounded to nearest before it is rounded up; the fused product shows on which side it fell.
    if ticks.mul_add(requests, -span) < 0.0 {
        ticks += 1.0;
    }
    (SHORTEST..=LONGEST).contains(&ticks).then_some(ticks as u64)
}

fn policy(requests: f64, seconds: f64) -> (u64, u64) {
    let exact = |window: f64| whole(requests / seconds * window).zip(whole(window));
    exact(seconds)
        .or_else(|| (1..=60).find_map(|window| exact(f64::from(window))))
        .unwrap_or_else(|| match requests / seconds {
            many if many >= 1.0 => (many as u64, 1),
            few => (1, few.recip().ceil() as u64),
        })
}

/// `number` if it is a whole one, but for what floating point makes of it.
fn whole(number: f64) -> Option<u64> {
    let nearest = number.round();
    (nearest >= 1.0 && (number - nearest).abs() <= 1e-9 * nearest).then_some(nearest as u64)
}
