//! `share`: one backend call for many clients: those who ask at the same time, and those who ask later.
//!
//! A request's way: its [`Key`] says which requests are identical to it. [`may_look_up`](freshness::may_look_up) says what it may
//! have. [`Answers`] is asked for what is kept. What is not there is filled by one call in [`Flights`], which all who ask meanwhile
//! wait for; [`storable`](freshness::storable) says whether the answer is kept, [`shareable`](freshness::shareable) whether those
//! others may have it.
//!
//! It knows no routes and opens no connections: the call is the caller's future. Answers are whole; nothing here streams.
//!
//! Worst case: an answer that turns out to be for one client alone makes those who waited for it ask again, each for itself, so
//! they wait twice. A route whose answers are mostly like that should not share.

pub(crate) mod cache_control;
mod fill;
mod flights;
pub(crate) mod freshness;
mod key;
pub(crate) mod list;
mod store;
mod terms;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use http::Method;

pub(crate) use freshness::Asked;
pub(crate) use key::Key;
pub(crate) use store::{Answer, Answers};
pub(crate) use terms::Terms;

use fill::{Audience, Fill, Filled};
use flights::{Flights, Part};
use freshness::{Lookup, Rule, may_look_up};
use store::{Found, Stored};

use crate::{
    aggregate::NodeError,
    attempts::CallError,
    refusal::{Denial, Details, Refusal},
};

/// What the requests of routes share.
pub(crate) type RouteSharing = Sharing<Unshared>;

/// Why a request of a route has no answer that could be shared.
#[derive(Clone, Debug)]
pub(crate) enum Unshared {
    /// The gateway has to answer by itself.
    Refused(Box<Denial>),
    /// It is too long.
    TooLarge,
}

impl From<CallError> for Unshared {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(denial) => Self::Refused(denial),
            // A call that is shared has no client.
            CallError::ClientGone => Self::Refused(Denial::new(Refusal::BadAnswer, Details::default())),
        }
    }
}

/// What the calls of nodes share.
pub(crate) type NodeSharing = Sharing<NodeError>;

/// What the process shares between its clients. `E` is how a call fails.
pub(crate) struct Sharing<E> {
    /// The calls in flight.
    pub(crate) flights: Flights<Result<Filled, E>>,
    /// The answers kept.
    pub(crate) answers: Arc<Answers>,
}

/// What becomes of identical requests that come while one is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concurrent {
    /// They share its call, unless the answer is for one client.
    Coalesced,
    /// Each makes its own call; with a cache, they share those whose answer is stored.
    Separate,
}

/// An answer and how it came about.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The answer. To a HEAD it may be the one to a GET, whose body is not to be sent.
    pub(crate) answer: Arc<Answer>,
    /// Where it comes from.
    pub(crate) served: Served,
    /// What its `Age` header is to say, if it was kept here.
    pub(crate) age: Option<Duration>,
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// It was kept and fresh.
    Fresh,
    /// It was kept and stale: the backend failed, or the client accepts that (`max-stale`).
    Stale,
    /// The backend was asked, for this request and those that came meanwhile.
    Filled,
    /// The backend was asked for another request.
    Shared,
    /// The backend was asked for this request alone.
    Passed,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered<E> {
    /// The call failed, and no old answer could stand in.
    Failed(E),
    /// Nothing is kept, and the client asked for `only-if-cached`. It gets a 504 (RFC 9111 §5.2.1.7).
    NotKept,
}

impl<E: Clone + Send + Sync + 'static> Sharing<E> {
    /// No calls yet; answers are kept in `answers`.
    pub(crate) fn new(answers: Arc<Answers>) -> Self {
        Self {
            flights: Flights::new(),
            answers,
        }
    }

    /// The longest answer that is kept.
    pub(crate) fn largest(&self) -> u64 {
        self.answers.largest()
    }

    /// The answer to a request, which calls the backend with `ask` if it has to, at most once.
    ///
    /// `rule` is the cache's, if there is one. With it, calls are always coalesced, but followers only get an answer that can be
    /// stored or a failure; with [`Concurrent::Coalesced`], any answer that is not for one client. A follower for whom the answer is
    /// not makes its own call. A failure is an `E` or a status of 5xx; a stale answer stands in for it, except where the client
    /// insists on the backend's own (`no-cache`). An answer that cannot be stored, and a successful unsafe request (RFC 9111 §4.4),
    /// drop what was kept for the key, though not what was kept for the target with other values of the keyed headers.
    ///
    /// # Errors
    ///
    /// [`Unanswered`] says which there are.
    pub(crate) async fn answer<F>(
        &self,
        asked: Asked<'_>,
        rule: Option<&Rule>,
        concurrent: Concurrent,
        now: impl Fn() -> Duration + Clone + Send + 'static,
        ask: impl FnOnce() -> F,
    ) -> Result<Reply, Unanswered<E>>
    where
        F: Future<Output = Result<Answer, E>> + Send + 'static,
    {
        let lookup = may_look_up(&asked, rule.unwrap_or(&Rule::default()));
        let kept = match rule.filter(|rule| rule.keeps()).and(lookup.limits()) {
            Some(_) => self.answers.find(&asked.key, now()),
            None => Found::Nothing,
        };
        if let Some(reply) = accepted(&kept, lookup, now()) {
            return Ok(reply);
        }
        let shares = rule.is_some() || concurrent == Concurrent::Coalesced;
        let replied = match lookup {
            Lookup::OnlyIfCached(_) if rule.is_some_and(Rule::keeps) => return Err(Unanswered::NotKept),
            Lookup::Bypass => self.bypass(&asked, ask()).await,
            _ if shares && asked.method == Method::GET => {
                let fill = Fill::new(&asked, rule, concurrent, &self.answers);
                let clock = now.clone();
                self.share(asked.key, || fill.run(ask(), clock)).await
            }
            _ => ask()
                .await
                .map(|answer| Reply::called(Arc::new(answer), Served::Passed)),
        };
        or_kept(replied, &kept, now()).map_err(Unanswered::Failed)
    }

    /// Joins the call in flight, or makes an own one if that one's answer is not for followers.
    async fn share<M, F>(&self, key: Key, make: M) -> Result<Reply, E>
    where
        M: FnOnce() -> F,
        F: Future<Output = Result<Filled, E>> + Send + 'static,
    {
        let (filled, part) = self.flights.join(key, make).await;
        let filled = filled?;
        match part {
            Part::Leader => Ok(Reply::called(filled.answer, Served::Filled)),
            Part::Follower(_) if filled.audience == Audience::All => {
                Ok(Reply::called(filled.answer, Served::Shared))
            }
            Part::Follower(make) => Ok(Reply::called(make().await?.answer, Served::Passed)),
        }
    }

    async fn bypass(
        &self,
        asked: &Asked<'_>,
        call: impl Future<Output = Result<Answer, E>>,
    ) -> Result<Reply, E> {
        let answer = call.await?;
        let succeeded = answer.status.is_success() || answer.status.is_redirection();
        if succeeded && !asked.method.is_safe() {
            self.answers.remove(&asked.key);
        }
        Ok(Reply::called(Arc::new(answer), Served::Passed))
    }
}

impl Reply {
    fn called(answer: Arc<Answer>, served: Served) -> Self {
        Self {
            answer,
            served,
            age: None,
        }
    }

    fn kept(stored: &Stored, served: Served, now: Duration) -> Self {
        Self {
            answer: stored.answer.clone(),
            served,
            age: Some(stored.age(now)),
        }
    }
}

/// What is kept, if the client accepts it in place of the backend's answer.
fn accepted(kept: &Found, lookup: Lookup, now: Duration) -> Option<Reply> {
    let limits = lookup.limits()?;
    let (stored, served) = match kept {
        Found::Fresh(stored) => (stored, Served::Fresh),
        Found::Stale(stored) => (stored, Served::Stale),
        Found::Nothing => return None,
    };
    stored
        .suits(&limits, now)
        .then(|| Reply::kept(stored, served, now))
}

/// What is kept in place of a failure, if it may still be used.
fn or_kept<E>(replied: Result<Reply, E>, kept: &Found, now: Duration) -> Result<Reply, E> {
    let failed = replied
        .as_ref()
        .map_or(true, |reply| reply.answer.status.is_server_error());
    match kept {
        Found::Fresh(stored) | Found::Stale(stored) if failed && stored.is_usable(now) => {
            Ok(Reply::kept(stored, Served::Stale, now))
        }
        _ => replied,
    }
}
