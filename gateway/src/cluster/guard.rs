//! What stands between a request and a server: its limit and its breaker. Both outlive every change around them.
//!
//! Neither takes a server out of the balancer's sight: the balancer proposes it, it refuses, another one is proposed. So a server
//! whose pause is over needs nobody to put it back, and health checks, which do take servers out of sight, know nothing of
//! breakers.

use std::{
    sync::{
        Arc, TryLockError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use meta::model::{self, PriorityClass};

use crate::{
    breaker::{self, BreakerStatus, Counted, Forced, Rules, Ticket},
    clock::Moment,
    limiter::{Exceeded, Limit, LimitStatus, Limiter, Scope, Slot},
    statistics::{self, Statistics},
};

use super::server::{Outcome, Server};

/// How long a breaker that was not allowed to trip does not ask again: asking looks at all servers of its clusters.
const DENIED_FOR: Duration = Duration::from_millis(100);

/// Statuses that say a server is in trouble, where no breaker says which do.
const FAILURE_STATUS: [u16; 4] = [500, 502, 503, 504];

/// Who gets through to a server, as one revision of the configuration has it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Terms {
    limit: Option<Limit>,
    breaker: Option<breaker::Terms>,
}

impl Terms {
    /// As a server says, or else (`breaker`) the cluster that speaks for it.
    pub(super) fn new(server: &model::Server, breaker: Option<&model::Breaker>) -> Self {
        let limit = server.limit.as_ref();
        Self {
            limit: limit.map(|limit| Limit::new(limit, Scope::Server)),
            breaker: server.breaker.as_ref().or(breaker).map(breaker::Terms::new),
        }
    }

    fn rules(&self) -> Option<&Rules> {
        self.breaker.as_ref().map(|breaker| &breaker.rules)
    }
}

/// Why a server takes no request at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is at its limit.
    Limited(Exceeded),
    /// Its breaker rejects.
    Rejecting {
        /// How long the pause still is.
        retry_after: Duration,
    },
}

impl Refused {
    /// Of two refusals the one that ends first. A limit ends before a breaker's pause: whoever is limited answers.
    pub(super) fn or_sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::Limited(one), Self::Limited(two)) => Self::Limited(one.or_sooner(two)),
            (limited @ Self::Limited(_), Self::Rejecting { .. })
            | (Self::Rejecting { .. }, limited @ Self::Limited(_)) => limited,
            (Self::Rejecting { retry_after: one }, Self::Rejecting { retry_after: two }) => Self::Rejecting {
                retry_after: one.min(two),
            },
        }
    }
}

/// A server's limit and breaker, and what both did.
#[derive(Default)]
pub struct Guard {
    terms: ArcSwap<Terms>,
    limiter: Limiter,
    breaker: Counted,
    /// In milliseconds of the process.
    denied_until: AtomicU64,
    statistics: Statistics,
}

impl Guard {
    pub(super) fn set_terms(&self, terms: Terms) {
        if **self.terms.load() != terms {
            self.terms.store(Arc::new(terms));
        }
    }

    pub(super) fn admit(&self, server: &Server, now: Moment) -> Result<(Ticket, Slot), Refused> {
        let terms = self.terms.load();
        let ticket = self.pass_breaker(&terms, server, now)?;
        match self.limiter.acquire(terms.limit.as_ref(), now) {
            Ok(slot) => Ok((ticket, slot)),
            Err(exceeded) => {
                self.breaker.give_back(ticket);
                // Who may wait is not refused so far.
                if !exceeded.may_wait() {
                    self.statistics.refuse(now.second());
                }
                Err(Refused::Limited(exceeded))
            }
        }
    }

    /// The same after a wait in the queue of the limit.
    pub(super) async fn admit_in_turn(
        &self,
        server: &Server,
        patience: Option<Duration>,
    ) -> Result<(Ticket, Slot), Refused> {
        let terms = self.terms.load_full();
        let entered = match &terms.limit {
            Some(limit) => {
                let class = PriorityClass::Normal;
                self.limiter.acquire_in_turn(limit, class, patience).await
            }
            None => self.limiter.acquire(None, Moment::now()),
        };
        let slot = entered.map_err(|exceeded| {
            self.statistics.refuse(Moment::now().second());
            Refused::Limited(exceeded)
        })?;
        let ticket = self.pass_breaker(&terms, server, Moment::now())?;
        Ok((ticket, slot))
    }

    fn pass_breaker(&self, terms: &Terms, server: &Server, now: Moment) -> Result<Ticket, Refused> {
        let ticket = self.breaker.admit(server, terms.rules(), now);
        ticket.map_err(|rejection| {
            self.statistics.refuse(now.second());
            Refused::Rejecting {
                retry_after: rejection.retry_after,
            }
        })
    }

    /// What came of a request. Says whether that began a pause of the breaker.
    pub(super) fn settle(&self, server: &Arc<Server>, outcome: Outcome, ticket: Ticket, now: Moment) -> bool {
        let terms = self.terms.load();
        let rules = terms.rules();
        let word = breaker::Outcome::of(outcome, rules);
        // Held until the breaker has tripped, so that two servers of a cluster cannot both take its last place.
        let mut tripping = None;
        let may_trip = || {
            if now.millis() < self.denied_until.load(Relaxed) {
                return false;
            }
            tripping = match server.refresher().tripping().try_lock() {
                Ok(held) => Some(held),
                Err(TryLockError::Poisoned(held)) => Some(held.into_inner()),
                // Somebody else is at it: the next failure asks again.
                Err(TryLockError::WouldBlock) => return false,
            };
            // The list of clusters is behind a lock that only changes of the configuration hold, for an instant; one server in trouble
            // comes by here ten times a second at most.
            let may = server
                .clusters()
                .iter()
                .all(|cluster| cluster.may_reject(server, now));
            if !may {
                self.denied_until.store(now.plus(DENIED_FOR).millis(), Relaxed);
            }
            may
        };
        let tripped = self.breaker.report(&**server, rules, ticket, word, now, may_trip);
        drop(tripping);
        let result = match outcome {
            Outcome::Success { .. } => statistics::Outcome::Success,
            Outcome::Failure { .. } => statistics::Outcome::Failure,
        };
        self.statistics.record(now.second(), result, outcome.latency());
        tripped
    }

    /// The request was given up.
    pub(super) fn cancel(&self, ticket: Ticket, now: Moment) {
        self.breaker.give_back(ticket);
        self.statistics.cancel(now.second());
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.limiter.in_flight()
    }

    /// How many wait in its queue, if it has one.
    pub(super) fn waiting(&self) -> Option<u64> {
        self.terms
            .load()
            .limit
            .as_ref()
            .and_then(|limit| self.limiter.waiting(limit))
    }

    pub(super) fn is_failure(&self, status: u16) -> bool {
        // Nothing below can be configured as a failure.
        if status < 400 {
            return false;
        }
        match &self.terms.load().breaker {
            Some(breaker) => breaker.is_failure(status),
            None => FAILURE_STATUS.contains(&status),
        }
    }

    pub(super) fn is_tripped(&self, now: Moment) -> bool {
        self.breaker.is_tripped(self.terms.load().rules(), now)
    }

    /// Once a second: what time has made due.
    pub(super) fn tick(&self, server: &Server, now: Moment) {
        self.breaker.step(server, self.terms.load().rules(), now);
        self.statistics.tick(now.second());
    }

    /// Holds the breaker in a state until it is released with `None`. Works without a configured breaker too.
    pub(crate) fn force(&self, server: &Server, to: Option<Forced>) {
        self.breaker.force(server, to, Moment::now());
    }

    /// How the breaker stands.
    pub fn breaker(&self) -> BreakerStatus {
        self.breaker.status(self.terms.load().rules(), Moment::now())
    }

    /// How the limit stands.
    pub fn limit(&self) -> LimitStatus {
        self.limiter
            .status(self.terms.load().limit.as_ref(), Moment::now())
    }

    /// Whether a breaker is configured.
    pub fn has_breaker(&self) -> bool {
        self.terms.load().breaker.is_some()
    }

    /// Requests, failures and latencies by the second.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }
}
