//! A request is answered by several services at once.

use std::time::Instant;

use http::HeaderValue;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use tokio::select;

use super::{
    Caller, End, Ended, Proxy,
    decide::Matched,
    forward::{broken_off, settle},
};
use crate::{
    admission::RoutePass,
    aggregate::{
        Aggregate, BodyUse, ClientsBody, Collected, Common, Gathering, Missing, Spliced, Unread, field,
        member, read_body, splice, write_usual,
    },
    attempts::{ClientBody, ClientFault, Deadline, RequestSource},
    clock::Moment,
    cluster::Outcome,
    edge::Forwarding,
    exchange::FieldBlock,
    refusal::{Denial, Details, Refusal, answer, refuse},
};

/// What came of the calls.
enum Gathered {
    /// All that is needed is there.
    Done,
    /// A node that is required failed.
    Missing(Missing),
    ClientGone,
}

impl Proxy {
    pub(super) async fn aggregate(
        &self,
        session: &mut Session,
        matched: Box<Matched>,
        pass: Option<RoutePass>,
        caller: &Caller,
    ) -> (Ended, pingora::Result<()>) {
        let (how, result) = self.aggregated(session, &matched, pass, caller).await;
        let route = Some(matched.route);
        (Ended { how, at: None, route }, result)
    }

    async fn aggregated(
        &self,
        session: &mut Session,
        matched: &Matched,
        pass: Option<RoutePass>,
        caller: &Caller,
    ) -> (End, pingora::Result<()>) {
        let Some(aggregate) = &matched.route.aggregate else {
            return (End::Broken, Err(broken_off()));
        };
        let body = match self.body_for(aggregate, session).await {
            Ok(body) => body,
            Err(Unread::Client(ClientFault::Gone)) => return (End::Broken, Err(broken_off())),
            Err(why) => return self.deny(session, unread(why), caller).await,
        };
        let started = Instant::now();
        let Some(common) = self.common(aggregate, session, caller, started) else {
            let details = Details::of("it cannot be written as HTTP/1.1");
            let denial = Denial::new(Refusal::BadRequest, details);
            return self.deny(session, denial, caller).await;
        };
        let deadline = Deadline::after(started, Some(aggregate.timeout));
        let mut gathering = Gathering::new(aggregate, &common, body, deadline);
        let gathered = self.gather(&mut gathering, session, matched, caller).await;
        // What is still under way is given up here.
        let collected = gathering.done();
        match gathered {
            Gathered::ClientGone => (End::Broken, Err(broken_off())),
            Gathered::Missing(missing) => {
                if missing.error.blames_server() {
                    let latency = started.elapsed();
                    settle(pass, Outcome::Failure { latency }, Moment::now());
                }
                let denial = without(aggregate, &collected, missing);
                self.deny(session, denial, caller).await
            }
            Gathered::Done => {
                let view = || self.request(session, caller, &matched.params);
                match splice(aggregate, &collected, session.req_header(), view).await {
                    Err(collision) => self.deny(session, collided(&collected, &collision), caller).await,
                    Ok(spliced) => {
                        if let Some(pass) = pass {
                            let verdict = pass.judge(200, started.elapsed());
                            settle(Some(pass), verdict, Moment::now());
                        }
                        self.send_spliced(session, matched, spliced, caller).await
                    }
                }
            }
        }
    }

    async fn deny(
        &self,
        session: &mut Session,
        denial: Box<Denial>,
        caller: &Caller,
    ) -> (End, pingora::Result<()>) {
        // A status that a node gave is an answer of that service's.
        let how = match denial.details.status {
            Some(status) => End::Answered(status),
            None => End::Refused(denial.refusal),
        };
        (how, refuse(session, *denial, &caller.id).await)
    }

    async fn send_spliced(
        &self,
        session: &mut Session,
        matched: &Matched,
        spliced: Spliced,
        caller: &Caller,
    ) -> (End, pingora::Result<()>) {
        let spliced = spliced.compressed().await;
        let (mut parts, ()) = http::Response::new(()).into_parts();
        parts.headers = spliced.headers;
        let mut response = ResponseHeader::from(parts);
        self.filter_response(matched, session, caller, &mut response);
        let status = response.status.as_u16();
        match answer(session, response, spliced.body, &caller.id).await {
            Ok(()) => (End::Answered(status), Ok(())),
            Err(error) => (End::Broken, Err(error)),
        }
    }

    /// Makes the calls. Those of a safe method are given up when the client goes away.
    async fn gather(
        &self,
        gathering: &mut Gathering<'_>,
        session: &mut Session,
        matched: &Matched,
        caller: &Caller,
    ) -> Gathered {
        let is_safe = session.req_header().method.is_safe();
        loop {
            if gathering.may_begin() {
                let request = self.request(session, caller, &matched.params);
                if let Err(missing) = gathering.begin(&request) {
                    return Gathered::Missing(missing);
                }
            }
            let back = if is_safe {
                let mut client = ClientBody::new(session);
                select! {
                    biased;
                    back = gathering.wait() => back,
                    () = client.gone() => return Gathered::ClientGone,
                }
            } else {
                gathering.wait().await
            };
            match back {
                Ok(true) => {}
                Ok(false) => return Gathered::Done,
                Err(missing) => return Gathered::Missing(missing),
            }
        }
    }

    async fn body_for(
        &self,
        aggregate: &Aggregate,
        session: &mut Session,
    ) -> Result<Option<ClientsBody>, Unread> {
        if aggregate.body == BodyUse::Nothing {
            return Ok(None);
        }
        let read = read_body(session, aggregate.max_request_bytes, aggregate.body).await?;
        Ok(Some(read))
    }

    /// What all calls have in common; `None` if it cannot be written.
    fn common(
        &self,
        aggregate: &Aggregate,
        session: &Session,
        caller: &Caller,
        started: Instant,
    ) -> Option<Common> {
        let forwarding = Forwarding {
            head: session.req_header(),
            id: &caller.id,
            peer: caller.peer,
            peer_is_trusted: caller.peer_is_trusted,
        };
        let usual = FieldBlock::new(|to| {
            write_usual(forwarding.head, to)?;
            forwarding.write_caller(to)
        });
        let usual = usual.ok()?;
        let caller_only = match aggregate.has_usual_fields {
            true => usual.clone(),
            false => FieldBlock::new(|to| forwarding.write_caller(to)).ok()?,
        };
        Some(Common {
            caller: caller_only,
            usual,
            client: caller.client,
            room: self.room.clone(),
            sharing: self.node_sharing.clone(),
            started,
        })
    }
}

fn unread(why: Unread) -> Box<Denial> {
    let (refusal, detail) = match why {
        Unread::TooLarge => (
            Refusal::BodyTooLarge,
            "it is longer than max_request_bytes of the aggregation",
        ),
        Unread::NotJson => (Refusal::BadRequest, "the body is no JSON"),
        Unread::Client(ClientFault::Slow) => (Refusal::ClientTimeout, ""),
        Unread::Client(_) => (Refusal::BadRequest, "the body is malformed"),
    };
    Denial::new(refusal, Details::of(detail))
}

/// The answer of an aggregation that lacks a node it cannot do without.
fn without(aggregate: &Aggregate, collected: &Collected<'_>, missing: Missing) -> Box<Denial> {
    let details = Details {
        status: missing
            .error
            .status()
            .filter(|_| aggregate.passes_status(missing.node)),
        nodes: told(collected),
        ..Details::of(format!(
            "the required node {} failed",
            aggregate.name(missing.node)
        ))
    };
    Denial::new(missing.error.refusal(), details)
}

fn collided(collected: &Collected<'_>, collision: &crate::aggregate::json::Collision) -> Box<Denial> {
    log::warn!("an answer cannot be merged: {collision}");
    let detail = format!(
        "the nodes {} and {} have a member of the same name",
        collision.first, collision.second
    );
    let details = Details {
        nodes: told(collected),
        ..Details::of(detail)
    };
    Denial::new(Refusal::NodeFailed, details)
}

fn told(collected: &Collected<'_>) -> Option<(HeaderValue, String)> {
    Some((field(collected.told()), member(collected.told())))
}
