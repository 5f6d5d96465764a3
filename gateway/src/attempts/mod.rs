//! The one loop that brings a request to a server: pick one, exchange, judge, and try another where that is allowed.
//!
//! Whoever sends anything to a backend goes through [`call`], so limits, retries and deadlines exist once and cannot be bypassed.
//! The loop ends with the answer's head; its body is the caller's to read from the [`Answered`].

mod budget;
mod deadline;
mod one;
mod source;

pub(crate) use budget::RetryBudget;
pub(crate) use deadline::Deadline;
pub(crate) use source::{ClientBody, ClientFault, CopiedBody, RequestSource};

use std::{sync::Arc, time::Instant};

use meta::model::{PriorityClass, Retry, RetryOn};
use tokio::{net::TcpStream, select};

use crate::{
    clock::Moment,
    cluster::{Endpoint, NoServer, Outcome, Permit, Picked, Refused, Server, Tried},
    exchange::{AnswerBody, AnswerHead, Connection, ExchangeError, RequestBody, RequestFault},
    limiter::{Entered, Exceeded},
    refusal::{Denial, Details, Refusal},
    snapshot::Upstream,
};

/// A request on its way to a cluster.
pub(crate) struct Call<'a> {
    pub(crate) upstream: &'a Upstream,
    /// What the cluster balances by, where it does.
    pub(crate) hash: u64,
    /// The route's rule, else the cluster's.
    pub(crate) retry: Option<&'a Retry>,
    /// How much it matters when the cluster has too much to do.
    pub(crate) class: PriorityClass,
    /// When the call began.
    pub(crate) started: Instant,
    /// The end of all attempts together.
    pub(crate) deadline: Deadline,
}

/// Begins the exchange of a request on a connection: its method, target and fields, with the body's framing.
pub(crate) trait Start<S>:
    Fn(&S, &mut Connection<TcpStream>, RequestBody) -> Result<(), RequestFault> + Send + Sync
{
}

impl<S, F: Fn(&S, &mut Connection<TcpStream>, RequestBody) -> Result<(), RequestFault> + Send + Sync> Start<S>
    for F
{
}

/// A server's answer, as far as its head.
pub(crate) struct Answered {
    pub(crate) head: AnswerHead,
    pub(crate) connection: Box<Connection<TcpStream>>,
    endpoint: Arc<Endpoint>,
    permit: Permit,
    /// What the head says of the server.
    outcome: Outcome,
    /// The place among the requests the cluster has, if they are limited.
    entered: Option<Entered>,
}

impl Answered {
    /// The answer was read to its end: counts it, and keeps the connection if it may be used again. Says when that was.
    pub(crate) fn finish(self) -> Moment {
        let (instant, now) = this_moment();
        // A server that fails fast says nothing of how much it can bear.
        if let (Some(entered), Outcome::Success { latency }) = (&self.entered, self.outcome) {
            entered.observe(latency, now);
        }
        self.permit.finish(self.outcome, now);
        self.endpoint.keep(self.connection, instant.into());
        now
    }

    /// The server broke its answer off.
    pub(crate) fn fail(self) {
        let latency = self.outcome.latency();
        self.permit.finish(Outcome::Failure { latency }, Moment::now());
    }

    /// What the answer's head says of the server.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The server that answers.
    pub(crate) fn server(&self) -> &Server {
        self.permit.server()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The gateway has to answer by itself.
    Refused(Box<Denial>),
    /// The client is gone: there is nobody to answer.
    ClientGone,
}

/// Why one attempt brought no answer.
#[derive(Debug)]
enum Failure {
    Connect,
    ConnectTimeout,
    Timeout,
    /// The exchange failed. Whether the server can have seen the request decides about another try.
    Exchange(ExchangeError),
    Client(ClientFault),
}

/// How often a request is sent at most, whatever the reason: as often as [`Tried`] remembers.
const MOST_ATTEMPTS: u32 = 10;

/// The longest answer of a probe that is waited for before the probe is judged. Of longer ones the head must do: a stream that never
/// ends would keep a breaker from ever finishing its trial.
const SHORT_ANSWER: u64 = 64 * 1024;

/// Sends the request until a server answers, or says why none did.
pub(crate) async fn call<S: RequestSource>(
    call: &Call<'_>,
    source: &mut S,
    start: impl Start<S>,
) -> Result<Answered, CallError> {
    let (mut began, mut now) = (call.started, Moment::of(call.started));
    call.upstream.budget.count_request(now);
    let mut entered = match call.upstream.enter(call.class, now) {
        Ok(entered) => entered,
        Err(exceeded) if exceeded.may_wait() => {
            let turn = call.upstream.enter_in_turn(call.class, call.deadline.left());
            let entered = stays(source, turn).await?;
            (began, now) = this_moment();
            entered.map_err(|exceeded| over_limit(&exceeded))?
        }
        Err(exceeded) => return Err(over_limit(&exceeded)),
    };
    let mut tried = Tried::default();
    let mut attempts = 0;
    let mut next = match call.upstream.cluster.pick(now, || call.hash, &mut tried) {
        Ok(picked) => picked,
        Err(why) => {
            let picked = wait(call, source, &mut tried, why).await?;
            began = Instant::now();
            picked
        }
    };
    loop {
        attempts += 1;
        let Picked { endpoint, mut permit } = next;
        let result = one::attempt(call, &endpoint, source, &start, began).await;
        let may_go_on = attempts < call.retry.map_or(1, |retry| retry.attempts) && !call.deadline.is_over();
        // What a probe finds out is the gateway's concern and not the client's: it costs the budget nothing.
        let spare = permit.is_probe()
            && attempts < MOST_ATTEMPTS
            && !call.deadline.is_over()
            && may_repeat(call, source)
            && source.is_replayable();
        let error = match result {
            Ok((head, connection, latency)) => {
                let status = head.status.as_u16();
                let outcome = permit.server().judge(status, latency);
                let failed = matches!(outcome, Outcome::Failure { .. });
                if failed || (permit.is_probe() && !is_short(&head.body)) {
                    permit.settle(outcome, Moment::now());
                }
                let again =
                    (may_go_on && allows_status(call, source, status) && affords(call)) || (spare && failed);
                // An answer in hand is better than a refusal: it goes only if another server takes the request.
                if again
                    && let Ok(other) = call
                        .upstream
                        .cluster
                        .pick(Moment::now(), || call.hash, &mut tried)
                {
                    drop(connection);
                    permit.finish(outcome, Moment::now());
                    call.upstream.count_retry();
                    began = Instant::now();
                    next = other;
                    continue;
                }
                return Ok(Answered {
                    head,
                    connection,
                    endpoint,
                    permit,
                    outcome,
                    entered: entered.take(),
                });
            }
            Err(Failure::Client(fault)) => {
                // While its body had not come, it was not the server that was waited for.
                if let (ClientFault::Gone, true, Some(entered)) = (fault, source.is_finished(), &entered) {
                    entered.observe_unanswered(began.elapsed(), Moment::now());
                }
                return Err(client_fault(fault));
            }
            Err(Failure::Exchange(ExchangeError::Request(fault))) => {
                log::debug!("a request that cannot be written: {fault}");
                let details = Details::of("it cannot be written as HTTP/1.1");
                return Err(CallError::Refused(Denial::new(Refusal::BadRequest, details)));
            }
            Err(failure) => {
                log::debug!("{} at {}: {failure}", permit.server().id(), endpoint.address);
                let (now, latency) = (Moment::now(), began.elapsed());
                if let (Failure::Timeout, Some(entered)) = (&failure, &entered) {
                    entered.observe(latency, now);
                }
                permit.finish(Outcome::Failure { latency }, now);
                let again = (may_go_on
                    && allows_failure(call, source, &failure)
                    && (failure.is_free() || affords(call)))
                    || spare;
                if !again {
                    return Err(error_of(&failure));
                }
                error_of(&failure)
            }
        };
        (began, now) = this_moment();
        next = match call.upstream.cluster.pick(now, || call.hash, &mut tried) {
            Ok(picked) => picked,
            Err(why) => {
                let picked = wait(call, source, &mut tried, why).await.map_err(|_| error)?;
                began = Instant::now();
                picked
            }
        };
        call.upstream.count_retry();
    }
}

fn this_moment() -> (Instant, Moment) {
    let now = Instant::now();
    (now, Moment::of(now))
}

/// Waits for a server where all refuse and one of them has a queue; else says why there is none.
async fn wait<S: RequestSource>(
    call: &Call<'_>,
    source: &mut S,
    tried: &mut Tried,
    why: NoServer,
) -> Result<Picked, CallError> {
    match why {
        NoServer::Refused(refused_by @ Refused::Limited(exceeded)) if exceeded.may_wait() => {
            let turn = call
                .upstream
                .cluster
                .wait(refused_by, tried, call.deadline.left());
            stays(source, turn).await?.map_err(|why| refused(&why))
        }
        why => Err(refused(&why)),
    }
}

/// Waits for `what` as long as the client is there. While its body has not come, nobody looks whether it is.
async fn stays<S: RequestSource, T>(source: &mut S, what: impl Future<Output = T>) -> Result<T, CallError> {
    if !source.is_finished() {
        return Ok(what.await);
    }
    select! {
        biased;
        done = what => Ok(done),
        _ = source.next() => Err(CallError::ClientGone),
    }
}

fn is_short(body: &AnswerBody) -> bool {
    match body {
        AnswerBody::Empty => true,
        AnswerBody::Length(length) => *length <= SHORT_ANSWER,
        AnswerBody::Chunked | AnswerBody::UntilClose => false,
    }
}

fn client_fault(fault: ClientFault) -> CallError {
    match fault {
        ClientFault::Gone => CallError::ClientGone,
        ClientFault::Slow => CallError::Refused(Denial::new(Refusal::ClientTimeout, Details::default())),
        ClientFault::Malformed => CallError::Refused(Denial::new(
            Refusal::BadRequest,
            Details::of("the body is malformed"),
        )),
    }
}

fn over_limit(exceeded: &Exceeded) -> CallError {
    CallError::Refused(Denial::over_limit(exceeded))
}

fn refused(why: &NoServer) -> CallError {
    let detail = match why {
        NoServer::Refused(Refused::Limited(exceeded)) => return over_limit(exceeded),
        NoServer::Refused(Refused::Rejecting { retry_after }) => {
            return CallError::Refused(Denial::rejecting(*retry_after));
        }
        NoServer::Disabled => "the cluster is not enabled",
        NoServer::Empty => "the cluster has no servers",
        NoServer::AllUnhealthy => "all servers are unhealthy",
        NoServer::Unresolved => "no server's name is resolved yet",
    };
    let details = Details {
        retry_after: Some(1),
        ..Details::of(detail)
    };
    CallError::Refused(Denial::new(Refusal::NoServer, details))
}

fn error_of(failure: &Failure) -> CallError {
    match failure {
        Failure::Connect => CallError::Refused(Denial::new(Refusal::ConnectFailed, Details::default())),
        Failure::ConnectTimeout | Failure::Timeout => {
            CallError::Refused(Denial::new(Refusal::Timeout, Details::default()))
        }
        _ => CallError::Refused(Denial::new(Refusal::BadAnswer, Details::default())),
    }
}

impl Failure {
    /// Whether a retry adds nothing to what the servers have to bear, since this attempt did not reach any. A server that is down
    /// would use the budget up at once, and the requests it cannot take would fail with others idle.
    fn is_free(&self) -> bool {
        matches!(self, Self::Connect | Self::ConnectTimeout)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect => f.write_str("no connection"),
            Self::ConnectTimeout => f.write_str("no connection in time"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Exchange(error) => error.fmt(f),
            Self::Client(fault) => write!(f, "the client: {fault:?}"),
        }
    }
}

/// Takes a retry out of the cluster's budget.
fn affords(call: &Call<'_>) -> bool {
    call.retry
        .is_some_and(|retry| call.upstream.budget.take(Moment::now(), retry.budget_percent))
}

/// Whether an answered status may be followed by another attempt.
fn allows_status<S: RequestSource>(call: &Call<'_>, source: &S, status: u16) -> bool {
    let listed = call
        .retry
        .is_some_and(|retry| retry.on.contains(&RetryOn::Status(status)));
    listed && may_repeat(call, source) && source.is_replayable()
}

/// Whether a failed attempt may be followed by another one.
fn allows_failure<S: RequestSource>(call: &Call<'_>, source: &S, failure: &Failure) -> bool {
    let Some(retry) = call.retry else { return false };
    let on = |what| retry.on.contains(&what);
    match failure {
        // Nothing was sent: no method minds.
        Failure::Connect => on(RetryOn::Connect) && source.is_replayable(),
        Failure::ConnectTimeout => (on(RetryOn::Connect) || on(RetryOn::Timeout)) && source.is_replayable(),
        Failure::Timeout => on(RetryOn::Timeout) && may_repeat(call, source) && source.is_replayable(),
        Failure::Exchange(error) => {
            on(RetryOn::Status(502))
                && (may_repeat(call, source) || error.nothing_sent())
                && source.is_replayable()
        }
        Failure::Client(_) => false,
    }
}

/// Whether sending the request twice does no more than sending it once (RFC 9110 §9.2.2), or the configuration says so.
fn may_repeat<S: RequestSource>(call: &Call<'_>, source: &S) -> bool {
    let method = source.method();
    method.is_idempotent()
        || call
            .retry
            .is_some_and(|retry| retry.methods.iter().any(|other| other.get() == method))
}
