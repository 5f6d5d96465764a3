//! A place under a limit, as a value.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use meta::model::PriorityClass;

use super::{
    Adaptive, Exceeded, Limit, Limiter, Slot,
    keyed::{KeySlot, KeyedGates, KeyedRates},
    limit::{Max, ticks},
};
use crate::clock::Moment;

/// The buckets of all keys of all limits of the process.
static KEYED_RATES: LazyLock<KeyedRates> = LazyLock::new(|| KeyedRates::new(KeyedRates::CELLS));
/// The requests in flight of all keys of all limits of the process.
static KEYED_GATES: LazyLock<Arc<KeyedGates>> =
    LazyLock::new(|| Arc::new(KeyedGates::new(KeyedGates::CELLS)));

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
                    return Ok(Self::of_key(None));
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
        Ok(Self::of_key(slot))
    }

    fn of_key(slot: Option<KeySlot>) -> Self {
        Self {
            _place: Place::OfKey { _slot: slot },
            adaptive: None,
        }
    }

    /// Tells a limit that finds itself how long a request took to be answered, or to time out.
    pub(crate) fn observe(&self, latency: Duration, now: Moment) {
        self.tell(|adaptive, in_flight| adaptive.record(latency, in_flight, now.millis()));
    }

    /// Tells it that a request was given up unanswered after so long.
    pub(crate) fn observe_unanswered(&self, waited: Duration, now: Moment) {
        self.tell(|adaptive, in_flight| adaptive.record_unanswered(waited, in_flight, now.millis()));
    }

    fn tell(&self, what: impl FnOnce(&Adaptive, u64)) {
        if let Some(limiter) = &self.adaptive {
            what(limiter.adaptive(), limiter.in_flight());
            // What it allows may have grown, and nobody need have left for those who wait to pass.
            limiter.gate.look_again();
        }
    }
}
