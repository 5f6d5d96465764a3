//! A limit in force: what the configuration says of it, and the state that survives its changes.

use std::{
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::HeaderValue;
use meta::model::{self, LimitMode, MaxInFlight, PriorityClass};
use serde::Serialize;

use super::{
    Adaptive, Bucket, Full, Gate, Rate, Slot, Ticks, Wait,
    adaptive::share,
    keyed::{KeySlot, KeyedGates, KeyedRates},
};
use crate::{clock::Moment, cluster::Outcome};

/// How soon it is worth asking again when a place among those in flight is what is missing: nobody knows when one becomes free.
const PLACE_EXPECTED_IN: Duration = Duration::from_secs(1);

/// The buckets of all keys of all limits of the process.
static KEYED_RATES: LazyLock<KeyedRates> = LazyLock::new(|| KeyedRates::new(KeyedRates::CELLS));
/// The requests in flight of all keys of all limits of the process.
static KEYED_GATES: LazyLock<Arc<KeyedGates>> =
    LazyLock::new(|| Arc::new(KeyedGates::new(KeyedGates::CELLS)));

/// What a limit is of; its name in `RateLimit-Policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole proxy.
    Proxy,
    /// A route, or one key of it.
    Route,
    /// A cluster as a whole.
    Cluster,
    /// A server.
    Server,
}

impl Scope {
    const fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Route => "route",
            Self::Cluster => "cluster",
            Self::Server => "server",
        }
    }

    /// For whoever was refused.
    pub(crate) const fn reached(self) -> &'static str {
        match self {
            Self::Proxy => "the gateway is at its limit",
            Self::Route => "the limit of this route is reached",
            Self::Cluster => "the limit of this service is reached",
            Self::Server => "all servers are at their limit",
        }
    }
}

/// What a limit says, compiled. Of one revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    scope: Scope,
    rate: Option<Rate>,
    max: Max,
    queue: Option<Queue>,
    mode: LimitMode,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Max {
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

    fn over_rate(&self, rate: &Rate, wait: Wait) -> Exceeded {
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
    gate: Arc<Gate>,
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

    fn acquire_for(&self, limit: &Limit, class: PriorityClass, now: Moment) -> Result<Slot, Exceeded> {
        let slot = match self.gate.try_enter(self.most(limit, class)) {
            Some(slot) => slot,
            None => {
                let exceeded = self.no_place(limit, class);
                // Whether it is refused is known when it has waited.
                if exceeded.may_wait {
                    return Err(exceeded);
                }
                self.refuse(limit, exceeded)?;
                self.gate.enter_anyway()
            }
        };
        self.take_token(limit, now)?;
        Ok(slot)
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
        let entered = self.gate.enter(|| self.most(limit, class), size, wait).await;
        let slot = match entered {
            Ok(slot) => slot,
            Err(Full) => {
                let exceeded = Exceeded {
                    may_wait: false,
                    ..self.no_place(limit, class)
                };
                self.refuse(limit, exceeded)?;
                self.gate.enter_anyway()
            }
        };
        self.take_token(limit, Moment::now())?;
        Ok(slot)
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

    /// How many wait in the queue, if there is one with room.
    pub(crate) fn waiting(&self, limit: &Limit) -> Option<u64> {
        let queue = limit.queue?;
        let waiting = self.gate.waiting();
        (waiting < u64::from(queue.size)).then_some(waiting)
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

    fn adaptive(&self) -> &Adaptive {
        self.adaptive.get_or_init(Box::default)
    }

    fn no_place(&self, limit: &Limit, class: PriorityClass) -> Exceeded {
        Exceeded {
            scope: limit.scope,
            wait: PLACE_EXPECTED_IN,
            quota: Quota::InFlight(self.most(limit, class)),
            may_wait: limit.queue.is_some(),
        }
    }

    /// Refuses, or only counts that it would.
    fn refuse(&self, limit: &Limit, exceeded: Exceeded) -> Result<(), Exceeded> {
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

fn ticks(now: Moment) -> Ticks {
    Ticks::from_nanos(now.nanos())
}

/// A place among the requests that a limit counts; given back when dropped.
#[must_use = "dropped at once it would hold nothing"]
#[derive(Debug)]
pub struct Entered {
    _place: Place,
    /// What wants to know how the request fares.
    adaptive: Option<Arc<Limiter>>,
}

#[derive(Debug)]
enum Place {
    One { _slot: Slot },
    OfKey { _slot: Option<KeySlot> },
}

impl Entered {
    /// Without waiting.
    pub(crate) fn at_once(
        limiter: &Arc<Limiter>,
        limit: &Limit,
        class: PriorityClass,
        now: Moment,
    ) -> Result<Self, Exceeded> {
        limiter
            .acquire_for(limit, class, now)
            .map(|slot| Self::new(limiter, limit, slot))
    }

    /// After a wait in the queue, if there is one, for at most `patience`.
    pub(crate) async fn in_turn(
        limiter: &Arc<Limiter>,
        limit: &Limit,
        class: PriorityClass,
        patience: Option<Duration>,
    ) -> Result<Self, Exceeded> {
        let slot = limiter.acquire_in_turn(limit, class, patience).await?;
        Ok(Self::new(limiter, limit, slot))
    }

    fn new(limiter: &Arc<Limiter>, limit: &Limit, slot: Slot) -> Self {
        Self {
            _place: Place::One { _slot: slot },
            adaptive: (limit.max == Max::Auto).then(|| Arc::clone(limiter)),
        }
    }

    /// For one key of a limit. `limiter` only counts what was refused.
    pub(crate) fn for_key(limiter: &Limiter, limit: &Limit, key: u64, now: Moment) -> Result<Self, Exceeded> {
        let slot = match limit.max {
            Max::Requests(most) => {
                let slot = KEYED_GATES.enter(key, most);
                if slot.is_none() {
                    limiter.refuse(limit, limiter.no_place(limit, PriorityClass::Normal))?;
                }
                slot
            }
            Max::None | Max::Auto => None,
        };
        if let Some(rate) = &limit.rate
            && let Err(wait) = KEYED_RATES.take(key, rate, ticks(now))
        {
            limiter.refuse(limit, limit.over_rate(rate, wait))?;
        }
        Ok(Self {
            _place: Place::OfKey { _slot: slot },
            adaptive: None,
        })
    }

    /// Tells a limit that finds itself how a request fared.
    pub(crate) fn observe(&self, outcome: Outcome, now: Moment) {
        if let Some(limiter) = &self.adaptive {
            let adaptive = limiter.adaptive();
            adaptive.record(outcome.latency(), limiter.in_flight(), now.millis());
            // What it allows may have grown, and nobody need have left for those who wait to pass.
            limiter.gate.look_again();
        }
    }
}

/// Which limit is reached, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// What the limit is of.
    pub scope: Scope,
    /// How long until a request can pass; an expectation where it is about requests in flight.
    pub wait: Duration,
    quota: Quota,
    may_wait: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quota {
    Rate { requests: u64, seconds: u64 },
    InFlight(u64),
}

impl Exceeded {
    /// Whether there is a queue in which a request can wait instead of being refused.
    pub(crate) const fn may_wait(&self) -> bool {
        self.may_wait
    }

    /// Of two limits the one that lets a request pass first, or lets it wait.
    pub(crate) fn or_sooner(self, other: Self) -> Self {
        let later = (!self.may_wait, self.wait) > (!other.may_wait, other.wait);
        if later { other } else { self }
    }

    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4): the quota and its window in
    /// seconds, or the number of concurrent requests, and that nothing is left of it for `wait_s` seconds.
    pub(crate) fn fields(&self, wait_s: u32) -> (HeaderValue, HeaderValue) {
        let name = self.scope.name();
        let policy = match self.quota {
            Quota::Rate { requests, seconds } => format!("\"{name}\";q={requests};w={seconds}"),
            Quota::InFlight(most) => format!("\"{name}\";q={most};qu=\"concurrent-requests\""),
        };
        let state = format!("\"{name}\";r=0;t={wait_s}");
        let value = |text: String| HeaderValue::try_from(text).expect("a name and numbers are visible ASCII");
        (value(policy), value(state))
    }
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
