//! The one loop that brings a request to a server: pick one, exchange, judge, and try another where that is allowed.
//!
//! Whoever sends anything to a backend goes through [`call`], so limits, retries and deadlines exist once and cannot be bypassed.
//! The loop ends with the answer's head; its body is the caller's to read from the [`Answered`].

mod avoided;
mod budget;
mod deadline;
mod leave;
mod one;
mod source;

pub(crate) use avoided::Avoided;
pub(crate) use budget::RetryBudget;
pub(crate) use deadline::Deadline;
pub(crate) use source::{ClientBody, ClientFault, CopiedBody, RequestSource};

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use deadline::TooLate;
use leave::Leave;
use meta::model::{PriorityClass, Retry};
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
    /// Whom other calls for the same thing were sent to, where there may be others.
    pub(crate) avoided: Option<&'a Avoided>,
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

    /// The next piece of the body, `None` at its end: at most `idle` is waited for it, and not beyond the deadline.
    pub(crate) async fn next_piece(
        &mut self,
        deadline: Deadline,
        idle: Duration,
    ) -> Result<Option<Bytes>, Cut> {
        loop {
            match self.connection.ready_chunk() {
                Ok(Some(piece)) => return Ok(Some(piece)),
                Ok(None) if self.connection.is_complete() => return Ok(None),
                Ok(None) => {}
                Err(error) => return Err(self.cut(&error)),
            }
            match deadline.wait(idle, self.connection.chunk()).await {
                Ok(Ok(Some(piece))) => return Ok(Some(piece)),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => return Err(self.cut(&error)),
                Err(TooLate) => return Err(Cut::TooSlow),
            }
        }
    }

    fn cut(&self, error: &ExchangeError) -> Cut {
        log::debug!("{}: {error}", self.server().id());
        Cut::Broken
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

/// Why an answer ended in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The server broke it off, or what came is no HTTP.
    Broken,
    /// It took too long.
    TooSlow,
}

impl Cut {
    /// What the client is told if nothing has been sent.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::Broken => Refusal::BadAnswer,
            Self::TooSlow => Refusal::Timeout,
        }
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

/// The longest answer of a probe that is waited for before the probe is judged. Of longer ones the head must do: a stream that never
/// ends would keep a breaker from ever finishing its trial.
const SHORT_ANSWER: u64 = 64 * 1024;

/// Sends the request until a server answers, or says why none did.
pub(crate) async fn call<S: RequestSource>(
    call: &Call<'_>,
    source: &mut S,
    start: impl Start<S>,
) -> Result<Answered, CallError> {
    let (entered, mut began) = enter(call, source).await?;
    let mut tried = call.avoided.map_or_else(Tried::default, Avoided::tried);
    let mut attempts = 0;
    let mut next = pick(call, source, &mut tried, &mut began).await?;
    loop {
        attempts += 1;
        if let Some(avoided) = call.avoided {
            avoided.add(&next, &tried);
        }
        let Picked { endpoint, mut permit } = next;
        let result = one::attempt(call, &endpoint, source, &start, began).await;
        let leave = Leave::after(attempts, call, source, &permit);
        match result {
            Ok((head, connection, latency)) => {
                let outcome = permit.server().judge(head.status.as_u16(), latency);
                let failed = matches!(outcome, Outcome::Failure { .. });
                if failed || (permit.is_probe() && !is_short(&head.body)) {
                    permit.settle(outcome, Moment::now());
                }
                // An answer in hand is better than a refusal: it goes only if another server takes the request.
                let again = leave.after_answer(call, source, head.status.as_u16(), failed);
                let other = again.then(|| {
                    call.upstream
                        .cluster
                        .pick(Moment::now(), || call.hash, &mut tried)
                });
                let Some(Ok(other)) = other else {
                    return Ok(Answered {
                        head,
                        connection,
                        endpoint,
                        permit,
                        outcome,
                        entered,
                    });
                };
                permit.finish(outcome, Moment::now());
                began = Instant::now();
                next = other;
            }
            Err(failure) => {
                log::debug!("{} at {}: {failure}", permit.server().id(), endpoint.address);
                observe(&failure, source, entered.as_ref(), began);
                if failure.blames_server() {
                    let latency = began.elapsed();
                    permit.finish(Outcome::Failure { latency }, Moment::now());
                }
                if !leave.after_failure(call, source, &failure) {
                    return Err(error_of(&failure));
                }
                began = Instant::now();
                let other = pick(call, source, &mut tried, &mut began).await;
                next = other.map_err(|_| error_of(&failure))?;
            }
        }
        call.upstream.count_retry();
    }
}

/// A place under the cluster's limit, waited for where it has a queue; and when the call began, which such a wait puts off.
async fn enter<S: RequestSource>(
    call: &Call<'_>,
    source: &mut S,
) -> Result<(Option<Entered>, Instant), CallError> {
    let now = Moment::of(call.started);
    call.upstream.budget.count_request(now);
    match call.upstream.enter(call.class, now) {
        Ok(entered) => Ok((entered, call.started)),
        Err(exceeded) if exceeded.may_wait() => {
            let turn = call.upstream.enter_in_turn(call.class, call.deadline.left());
            let entered = stays(source, turn).await?;
            let entered = entered.map_err(|exceeded| over_limit(&exceeded))?;
            Ok((entered, Instant::now()))
        }
        Err(exceeded) => Err(over_limit(&exceeded)),
    }
}

/// A server that takes the request, waited for where all refuse and one of them has a queue. `began` is put off by the wait.
async fn pick<S: RequestSource>(
    call: &Call<'_>,
    source: &mut S,
    tried: &mut Tried,
    began: &mut Instant,
) -> Result<Picked, CallError> {
    let cluster = &call.upstream.cluster;
    match cluster.pick(Moment::of(*began), || call.hash, tried) {
        Ok(picked) => Ok(picked),
        Err(NoServer::Refused(by @ Refused::Limited(exceeded))) if exceeded.may_wait() => {
            let turn = cluster.wait(by, tried, call.deadline.left());
            let picked = stays(source, turn).await?;
            *began = Instant::now();
            picked.map_err(|why| refused(&why))
        }
        Err(why) => Err(refused(&why)),
    }
}

/// Tells a limit that finds itself of an attempt without an answer.
fn observe<S: RequestSource>(failure: &Failure, source: &S, entered: Option<&Entered>, began: Instant) {
    let Some(entered) = entered else { return };
    match failure {
        Failure::Timeout => entered.observe(began.elapsed(), Moment::now()),
        // While its body had not come, it was not the server that was waited for.
        Failure::Client(ClientFault::Gone) if source.is_finished() => {
            entered.observe_unanswered(began.elapsed(), Moment::now());
        }
        _ => {}
    }
}

fn this_moment() -> (Instant, Moment) {
    let now = Instant::now();
    (now, Moment::of(now))
}

/// Waits for `what` as long as the client is there. While its body has not come, nobody looks whether it is.
async fn stays<S: RequestSource, T>(source: &mut S, what: impl Future<Output = T>) -> Result<T, CallError> {
    if !source.is_finished() {
        return Ok(what.await);
    }
    select! {
        biased;
        done = what => Ok(done),
        () = source.gone() => Err(CallError::ClientGone),
    }
}

fn is_short(body: &AnswerBody) -> bool {
    match body {
        AnswerBody::Empty => true,
        AnswerBody::Length(length) => *length <= SHORT_ANSWER,
        AnswerBody::Chunked | AnswerBody::UntilClose => false,
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

/// What a failure comes to if it is the last one.
fn error_of(failure: &Failure) -> CallError {
    let (refusal, detail) = match failure {
        Failure::Client(ClientFault::Gone) => return CallError::ClientGone,
        Failure::Client(ClientFault::Slow) => (Refusal::ClientTimeout, ""),
        Failure::Client(ClientFault::Malformed) => (Refusal::BadRequest, "the body is malformed"),
        Failure::Exchange(ExchangeError::Request(_)) => {
            (Refusal::BadRequest, "it cannot be written as HTTP/1.1")
        }
        Failure::Connect => (Refusal::ConnectFailed, ""),
        Failure::ConnectTimeout | Failure::Timeout => (Refusal::Timeout, ""),
        Failure::Exchange(_) => (Refusal::BadAnswer, ""),
    };
    CallError::Refused(Denial::new(refusal, Details::of(detail)))
}

impl Failure {
    /// Whether it is the server's, and neither the client's nor the request's.
    fn blames_server(&self) -> bool {
        !matches!(self, Self::Client(_) | Self::Exchange(ExchangeError::Request(_)))
    }

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
