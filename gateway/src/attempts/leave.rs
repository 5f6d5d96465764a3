//! Whether a request may be sent again: what the configuration, the method, the budget and the breaker say.

use meta::model::RetryOn;

use super::{Call, Failure, RequestSource};
use crate::{clock::Moment, cluster::Permit};

/// How often a request is sent at most, whatever the reason: as often as [`Tried`] remembers.
const MOST_ATTEMPTS: u32 = 10;

/// What leave there is for another attempt.
#[derive(Clone, Copy)]
pub(super) struct Leave {
    /// The configuration has one left.
    by_rule: bool,
    /// The attempt was a probe of a request that may be repeated. What a probe finds out is the gateway's concern and not the client's: it
    /// costs the budget nothing.
    as_probe: bool,
}

impl Leave {
    pub(super) fn after<S: RequestSource>(
        attempts: u32,
        call: &Call<'_>,
        source: &S,
        permit: &Permit,
    ) -> Self {
        let most = call.retry.map_or(1, |retry| retry.attempts);
        let as_probe = permit.is_probe()
            && attempts < MOST_ATTEMPTS
            && may_repeat(call, source)
            && source.is_replayable();
        let in_time = (as_probe || attempts < most) && !call.deadline.is_over();
        Self {
            by_rule: in_time && attempts < most,
            as_probe: in_time && as_probe,
        }
    }

    pub(super) fn after_answer<S: RequestSource>(
        self,
        call: &Call<'_>,
        source: &S,
        status: u16,
        failed: bool,
    ) -> bool {
        (self.by_rule && allows_status(call, source, status) && affords(call)) || (self.as_probe && failed)
    }

    pub(super) fn after_failure<S: RequestSource>(
        self,
        call: &Call<'_>,
        source: &S,
        failure: &Failure,
    ) -> bool {
        let by_rule = self.by_rule && allows_failure(call, source, failure);
        failure.blames_server() && ((by_rule && (failure.is_free() || affords(call))) || self.as_probe)
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
pub(super) fn may_repeat<S: RequestSource>(call: &Call<'_>, source: &S) -> bool {
    let method = source.method();
    method.is_idempotent()
        || call
            .retry
            .is_some_and(|retry| retry.methods.iter().any(|other| other.get() == method))
}
