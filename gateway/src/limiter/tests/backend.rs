//! A simulated backend behind an adaptive limit: N workers, one queue, first in first out; requests come whether or not the earlier ones
//! are answered.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use meta::model::PriorityClass::{self, Critical, Normal, Sheddable};

use crate::limiter::{Adaptive, adaptive::share};

const CLASSES: [PriorityClass; 3] = [Critical, Normal, Sheddable];
/// Of what arrives at three times the capacity: critical requests are 20 % of the capacity.
const SHARES: [f64; 3] = [0.2 / 3.0, 1.4 / 3.0, 1.4 / 3.0];
const NS_PER_MS: f64 = 1e6;

#[derive(Clone, Copy)]
pub(super) enum Service {
    Constant,
    Exponential,
}

#[derive(Clone, Copy)]
pub(super) enum Arrivals {
    /// Half to one and a half times the mean apart, each class by itself.
    Even,
    Poisson,
}

pub(super) struct Backend {
    pub(super) workers: u32,
    pub(super) service_ms: f64,
    pub(super) service: Service,
    pub(super) arrivals: Arrivals,
}

/// What one run has seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) answered: usize,
    pub(super) critical: usize,
    pub(super) critical_refused: usize,
    critical_ms: Vec<f64>,
}

impl Seen {
    pub(super) fn critical_p99_ms(&mut self) -> f64 {
        self.critical_ms.sort_by(f64::total_cmp);
        self.critical_ms[self.critical_ms.len() * 99 / 100]
    }

    pub(super) fn critical_refused_share(&self) -> f64 {
        self.critical_refused as f64 / self.critical as f64
    }
}

pub(super) struct Simulation {
    pub(super) adaptive: Adaptive,
    pub(super) backend: Backend,
    random: Random,
    now_ns: u64,
    /// When each worker is done with what it has.
    busy_until: BinaryHeap<Reverse<u64>>,
    /// When, since when, whose.
    answers: BinaryHeap<Reverse<(u64, u64, usize)>>,
    next: [u64; 3],
}

impl Simulation {
    pub(super) fn new(backend: Backend, seed: u64) -> Self {
        const START_NS: u64 = 1_000_000_000;
        Self {
            adaptive: Adaptive::seeded(seed),
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            now_ns: START_NS,
            busy_until: (0..backend.workers).map(|_| Reverse(0)).collect(),
            answers: BinaryHeap::new(),
            next: [START_NS; 3],
            backend,
        }
    }

    /// What the former workers have is done, and so many take over.
    pub(super) fn replace_workers(&mut self, workers: u32) {
        self.backend.workers = workers;
        self.busy_until = (0..workers).map(|_| Reverse(self.now_ns)).collect();
    }

    pub(super) fn capacity_per_ms(&self) -> f64 {
        f64::from(self.backend.workers) / self.backend.service_ms
    }

    /// Goes on for `ms`, offered `load` times the capacity.
    pub(super) fn run(&mut self, ms: u64, load: f64) -> Seen {
        let mut seen = Seen::default();
        let end_ns = self.now_ns + ms * NS_PER_MS as u64;
        loop {
            let (arrival, class) = (0..3)
                .map(|class| (self.next[class], class))
                .min()
                .expect("three classes");
            let answer = self.answers.peek().map_or(u64::MAX, |next| next.0.0);
            if arrival.min(answer) > end_ns {
                self.now_ns = end_ns;
                return seen;
            }
            if answer <= arrival {
                self.answer(&mut seen);
            } else {
                self.next[class] = arrival + self.gap_ns(class, load);
                self.arrive(arrival, class, &mut seen);
            }
        }
    }

    fn arrive(&mut self, now_ns: u64, class: usize, seen: &mut Seen) {
        seen.critical += usize::from(class == 0);
        let share = share(CLASSES[class], self.adaptive.limit());
        if self.answers.len() as u64 >= share {
            seen.critical_refused += usize::from(class == 0);
            return;
        }
        let Reverse(free_ns) = self.busy_until.pop().expect("there are workers");
        let done_ns = free_ns.max(now_ns) + self.service_ns();
        self.busy_until.push(Reverse(done_ns));
        self.answers.push(Reverse((done_ns, now_ns, class)));
    }

    fn answer(&mut self, seen: &mut Seen) {
        let in_flight = self.answers.len() as u64;
        let Reverse((now_ns, since_ns, class)) = self.answers.pop().expect("peeked");
        let latency = Duration::from_nanos(now_ns - since_ns);
        self.adaptive
            .record(latency, in_flight, now_ns / NS_PER_MS as u64);
        seen.answered += 1;
        if class == 0 {
            seen.critical_ms.push(latency.as_secs_f64() * 1e3);
        }
    }

    fn service_ns(&mut self) -> u64 {
        let factor = match self.backend.service {
            Service::Constant => 1.0,
            Service::Exponential => self.random.exponential(),
        };
        (self.backend.service_ms * factor * NS_PER_MS) as u64
    }

    fn gap_ns(&mut self, class: usize, load: f64) -> u64 {
        let factor = match self.backend.arrivals {
            Arrivals::Even => 0.5 + self.random.unit(),
            Arrivals::Poisson => self.random.exponential(),
        };
        (factor / (self.capacity_per_ms() * load * SHARES[class]) * NS_PER_MS) as u64
    }
}

/// xorshift64* (Vigna, ACM TOMS 42(4), 2016): the same numbers every time.
struct Random(u64);

impl Random {
    /// 0 to 1.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// With mean 1.
    fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }
}
