//! A limit in force: what the configuration says of it, and the state that survives its changes.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use meta::model::{self, LimitMode, MaxInFlight, PriorityClass};
use serde::Serialize;

use super::{
    Adaptive, Bucket, Exceeded, Full, Gate, Rate, Scope, Slot, Ticks, Wait, adaptive::share, exceeded::Quota,
};
use crate::clock::Moment;

/// How soon it is worth asking again when a place among those in flight is what is missing: nobody knows when one becomes free.
const PLACE_EXPECTED_IN: Duration = Duration::from_secs(1);

/// What a limit says, compiled. Of one revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    scope: Scope,
    pub(super) rate: Option<Rate>,
    pub(super) max: Max,
    queue: Option<Queue>,
    mode: LimitMode,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Max {
    None,
    Requests(u64),
    Auto,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Queue {
    size: u32,
    wait: Duration,
}

impl Limit {
    /// As configured.
    pub fn new(limit: &model::Limit, scope: Scope) -> Self {
        let rate = limit.rate_limit();
        Self {
            scope,
            // Within what the check lets through there is a rate for all.
            rate: rate.and_then(|rate| Rate::new(rate.requests, rate.per, rate.burst)),
            max: match limit.max_in_flight {
                None => Max::None,
                Some(MaxInFlight::Auto) => Max::Auto,
                Some(MaxInFlight::Requests(most)) => Max::Requests(u64::from(most.get())),
            },
            queue: limit.queue.map(|queue| Queue {
                size: queue.size.get(),
                wait: *queue.wait.get(),
            }),
            mode: limit.mode,
        }
    }
}

impl Limit {
    /// Whether requests may have to wait.
    pub(crate) fn has_queue(&self) -> bool {
        self.queue.is_some()
    }

    /// No time to wait makes up for a value that is missing; a second keeps whoever tries all the same from trying at once.
    fn unknown(&self) -> Exceeded {
        Exceeded {
            scope: self.scope,
            wait: PLACE_EXPECTED_IN,
            quota: Quota::OfKey,
            may_wait: false,
        }
    }

    pub(super) fn over_rate(&self, rate: &Rate, wait: Wait) -> Exceeded {
        let (requests, seconds) = rate.policy();
        Exceeded {
            scope: self.scope,
            wait: wait.duration(),
            quota: Quota::Rate { requests, seconds },
            may_wait: false,
        }
    }
}

/// The state of a limit: survives every change of what the limit says.
#[derive(Debug, Default)]
pub struct Limiter {
    bucket: Bucket,
    pub(super) gate: Arc<Gate>,
    /// Made when the limit first says `auto`.
    adaptive: OnceLock<Box<Adaptive>>,
    refused: AtomicU64,
    /// Would have been refused, had the limit been enforced.
    shadowed: AtomicU64,
}

impl Limiter {
    /// A place among the requests in flight, if the limit lets one more pass; without a limit it does. Does not wait.
    pub(crate) fn acquire(&self, limit: Option<&Limit>, now: Moment) -> Result<Slot, Exceeded> {
        match limit {
            None => Ok(self.gate.enter_anyway()),
            Some(limit) => self.acquire_for(limit, PriorityClass::Normal, now),
        }
    }

    pub(super) fn acquire_for(
        &self,
        limit: &Limit,
        class: PriorityClass,
        now: Moment,
    ) -> Result<Slot, Exceeded> {
        if limit.max == Max::None {
            // Whoever still waits for a place that an earlier revision counted is nobody's queue.
            self.take_token(limit, now)?;
            return Ok(self.gate.enter_anyway());
        }
        let Some(slot) = self.gate.try_enter(self.most(limit, class)) else {
            let exceeded = self.no_place(limit, class);
            // Whether it is refused is known when it has waited.
            return if exceeded.may_wait {
                Err(exceeded)
            } else {
                self.refuse_place(limit, exceeded)
            };
        };
        self.take_token(limit, now)?;
        Ok(slot)
    }

    /// Where the limit is only watched, whoever is counted as refused takes no token either: refused, it would not have.
    fn refuse_place(&self, limit: &Limit, exceeded: Exceeded) -> Result<Slot, Exceeded> {
        self.refuse(limit, exceeded)?;
        Ok(self.gate.enter_anyway())
    }

    /// The same after a wait in the queue, if there is one, for at most `patience`.
    pub(crate) async fn acquire_in_turn(
        &self,
        limit: &Limit,
        class: PriorityClass,
        patience: Option<Duration>,
    ) -> Result<Slot, Exceeded> {
        let Some(Queue { size, wait }) = limit.queue else {
            return self.acquire_for(limit, class, Moment::now());
        };
        let wait = patience.map_or(wait, |patience| patience.min(wait));
        match self.gate.enter(|| self.most(limit, class), size, wait).await {
            Ok(slot) => {
                self.take_token(limit, Moment::now())?;
                Ok(slot)
            }
            Err(Full) => {
                let exceeded = Exceeded {
                    may_wait: false,
                    ..self.no_place(limit, class)
                };
                self.refuse_place(limit, exceeded)
            }
        }
    }

    fn take_token(&self, limit: &Limit, now: Moment) -> Result<(), Exceeded> {
        let Some(rate) = &limit.rate else { return Ok(()) };
        match self.bucket.take(rate, ticks(now)) {
            Ok(()) => Ok(()),
            Err(wait) => self.refuse(limit, limit.over_rate(rate, wait)),
        }
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.gate.in_flight()
    }

    /// How many wait in the queue, if there is one.
    pub(crate) fn waiting(&self, limit: &Limit) -> Option<u64> {
        limit.queue.map(|_| self.gate.waiting())
    }

    /// How it stands.
    pub(crate) fn status(&self, limit: Option<&Limit>, now: Moment) -> LimitStatus {
        let max = |limit: &Limit| match limit.max {
            Max::None => None,
            Max::Requests(most) => Some(most),
            Max::Auto => Some(self.adaptive().limit()),
        };
        let rate = limit.and_then(|limit| limit.rate.as_ref());
        LimitStatus {
            in_flight: self.gate.in_flight(),
            max_in_flight: limit.and_then(max),
            waiting: self.gate.waiting(),
            tokens: rate.map(|rate| self.bucket.remaining(rate, ticks(now))),
            refused: self.refused.load(Relaxed),
            shadowed: self.shadowed.load(Relaxed),
        }
    }

    fn most(&self, limit: &Limit, class: PriorityClass) -> u64 {
        match limit.max {
            Max::None => u64::MAX,
            Max::Requests(most) => most,
            Max::Auto => share(class, self.adaptive().limit()),
        }
    }

    pub(super) fn adaptive(&self) -> &Adaptive {
        self.adaptive.get_or_init(Box::default)
    }

    pub(super) fn no_place(&self, limit: &Limit, class: PriorityClass) -> Exceeded {
        Exceeded {
            scope: limit.scope,
            wait: PLACE_EXPECTED_IN,
            quota: Quota::InFlight(self.most(limit, class)),
            // A limit that is only watched delays nobody.
            may_wait: limit.queue.is_some() && limit.mode == LimitMode::Enforce,
        }
    }

    /// Refuses who lacks what the limit goes by, or only counts that it would.
    pub(crate) fn refuse_unknown(&self, limit: &Limit) -> Result<(), Exceeded> {
        self.refuse(limit, limit.unknown())
    }

    /// Refuses, or only counts that it would.
    pub(super) fn refuse(&self, limit: &Limit, exceeded: Exceeded) -> Result<(), Exceeded> {
        match limit.mode {
            LimitMode::Enforce => {
                self.refused.fetch_add(1, Relaxed);
                Err(exceeded)
            }
            LimitMode::Shadow => {
                self.shadowed.fetch_add(1, Relaxed);
                Ok(())
            }
        }
    }
}

pub(super) fn ticks(now: Moment) -> Ticks {
    Ticks::from_nanos(now.nanos())
}

/// A limit as `/status` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct LimitStatus {
    /// Requests that count for it right now.
    pub in_flight: u64,
    /// How many there may be; of a limit that finds itself, at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u64>,
    /// Requests that wait for a place.
    pub waiting: u64,
    /// How many would pass at once right now; absent without a rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u32>,
    /// Requests refused so far.
    pub refused: u64,
    /// Requests that would have been refused so far, had the limit been enforced.
    pub shadowed: u64,
}
