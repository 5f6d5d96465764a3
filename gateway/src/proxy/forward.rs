//! A request goes to a server, and its answer to the client.

use std::time::Instant;

use pingora::{Error, ErrorType};
use pingora_proxy::Session;
use tokio::net::TcpStream;

use super::{Caller, End, Ended, Proxy, decide::Plan};
use crate::{
    admission::RoutePass,
    attempts::{Answered, Call, CallError, ClientBody, Deadline, call},
    clock::Moment,
    cluster::Outcome,
    edge::{Forwarding, X_REQUEST_ID},
    exchange::Connection,
    mirror,
    refusal::refuse,
    relay::{Relayed, head_for, relay},
    rewrite::as_written,
    snapshot::Route,
};

impl Proxy {
    pub(super) async fn forward(
        &self,
        session: &mut Session,
        mut plan: Box<Plan>,
        pass: Option<RoutePass>,
        caller: &Caller,
    ) -> (Ended, pingora::Result<()>) {
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
        if let Some((to, hash)) = plan.mirror.take() {
            let copied = body.copy();
            let head = body.session.req_header();
            let target = plan.target.take();
            let target = target.map_or_else(|| as_written(head).to_vec(), String::into_bytes);
            let copy = mirror::Copy {
                upstream: to,
                head: head.clone(),
                target,
                id: caller.id.clone(),
                peer: caller.peer,
                peer_is_trusted: self.trusted.contains(caller.peer),
                hash,
            };
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
                self.filter_response(&plan.matched, body.session, caller, &mut response);
                let status = response.status.as_u16();
                let timeouts = &plan.upstream.timeouts;
                let deadline = Deadline::after(caller.started, timeouts.total.map(|total| total.get()));
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
            retry: plan.matched.route.retry.as_deref().or(upstream.retry.as_ref()),
            class: plan.matched.route.class,
            started: self.began(&plan.matched.route, caller),
            deadline: Deadline::after(caller.started, upstream.timeouts.total.map(|total| total.get())),
        };
        let peer_is_trusted = self.trusted.contains(caller.peer);
        let start = |body: &ClientBody<'_>, connection: &mut Connection<TcpStream>, framing| {
            let head = body.session.req_header();
            let forwarding = Forwarding {
                head,
                id: &caller.id,
                peer: caller.peer,
                peer_is_trusted,
            };
            let target = plan
                .target
                .as_ref()
                .map_or_else(|| as_written(head), |target| target.as_bytes());
            connection.start(&head.method, target, framing, |to| forwarding.write(to))
        };
        call(&attempt, body, start).await
    }

    /// When the request set out for its cluster: whoever may have waited for a place before must not count that as the server's.
    fn began(&self, route: &Route, caller: &Caller) -> Instant {
        let proxy_queues = self.guard.as_ref().is_some_and(|guard| guard.has_queue());
        let route_queues = route.guard.as_ref().is_some_and(|guard| guard.has_queue());
        if proxy_queues || route_queues {
            Instant::now()
        } else {
            caller.started
        }
    }
}

/// Gives a pass back with what came of the request.
fn settle(pass: Option<RoutePass>, outcome: Outcome, now: Moment) {
    if let Some(mut pass) = pass {
        pass.settle(outcome, now);
    }
}

/// Makes the engine drop the client's connection, so that an incomplete answer cannot look complete.
fn broken_off() -> Box<Error> {
    Error::explain(ErrorType::ConnectionClosed, "broken off")
}
