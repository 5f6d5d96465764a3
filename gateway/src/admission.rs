//! Whether a request may go on, before it has a cluster: the limit of the whole proxy, then the limit and the breaker of its route.
//!
//! Clusters and servers have their own, which `attempts` and `cluster` ask. A route that has neither limit nor breaker pays nothing.

use std::{cell::LazyCell, fmt, net::IpAddr, sync::Arc, time::Duration};

use meta::{
    id::Id,
    language::{Value, Values},
    model::{self, Kind, MissingKey, PriorityClass},
};

use crate::{
    breaker::{self, BreakerStatus, Counted, Forced, Rules, Ticket},
    clock::Moment,
    cluster::{Outcome, hash_of},
    limiter::{Entered, Exceeded, KeyHasher, Limit, LimitStatus, Limiter, Scope},
    refusal::Denial,
};

/// The limit of the whole proxy.
pub(crate) struct ProxyGuard {
    limit: Limit,
    limiter: Arc<Limiter>,
}

impl ProxyGuard {
    pub(crate) fn new(limit: &model::Limit) -> Self {
        Self {
            limit: Limit::new(limit, Scope::Proxy),
            limiter: Arc::default(),
        }
    }

    /// The same proxy under another limit: what is under way counts on.
    pub(crate) fn with(&self, limit: &model::Limit) -> Self {
        Self {
            limit: Limit::new(limit, Scope::Proxy),
            limiter: self.limiter.clone(),
        }
    }

    /// A place among the requests of this proxy, waited for where there is a queue.
    pub(crate) async fn enter(&self, now: Moment) -> Result<Entered, Exceeded> {
        enter(&self.limiter, &self.limit, now).await
    }

    /// Whether requests may have waited.
    pub(crate) fn has_queue(&self) -> bool {
        self.limit.has_queue()
    }

    /// How the limit stands.
    pub(crate) fn status(&self, now: Moment) -> LimitStatus {
        self.limiter.status(Some(&self.limit), now)
    }
}

/// A place under a limit that makes no difference between requests.
async fn enter(limiter: &Arc<Limiter>, limit: &Limit, now: Moment) -> Result<Entered, Exceeded> {
    match Entered::at_once(limiter, limit, PriorityClass::Normal, now) {
        Err(exceeded) if exceeded.may_wait() => {
            Entered::in_turn(limiter, limit, PriorityClass::Normal, None).await
        }
        done => done,
    }
}

/// What of a route's limit and breaker survives every change of it.
#[derive(Default)]
pub(crate) struct RouteState {
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) breaker: Counted,
}

/// The limit and breaker of a route or an aggregation, as one revision has them.
pub(crate) struct RouteGuard {
    kind: Kind,
    id: Id,
    limit: Option<RouteLimit>,
    breaker: Option<breaker::Terms>,
    state: Arc<RouteState>,
}

/// What of a route or an aggregation has to do with guarding it.
pub(crate) struct Guarded<'m> {
    pub(crate) kind: Kind,
    pub(crate) id: &'m Id,
    pub(crate) limit: Option<&'m model::Limit>,
    pub(crate) breaker: Option<&'m model::Breaker>,
}

struct RouteLimit {
    limit: Limit,
    /// Empty: the limit is of the route as a whole.
    key: Box<[Value]>,
    missing: MissingKey,
    /// Tells this route's keys from those of others; the same in every revision.
    seed: u64,
}

/// Whom a request counts for under a route's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CountedFor {
    /// It is not counted.
    Nobody,
    /// The route as a whole.
    Route,
    /// All with this hash of the key's values.
    Key(u64),
    /// It lacks a value and is to be refused for that.
    Unknown,
}

/// The right of one request to go on; given back when dropped.
#[must_use = "dropped at once it would hold nothing"]
pub(crate) struct RoutePass {
    guard: Arc<RouteGuard>,
    ticket: Option<Ticket>,
    _entered: Option<Entered>,
}

impl RouteGuard {
    /// `None` if there is nothing to guard.
    pub(crate) fn new(of: Guarded<'_>, state: impl FnOnce() -> Arc<RouteState>) -> Option<Arc<Self>> {
        let Guarded {
            kind,
            id,
            limit,
            breaker,
        } = of;
        if limit.is_none() && breaker.is_none() {
            return None;
        }
        let limit = limit.map(|limit| RouteLimit {
            limit: Limit::new(
                limit,
                match kind {
                    Kind::Aggregation => Scope::Aggregation,
                    _ => Scope::Route,
                },
            ),
            key: limit
                .key
                .iter()
                .flat_map(|key| key.values())
                .map(|value| value.0.clone())
                .collect(),
            missing: limit.missing(),
            seed: hash_of(id.as_str().as_bytes()) ^ kind as u64,
        });
        let breaker = breaker.map(breaker::Terms::new);
        Some(Arc::new(Self {
            kind,
            id: id.clone(),
            limit,
            breaker,
            state: state(),
        }))
    }

    /// Whether the limit's key is made of the path's parameters.
    pub(crate) fn reads_params(&self) -> bool {
        let key = self.limit.iter().flat_map(|limit| &*limit.key);
        key.into_iter().any(|value| matches!(value, Value::Param(_)))
    }

    /// Whether requests may have waited.
    pub(crate) fn has_queue(&self) -> bool {
        self.limit.as_ref().is_some_and(|limit| limit.limit.has_queue())
    }

    /// How the limit stands; of one with a key only what it refused, and not the single keys.
    pub(crate) fn limit_status(&self, now: Moment) -> Option<LimitStatus> {
        let RouteLimit { limit, key, .. } = self.limit.as_ref()?;
        let whole = Some(limit).filter(|_| key.is_empty());
        Some(self.state.limiter.status(whole, now))
    }

    /// How the breaker stands.
    pub(crate) fn breaker_status(&self, now: Moment) -> Option<BreakerStatus> {
        let rules = self.rules()?;
        Some(self.state.breaker.status(Some(rules), now))
    }

    /// Holds the breaker in a state until it is released with `None`, if there is one.
    pub(crate) fn force(&self, to: Option<Forced>) {
        if self.breaker.is_some() {
            self.state.breaker.force(self, to, Moment::now());
        }
    }

    fn rules(&self) -> Option<&Rules> {
        self.breaker.as_ref().map(|breaker| &breaker.rules)
    }

    /// What time has made due, so that it is logged without traffic too.
    pub(crate) fn step(&self, now: Moment) {
        self.state.breaker.step(self, self.rules(), now);
    }

    /// Lets a request go on. `place` is what it has of the limit.
    pub(crate) fn pass(
        self: &Arc<Self>,
        place: Option<Entered>,
        now: Moment,
    ) -> Result<RoutePass, Box<Denial>> {
        let ask = |breaker: &breaker::Terms| self.state.breaker.admit(&**self, Some(&breaker.rules), now);
        let ticket = self.breaker.as_ref().map(ask).transpose();
        let ticket = ticket.map_err(|rejection| Denial::rejecting(rejection.retry_after))?;
        Ok(RoutePass {
            guard: Arc::clone(self),
            ticket,
            _entered: place,
        })
    }

    /// Whom a request of `client` counts for under the limit. `view` makes the request to be looked at, which is not free: bringing
    /// host and path into normal form is saved where the address is all that counts.
    pub(crate) fn counted_for<V: Values>(&self, client: IpAddr, view: impl FnOnce() -> V) -> CountedFor {
        let Some(limit) = &self.limit else {
            return CountedFor::Nobody;
        };
        if limit.key.is_empty() {
            return CountedFor::Route;
        }
        let mut key = KeyHasher::new(limit.seed);
        let request = LazyCell::new(view);
        for value in &limit.key {
            if *value == Value::ClientIp {
                // Its text would have to be written first.
                key.add_ip(client);
                continue;
            }
            match request.text(value) {
                Some(text) => key.add(text.as_bytes()),
                None => {
                    return match limit.missing {
                        MissingKey::Admit => CountedFor::Nobody,
                        MissingKey::Share => CountedFor::Key(KeyHasher::new(limit.seed).finish()),
                        MissingKey::Refuse => CountedFor::Unknown,
                    };
                }
            }
        }
        CountedFor::Key(key.finish())
    }

    /// A place under the limit, waited for where there is a queue.
    pub(crate) async fn enter(&self, whom: CountedFor, now: Moment) -> Result<Option<Entered>, Box<Denial>> {
        let Some(RouteLimit { limit, .. }) = &self.limit else {
            return Ok(None);
        };
        let over = |exceeded: Exceeded| Denial::over_limit(&exceeded);
        match whom {
            CountedFor::Nobody => Ok(None),
            CountedFor::Unknown => self
                .state
                .limiter
                .refuse_unknown(limit)
                .map(|()| None)
                .map_err(over),
            CountedFor::Route => {
                let entered = enter(&self.state.limiter, limit, now).await;
                entered.map(Some).map_err(over)
            }
            CountedFor::Key(key) => {
                let entered = Entered::for_key(&self.state.limiter, limit, key, now);
                entered.map(Some).map_err(over)
            }
        }
    }
}

impl fmt::Display for RouteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.singular(), self.id)
    }
}

impl RoutePass {
    /// Whether the request tries out a route whose breaker had rejected.
    pub(crate) fn is_probe(&self) -> bool {
        self.ticket.is_some_and(Ticket::is_probe)
    }

    /// What the client's answer says: `status`, and how long its head took.
    pub(crate) fn judge(&self, status: u16, latency: Duration) -> Outcome {
        let breaker = self.guard.breaker.as_ref();
        if breaker.is_some_and(|breaker| breaker.is_failure(status)) {
            Outcome::Failure { latency }
        } else {
            Outcome::Success { latency }
        }
    }

    /// Says what came of the request; the second time it changes nothing.
    pub(crate) fn settle(&mut self, outcome: Outcome, now: Moment) {
        let (Some(ticket), Some(breaker)) = (self.ticket.take(), &self.guard.breaker) else {
            return;
        };
        let rules = Some(&breaker.rules);
        let word = breaker::Outcome::of(outcome, rules);
        let state = &self.guard.state.breaker;
        let _ = state.report(&*self.guard, rules, ticket, word, now, || true);
    }
}

impl Drop for RoutePass {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.guard.state.breaker.give_back(ticket);
        }
    }
}
