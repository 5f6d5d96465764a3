//! The way to etcd: one client to one endpoint at a time, made anew after every fault, and a deadline on every call.
//!
//! `etcd-client` can spread calls over several endpoints by itself, but goes on sending to one that has stopped answering. Here
//! a call that fails for a fault of the way moves everybody to the next endpoint.

use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use etcd_client::{Client, ConnectOptions, Error};
use tokio::time::timeout;

use crate::store::StoreError;

/// The longest answer that is read. A page that would be longer is read in smaller ones.
pub(super) const MOST_ANSWER: usize = 32 << 20;

/// The way to etcd. Calls may run at the same time.
pub(super) struct Connection {
    endpoints: Vec<String>,
    options: ConnectOptions,
    timeout: Duration,
    slot: Mutex<Slot>,
}

/// The client in use, made on turn `turn`.
#[derive(Default)]
struct Slot {
    client: Option<Client>,
    turn: usize,
}

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The way is at fault, or the member at its end; the next try takes another one.
    Way(String),
    /// What is asked for is not there any more.
    Compacted,
    /// The answer is longer than [`MOST_ANSWER`].
    TooLong,
    /// etcd will not do it.
    Refused(String),
}

impl Connection {
    pub(super) fn new(endpoints: Vec<String>, options: ConnectOptions, timeout: Duration) -> Self {
        Self {
            endpoints,
            options,
            timeout,
            slot: Mutex::default(),
        }
    }

    /// How long a call may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Makes a call, within the time that a call may take.
    pub(super) async fn call<T, F>(&self, run: impl FnOnce(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let (turn, outcome) = match timeout(self.timeout, self.client()).await {
            Ok(Ok((client, turn))) => (turn, timeout(self.timeout, run(client)).await),
            Ok(Err((error, turn))) => (turn, Ok(Err(error))),
            Err(late) => (self.slot().turn, Err(late)),
        };
        let failure = match outcome {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Failure::of(&error),
            Err(_) => Failure::Way(format!("no answer within {:?}", self.timeout)),
        };
        Err(match failure {
            Failure::Way(reason) => Failure::Way(format!("{}: {reason}", self.leave(turn))),
            other => other,
        })
    }

    /// Moves on from the client in use, if it still is the one of `turn`. Gives the endpoint that was left.
    fn leave(&self, turn: usize) -> &str {
        let mut slot = self.slot();
        if slot.turn == turn {
            slot.client = None;
            slot.turn = turn.wrapping_add(1);
        }
        self.endpoint(turn)
    }

    /// Moves on from the client in use: it answers, but not as it should.
    pub(super) fn abandon(&self) {
        let turn = self.slot().turn;
        self.leave(turn);
    }

    fn endpoint(&self, turn: usize) -> &str {
        let at = turn.checked_rem(self.endpoints.len()).unwrap_or_default();
        self.endpoints.get(at).map_or("", String::as_str)
    }

    async fn client(&self) -> Result<(Client, usize), (Error, usize)> {
        let turn = {
            let slot = self.slot();
            if let Some(client) = &slot.client {
                return Ok((client.clone(), slot.turn));
            }
            slot.turn
        };
        // Nothing is sent yet but, if there is a user, his password.
        let connected = Client::connect([self.endpoint(turn)], Some(self.options.clone())).await;
        let client = connected.map_err(|error| (error, turn))?;
        let mut slot = self.slot();
        if slot.turn == turn {
            slot.client = Some(client.clone());
        }
        Ok((client, turn))
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// gRPC's numbers of the answers that are no fault of the way.
mod code {
    pub(super) const INVALID_ARGUMENT: i32 = 3;
    pub(super) const NOT_FOUND: i32 = 5;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: i32 = 8;
    pub(super) const FAILED_PRECONDITION: i32 = 9;
    pub(super) const OUT_OF_RANGE: i32 = 11;
}

impl Failure {
    pub(super) fn of(error: &Error) -> Self {
        let status = match error {
            Error::GRpcStatus(status) => status,
            Error::LeaseKeepAliveError(reason) => return Self::Refused(reason.clone()),
            error => return Self::Way(with_sources(error)),
        };
        let message = status.message();
        match status.code() as i32 {
            code::OUT_OF_RANGE if message.contains("message length too large") => Self::TooLong,
            code::OUT_OF_RANGE if message.contains("compacted") => Self::Compacted,
            code::RESOURCE_EXHAUSTED if message.contains("larger than max") => Self::TooLong,
            code::RESOURCE_EXHAUSTED if message.contains("database space exceeded") => {
                Self::Refused(format!(
                    "{message}; compact and defragment it or give it more space, then `etcdctl alarm disarm`"
                ))
            }
            code::INVALID_ARGUMENT if message.contains("user name is empty") => Self::Refused(format!(
                "{message}; it asks for a user, so set `username` and `password_env`"
            )),
            code::INVALID_ARGUMENT
            | code::NOT_FOUND
            | code::PERMISSION_DENIED
            | code::RESOURCE_EXHAUSTED
            | code::FAILED_PRECONDITION => Self::Refused(message.to_owned()),
            _ => Self::Way(with_sources(status)),
        }
    }

    /// The same as a store's error of trying to do `action`.
    pub(super) fn to(self, action: &str) -> StoreError {
        let action = action.to_owned();
        match self {
            Self::Way(reason) => StoreError::Unreachable { action, reason },
            other => StoreError::Refused {
                action,
                reason: other.reason(),
            },
        }
    }

    pub(super) fn reason(self) -> String {
        match self {
            Self::Way(reason) | Self::Refused(reason) => reason,
            Self::Compacted => "what is asked for has been compacted".into(),
            Self::TooLong => format!("the answer has more than {MOST_ANSWER} bytes"),
        }
    }
}

/// An error and what caused it, which gRPC's own words leave out.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
