//! A request goes to a server, and its answer to the client.

use std::{sync::Arc, time::Instant};

use meta::model::{PriorityClass, Retry};
use pingora::{Error, ErrorType};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use tokio::net::TcpStream;

use super::{Caller, End, Ended, Proxy, decide::Plan, shared::Sharing};
use crate::{
    admission::RoutePass,
    aggregate::{Told, X_GATEWAY_NODES, field},
    attempts::{Answered, Call, CallError, ClientBody, Deadline, call},
    clock::Moment,
    cluster::Outcome,
    detached::Detached,
    edge::{Forwarding, X_REQUEST_ID},
    exchange::Connection,
    refusal::refuse,
    relay::{Relayed, head_for, relay},
    rewrite::as_written,
    snapshot::{Route, Upstream},
};

impl Proxy {
    pub(super) async fn forward(
        &self,
        session: &mut Session,
        mut plan: Box<Plan>,
        pass: Option<RoutePass>,
        caller: &Caller,
    ) -> (Ended, pingora::Result<()>) {
        let mut pass = pass;
        if let Some((key, route)) = self.key(session, &plan, caller)
            && let Some(terms) = &route.terms
        {
            // In a box: whoever does not share should not have to move so large a future.
            match Box::pin(self.share(session, &plan, terms, key, pass, caller)).await {
                Sharing::Over(how, result) => {
                    let ended = Ended {
                        how,
                        at: None,
                        route: Some(route),
                    };
                    return (ended, result);
                }
                Sharing::Forward(unused) => {
                    pass = unused;
                    plan.mirror = None;
                }
            }
        }
        let (how, at, result) = self.forwarded(session, &mut plan, pass, caller).await;
        let route = Some(plan.matched.route);
        (Ended { how, at, route }, result)
    }

    async fn forwarded(
        &self,
        session: &mut Session,
        plan: &mut Plan,
        mut pass: Option<RoutePass>,
        caller: &Caller,
    ) -> (End, Option<Moment>, pingora::Result<()>) {
        let mut body = ClientBody::new(session);
        let outcome = self.send(&mut body, plan, caller).await;
        if let Some(to) = plan.mirror.take() {
            let copied = body.copy();
            let copy = self.copy(plan, body.session.req_header(), to, caller);
            self.mirrors.send(copy, copied, &self.metrics);
        }
        match outcome {
            Ok(mut answered) => {
                let status = answered.head.status.as_u16();
                let mut verdict = answered.outcome();
                if let Some(pass) = &mut pass {
                    verdict = pass.judge(status, verdict.latency());
                    if pass.is_probe() {
                        pass.settle(verdict, Moment::now());
                    }
                }
                let mut response = head_for(&mut answered, &body);
                let _ = response.insert_header(X_REQUEST_ID, caller.id.to_value());
                tell_single(&plan.matched.route, &mut response, caller);
                self.filter_response(&plan.matched, body.session, caller, &mut response);
                let status = response.status.as_u16();
                let timeouts = &plan.upstream.timeouts;
                let deadline = deadline(plan, caller);
                let idle = timeouts.idle.get();
                match relay(answered, response, &mut body, deadline, idle).await {
                    Relayed::Whole(at) => {
                        settle(pass, verdict, at);
                        (End::Answered(status), Some(at), Ok(()))
                    }
                    Relayed::Cut => {
                        settle(pass, verdict.failed(), Moment::now());
                        (End::Broken, None, Err(broken_off()))
                    }
                    Relayed::ClientGone => (End::Broken, None, Err(broken_off())),
                }
            }
            Err(CallError::ClientGone) => (End::Broken, None, Err(broken_off())),
            Err(CallError::Refused(denial)) => {
                let how = End::Refused(denial.refusal);
                if denial.refusal.blames_servers() {
                    let latency = caller.started.elapsed();
                    settle(pass, Outcome::Failure { latency }, Moment::now());
                }
                let result = refuse(body.session, *denial, &caller.id).await;
                (how, None, result)
            }
        }
    }

    async fn send(
        &self,
        body: &mut ClientBody<'_>,
        plan: &Plan,
        caller: &Caller,
    ) -> Result<Answered, CallError> {
        let upstream = &plan.upstream;
        let attempt = Call {
            upstream,
            hash: plan.hash,
            retry: retry(plan),
            class: plan.matched.route.class,
            started: self.began(&plan.matched.route, caller),
            deadline: deadline(plan, caller),
            avoided: None,
        };
        let start = |body: &ClientBody<'_>, connection: &mut Connection<TcpStream>, framing| {
            let head = body.session.req_header();
            let forwarding = Forwarding {
                head,
                id: &caller.id,
                peer: caller.peer,
                peer_is_trusted: caller.peer_is_trusted,
            };
            let target = plan
                .target
                .as_ref()
                .map_or_else(|| as_written(head), |target| target.as_bytes());
            connection.start(&head.method, target, framing, |to| forwarding.write(to))
        };
        call(&attempt, body, start).await
    }

    /// The request for the cluster it is mirrored to.
    pub(super) fn copy(
        &self,
        plan: &Plan,
        head: &RequestHeader,
        (to, hash): (Arc<Upstream>, u64),
        caller: &Caller,
    ) -> Detached {
        Detached {
            upstream: to,
            hash,
            retry: None,
            class: PriorityClass::Sheddable,
            ..self.detach(plan, head, caller)
        }
    }

    /// When the request set out for its cluster: whoever may have waited for a place before must not count that as the server's.
    fn began(&self, route: &Route, caller: &Caller) -> Instant {
        let proxy_queues = caller.guard.as_ref().is_some_and(|guard| guard.has_queue());
        let route_queues = route.guard.as_ref().is_some_and(|guard| guard.has_queue());
        if proxy_queues || route_queues {
            Instant::now()
        } else {
            caller.started
        }
    }
}

/// Tells of the only node of an aggregation, as of several.
pub(super) fn tell_single(route: &Route, response: &mut ResponseHeader, caller: &Caller) {
    if let Some(single) = &route.single {
        let status = response.status.as_u16();
        let told = Told::answered(&single.name, status, caller.started.elapsed());
        // Its name and value are sound.
        let _ = response.insert_header(X_GATEWAY_NODES, field(std::iter::once(told)));
    }
}

/// When a request is sent again.
pub(super) fn retry(plan: &Plan) -> Option<&Retry> {
    let own = plan.matched.route.retry.as_deref();
    own.or(plan.upstream.retry.as_ref())
}

/// When the whole answer has to be there: what the cluster says, and the aggregation where there is one.
pub(super) fn deadline(plan: &Plan, caller: &Caller) -> Deadline {
    let total = plan.upstream.timeouts.total.map(|total| total.get());
    let single = plan.matched.route.single.as_ref().map(|single| single.timeout);
    let longest = match (total, single) {
        (Some(total), Some(single)) => Some(total.min(single)),
        (total, single) => total.or(single),
    };
    Deadline::after(caller.started, longest)
}

/// Gives a pass back with what came of the request.
pub(super) fn settle(pass: Option<RoutePass>, outcome: Outcome, now: Moment) {
    if let Some(mut pass) = pass {
        pass.settle(outcome, now);
    }
}

/// Makes the engine drop the client's connection, so that an incomplete answer cannot look complete.
pub(super) fn broken_off() -> Box<Error> {
    Error::explain(ErrorType::ConnectionClosed, "broken off")
}
