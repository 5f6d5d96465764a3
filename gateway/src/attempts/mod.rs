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

use meta::model::{Retry, RetryOn};
use tokio::net::TcpStream;

use crate::{
    cluster::{Endpoint, NoServer, Outcome, Permit, Picked, Server, Tried},
    exchange::{AnswerHead, Connection, ExchangeError, RequestBody, RequestFault},
    refusal::Refusal,
    snapshot::Upstream,
};

/// A request on its way to a cluster.
pub(crate) struct Call<'a> {
    pub(crate) upstream: &'a Upstream,
    /// What the cluster balances by, where it does.
    pub(crate) hash: u64,
    /// The route's rule, else the cluster's.
    pub(crate) retry: Option<&'a Retry>,
    /// When the request came.
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
    began: Instant,
}

impl Answered {
    /// The answer was read to its end: counts it, and keeps the connection if it may be used again.
    pub(crate) fn finish(self) {
        let now = Instant::now();
        let latency = now.duration_since(self.began);
        let failed = is_failure(self.head.status.as_u16());
        self.permit.finish(if failed {
            Outcome::Failure { latency }
        } else {
            Outcome::Success { latency }
        });
        self.endpoint.keep(self.connection, now.into());
    }

    /// The server broke its answer off, or another one is asked in its place.
    pub(crate) fn fail(self) {
        let latency = self.began.elapsed();
        self.permit.finish(Outcome::Failure { latency });
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
    Refused(Refusal, &'static str),
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

/// Statuses that say the server is in trouble.
fn is_failure(status: u16) -> bool {
    matches!(status, 500 | 502 | 503 | 504)
}

/// Sends the request until a server answers, or says why none did.
pub(crate) async fn call<S: RequestSource>(
    call: &Call<'_>,
    source: &mut S,
    start: impl Start<S>,
) -> Result<Answered, CallError> {
    let mut tried = Tried::default();
    let mut attempts = 0;
    let mut last = None;
    call.upstream.budget.count_request(call.started);
    loop {
        let picked = match call.upstream.cluster.pick(|| call.hash, &mut tried) {
            Ok(picked) => picked,
            Err(why) => return Err(last.unwrap_or_else(|| refused(&why))),
        };
        attempts += 1;
        let Picked { endpoint, permit } = picked;
        let began = if attempts == 1 {
            call.started
        } else {
            Instant::now()
        };
        let result = one::attempt(call, &endpoint, source, &start, began).await;
        let may_go_on = attempts < call.retry.map_or(1, |retry| retry.attempts) && !call.deadline.is_over();
        match result {
            Ok((head, connection)) => {
                let status = head.status.as_u16();
                let again = may_go_on && allows_status(call, source, status) && affords(call);
                let answered = Answered {
                    head,
                    connection,
                    endpoint,
                    permit,
                    began,
                };
                if !again {
                    return Ok(answered);
                }
                answered.fail();
            }
            Err(Failure::Client(fault)) => {
                drop(permit);
                return Err(match fault {
                    ClientFault::Gone => CallError::ClientGone,
                    ClientFault::Slow => CallError::Refused(Refusal::ClientTimeout, ""),
                    ClientFault::Malformed => {
                        CallError::Refused(Refusal::BadRequest, "the body is malformed")
                    }
                });
            }
            Err(Failure::Exchange(ExchangeError::Request(fault))) => {
                drop(permit);
                log::debug!("a request that cannot be written: {fault}");
                return Err(CallError::Refused(
                    Refusal::BadRequest,
                    "it cannot be written as HTTP/1.1",
                ));
            }
            Err(failure) => {
                log::debug!("{} at {}: {failure}", permit.server().id(), endpoint.address);
                permit.finish(Outcome::Failure {
                    latency: began.elapsed(),
                });
                let error = error_of(&failure);
                let again = may_go_on
                    && allows_failure(call, source, &failure)
                    && (failure.is_free() || affords(call));
                if !again {
                    return Err(error);
                }
                last = Some(error);
            }
        }
        call.upstream.count_retry();
    }
}

fn refused(why: &NoServer) -> CallError {
    CallError::Refused(
        Refusal::NoServer,
        match why {
            NoServer::Disabled => "the cluster is not enabled",
            NoServer::Empty => "the cluster has no servers",
            NoServer::AllUnhealthy => "all servers are unhealthy",
            NoServer::AllRefused => "all servers are busy",
            NoServer::Unresolved => "no server's name is resolved yet",
        },
    )
}

fn error_of(failure: &Failure) -> CallError {
    match failure {
        Failure::Connect => CallError::Refused(Refusal::ConnectFailed, ""),
        Failure::ConnectTimeout | Failure::Timeout => CallError::Refused(Refusal::Timeout, ""),
        _ => CallError::Refused(Refusal::BadAnswer, ""),
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
        .is_some_and(|retry| call.upstream.budget.take(retry.budget_percent))
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
