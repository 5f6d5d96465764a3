//! The concurrency limit that finds itself (`max_in_flight: auto`).
//!
//! A backend that is given more than it can work on answers no faster, only later. So the limit follows the latency, by the gradient
//! rule of Envoy's adaptive concurrency filter and of Netflix's concurrency-limits (`Gradient2Limit`):
//!
//! `limit' = limit · gradient + headroom`, `gradient = BUFFER · base / sample` within 1/2 and 2, `headroom = HEADROOM · √limit`,
//!
//! and it goes halfway there in each window, since a window still sees requests admitted under earlier limits and whole steps
//! would swing. `sample` is the mean latency of a window; `base` the mean latency without a queue, measured in a **probe**: about
//! every 10 s the limit is halved until the queue is gone and enough requests have been answered (as BBR's ProbeRTT empties the path,
//! draft-cardwell-iccrg-bbr-congestion-control §4.3.4). Where that finds much less than the base so far, there may be a queue at half
//! the limit too, so it is halved again. Sample and base are means of the same capped latencies and of all answers of a time, short
//! and long ones in their true proportion, so a backend whose latency varies is compared with itself.
//!
//! In simulation (`tests/adaptive`), at three times what the backend can do, 4 to 200 workers, 5 or 50 ms: 97 % of the capacity is
//! used, probes included, and critical requests take 1.3 to 1.6 times the latency without a queue; with exponential service times at
//! least 91 % is used. With those and 4 workers of 50 ms a probe errs by 15 %, and the limit wanders between 4 and 15.
//!
//! Worst cases. A backend that slows down looks like one with a queue: the limit sinks for a few windows, then a probe is made out of turn
//! and finds the new base. One that recovers is given up to twice the queue its latency of before excuses, until that probe or the
//! next (10 s). One whose queue is filled by others, not by us, has that queue taken for its base. Each probe refuses what half
//! the limit does not take: at 4 workers of 50 ms and full load, one critical request in six for half a second.

mod phase;
mod share;
mod window;

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

pub(crate) use share::share;

use crate::sync::{AtomicU64, Ordering::Relaxed};
use phase::{Kind, PhaseCell};
use window::{Mean, Window};

const LEAST: f64 = 4.0;
const MOST: f64 = 10_000.0;
const START: f64 = 20.0;

/// How much slower than the base a window may be before the limit sinks. This queue keeps the backend busy although arrivals come in
/// bursts, and forgives a base that was measured 20 % too low; at 1.1, 200 workers with exponential service times lose 10 % for it.
const BUFFER: f64 = 1.25;
/// With Envoy's and Netflix's 1, critical requests to 4 workers take 2.5 times the latency without a queue instead of 2.
const HEADROOM: f64 = 0.5;
/// At 1 the delay of one window between limit and latency makes the limit swing: 2.2 times the latency instead of 2 at 4 workers.
const SMOOTHING: f64 = 0.5;

const WINDOW_MS: u64 = 100;
/// A window goes on until it has seen so many.
const WINDOW_SAMPLES: u64 = 10;

/// Up to 15 % less or more, so that the proxies of one backend do not probe in step.
const PROBE_EVERY_MS: u64 = 10_000;
/// From one probe to the next at first and after a base went stale, then twice as long each time: a first base is often wrong.
const FIRST_PAUSE_MS: u64 = 500;
/// How soon after a probe a base may be stale, so that a backend whose latency jumps about is not probed without end.
const STALE_AFTER_MS: u64 = 1_000;

/// A probe first waits so many times the base after its queue is gone, for what is in flight then is what takes longest.
const SETTLE: u64 = 2;
/// A probe then measures for as long again, and until it has so many answers,
const PROBE_SAMPLES: u64 = 100;
/// or until this time is over and it has these: 4 workers of 50 ms would need 1.6 s for 100.
const PROBE_MS: u64 = 400;
const PROBE_LEAST_SAMPLES: u64 = 30;
/// A step of a probe ends after this and eight times the base, and learns nothing without enough answers.
const PATIENCE_MS: u64 = 1_500;
/// Of the base: a probe that finds less halves the limit once more. Within this, either way, the base becomes the mean of both.
const NEAR: f64 = 0.85;

/// So many windows in a row whose mean is out of these multiples of the base show it to be stale. The queue that the gradient rule
/// leaves stays below.
const STALE_WINDOWS: u64 = 3;
const STALE_BELOW: f64 = 0.8;
const STALE_ABOVE: f64 = 2.0;

/// No sample counts for more than this many times the base, so that one outlier among ten takes no more than 3/13 off the gradient.
const OUTLIER: u64 = 4;

/// A concurrency limit that follows the latency. No lock: a window is closed by the caller that wins its phase.
#[derive(Debug)]
pub struct Adaptive {
    /// What [`Self::limit`] says: `found`, or less in a probe.
    limit: AtomicU64,
    /// What was found, as the bits of an `f64`: small limits move by less than 1 a window.
    found: AtomicU64,
    /// 0 until measured.
    base_us: AtomicU64,
    phase: PhaseCell,
    window: Window,
    /// When the last probe ended, and how long the next is to wait after it.
    probed_ms: AtomicU64,
    pause_ms: AtomicU64,
    /// Windows in a row that were out of range.
    stale: AtomicU64,
    seed: u64,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self::seeded(RandomState::new().hash_one(0))
    }
}

impl Adaptive {
    /// With the seed of its jitter.
    pub(super) fn seeded(seed: u64) -> Self {
        Self {
            limit: AtomicU64::new(START as u64),
            found: AtomicU64::new(START.to_bits()),
            base_us: AtomicU64::new(0),
            phase: PhaseCell::default(),
            window: Window::default(),
            probed_ms: AtomicU64::new(0),
            pause_ms: AtomicU64::new(FIRST_PAUSE_MS),
            stale: AtomicU64::new(0),
            seed,
        }
    }

    /// How many requests may be in flight, 4 to 10,000; 20 at first.
    pub fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// A request was answered, or timed out, after `latency`, at `now_ms` of any clock that starts above 0 and does not go back.
    /// `in_flight` counts those in flight then, itself included.
    pub fn record(&self, latency: Duration, in_flight: u64, now_ms: u64) {
        let phase = self.phase.load();
        let age_ms = now_ms.saturating_sub(phase.since_ms);
        let is_over = match phase.kind {
            Kind::Running => {
                let count = self.add(latency, in_flight);
                count >= WINDOW_SAMPLES && age_ms >= WINDOW_MS || count >= Window::MOST
            }
            Kind::Draining => in_flight <= self.limit() || age_ms >= self.patience_ms(),
            Kind::Measuring => self.has_measured(latency, in_flight, age_ms),
            Kind::Turning => false,
        };
        if is_over && self.phase.seize(phase) {
            let next = self.turn(phase.kind, now_ms);
            self.phase.set(next, now_ms);
        }
    }

    /// A client gave its request up after so long. Shorter than the base that says nothing; longer, it is at least that slow: clients that
    /// do not wait must not hide from the limit what they left because of.
    pub fn record_unanswered(&self, waited: Duration, in_flight: u64, now_ms: u64) {
        if waited.as_micros() > u128::from(self.base_us.load(Relaxed)) {
            self.record(waited, in_flight, now_ms);
        }
    }

    fn has_measured(&self, latency: Duration, in_flight: u64, age_ms: u64) -> bool {
        let settled_ms = SETTLE * self.base_us.load(Relaxed) / 1000 + 1;
        if age_ms < settled_ms {
            return false;
        }
        let count = self.add(latency, in_flight);
        let enough = if age_ms < 2 * settled_ms + PROBE_MS {
            PROBE_SAMPLES
        } else {
            PROBE_LEAST_SAMPLES
        };
        count >= enough && age_ms >= 2 * settled_ms || age_ms >= self.patience_ms()
    }

    /// Ends a phase; only one caller at a time is here.
    fn turn(&self, ended: Kind, now_ms: u64) -> Kind {
        let mean = self.window.take();
        match (ended, mean) {
            (Kind::Draining, _) => Kind::Measuring,
            (Kind::Measuring, mean) => self.close_probe(mean, now_ms),
            (_, Some(mean)) => self.close_window(&mean, now_ms),
            (_, None) => Kind::Running,
        }
    }

    fn add(&self, latency: Duration, in_flight: u64) -> u64 {
        let most_us = match self.base_us.load(Relaxed) {
            0 => u64::MAX,
            base_us => base_us.saturating_mul(OUTLIER),
        };
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.window.add(latency_us.min(most_us), in_flight)
    }

    fn close_window(&self, mean: &Mean, now_ms: u64) -> Kind {
        let base_us = self.base_us.load(Relaxed);
        if base_us == 0 {
            // A first guess above what a probe will find, so that the probe is believed and made again at a quarter.
            self.base_us.store(mean.latency_us.max(1) * 2, Relaxed);
            return self.halve();
        }
        self.follow(mean, base_us as f64);
        if self.is_time_to_probe(mean.latency_us as f64 / base_us as f64, now_ms) {
            return self.halve();
        }
        Kind::Running
    }

    /// The gradient rule.
    fn follow(&self, mean: &Mean, base_us: f64) {
        let limit = self.found();
        let gradient = (BUFFER * base_us / mean.latency_us.max(1) as f64).clamp(0.5, 2.0);
        let target = limit * gradient + HEADROOM * limit.sqrt();
        let was_used = mean.peak as f64 >= limit / 2.0;
        if target < limit || was_used {
            let next = (limit + SMOOTHING * (target - limit)).clamp(LEAST, MOST);
            self.found.store(next.to_bits(), Relaxed);
            self.limit.store(next as u64, Relaxed);
        }
    }

    /// `ratio` is that of the sample to the base.
    fn is_time_to_probe(&self, ratio: f64, now_ms: u64) -> bool {
        let in_range = (STALE_BELOW..=STALE_ABOVE).contains(&ratio);
        let stale = if in_range { 0 } else { self.stale.load(Relaxed) + 1 };
        self.stale.store(stale, Relaxed);
        let since_ms = now_ms.saturating_sub(self.probed_ms.load(Relaxed));
        if stale >= STALE_WINDOWS && since_ms >= STALE_AFTER_MS {
            self.pause_ms.store(FIRST_PAUSE_MS, Relaxed);
        }
        since_ms >= self.pause_ms.load(Relaxed)
    }

    /// Halves the limit and waits for the queue to go.
    fn halve(&self) -> Kind {
        self.limit.store((self.limit() / 2).max(LEAST as u64), Relaxed);
        Kind::Draining
    }

    fn close_probe(&self, mean: Option<Mean>, now_ms: u64) -> Kind {
        let mean = mean.filter(|mean| mean.count >= PROBE_LEAST_SAMPLES);
        let fell = mean.is_some_and(|mean| self.rebase(mean.latency_us as f64));
        if fell && self.limit() > LEAST as u64 {
            return self.halve();
        }
        self.end_probe(now_ms);
        Kind::Running
    }

    /// Learns from a probe, and says whether the latency was much lower than the base.
    fn rebase(&self, mean_us: f64) -> bool {
        let base_us = self.base_us.load(Relaxed) as f64;
        let fell = mean_us < NEAR * base_us;
        let is_near = !fell && mean_us * NEAR <= base_us;
        let next_us = if is_near {
            (base_us + mean_us) / 2.0
        } else {
            mean_us
        };
        self.base_us.store((next_us as u64).max(1), Relaxed);
        fell
    }

    fn end_probe(&self, now_ms: u64) {
        self.limit.store(self.found() as u64, Relaxed);
        self.stale.store(0, Relaxed);
        self.probed_ms.store(now_ms, Relaxed);
        let jitter = 85 + (self.seed ^ now_ms).wrapping_mul(0x9e37_79b9_7f4a_7c15) % 31;
        let pause_ms = (2 * self.pause_ms.load(Relaxed)).min(PROBE_EVERY_MS * jitter / 100);
        self.pause_ms.store(pause_ms, Relaxed);
    }

    fn found(&self) -> f64 {
        f64::from_bits(self.found.load(Relaxed))
    }

    fn patience_ms(&self) -> u64 {
        PATIENCE_MS + self.base_us.load(Relaxed) / 1000 * 8
    }
}
