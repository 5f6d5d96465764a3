//! A request whose answer may be another one's too: kept from before, or being fetched for somebody else.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, header};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use tokio::select;

use super::{
    Caller, End, Proxy,
    decide::{Matched, Plan},
    forward::{broken_off, deadline, retry, settle, tell_single},
};
use crate::{
    admission::RoutePass,
    attempts::{ClientBody, CopiedBody, Deadline, RequestSource},
    clock::Moment,
    cluster::Outcome,
    detached::Detached,
    exchange::AnswerBody,
    refusal::{Denial, Details, Refusal, answer, refuse},
    rewrite::as_written,
    share::{self, Key, Served, Terms, Unanswered, Unshared},
    snapshot::Route,
};

/// How the answer came about (RFC 9211).
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Longer answers are not shared, whatever the cache could hold: each client that asks gets its own, streamed.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

/// What came of looking for an answer that is shared.
pub(super) enum Sharing {
    /// The request was answered, or failed for good.
    Over(End, pingora::Result<()>),
    /// The answer is too long to be shared: the request is to be forwarded, with what it has of the route's breaker.
    Forward(Option<RoutePass>),
}

impl Proxy {
    /// The key of a request whose answer may be shared.
    pub(super) fn key(&self, session: &Session, plan: &Plan, caller: &Caller) -> Option<(Key, Arc<Route>)> {
        let route = &plan.matched.route;
        let terms = route.terms.as_ref()?;
        let head = session.req_header();
        let reads = matches!(head.method, Method::GET | Method::HEAD);
        let has_body = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
            .iter()
            .any(|name| head.headers.contains_key(name));
        if !reads || has_body || !terms.cover(&head.headers) {
            return None;
        }
        let view = self.request(session, caller, &plan.matched.params);
        let parts = [
            &b"route"[..],
            route.id().as_str().as_bytes(),
            plan.upstream.id.as_str().as_bytes(),
            view.authority().as_bytes(),
            target(plan, head),
        ];
        Some((terms.key(&parts, &head.headers, &view), Arc::clone(route)))
    }

    /// Answers a request with an answer that may be another one's.
    pub(super) async fn share(
        &self,
        session: &mut Session,
        plan: &Plan,
        terms: &Terms,
        key: Key,
        pass: Option<RoutePass>,
        caller: &Caller,
    ) -> Sharing {
        let head = session.req_header().clone();
        let detached = self.detach(plan, &head, caller);
        if let Some((to, hash)) = &plan.mirror {
            let copy = self.copy(plan, &head, (to.clone(), *hash), caller);
            let no_body = CopiedBody::new(head.method.clone(), None);
            self.mirrors.send(copy, Some(no_body), &self.metrics);
        }
        let (deadline, most) = (
            deadline(plan, caller),
            self.route_sharing.largest().min(MOST_BYTES),
        );
        let request = share::Asked {
            key,
            keyed: &terms.keyed,
            method: &head.method,
            headers: &head.headers,
        };
        let ask = || {
            let detached = detached.clone();
            async move { whole(&detached, deadline, most).await }
        };
        let now = || Duration::from_nanos(Moment::now().nanos());
        let reply = self
            .route_sharing
            .answer(request, Some(&terms.rule), terms.concurrent, now, ask);
        let mut client = ClientBody::new(session);
        let reply = select! {
            biased;
            reply = reply => reply,
            () = client.gone() => return Sharing::Over(End::Broken, Err(broken_off())),
        };
        match reply {
            Ok(reply) => {
                let latency = caller.started.elapsed();
                if let Some(pass) = pass {
                    let verdict = pass.judge(reply.answer.status.as_u16(), latency);
                    settle(Some(pass), verdict, Moment::now());
                }
                let sent = self.send_shared(session, &plan.matched, &reply, caller).await;
                match sent {
                    Ok(status) => Sharing::Over(End::Answered(status), Ok(())),
                    Err(error) => Sharing::Over(End::Broken, Err(error)),
                }
            }
            Err(Unanswered::Failed(Unshared::TooLarge)) => Sharing::Forward(pass),
            Err(why) => {
                let denial = denial(why);
                if denial.refusal.blames_servers() {
                    let latency = caller.started.elapsed();
                    settle(pass, Outcome::Failure { latency }, Moment::now());
                }
                let how = End::Refused(denial.refusal);
                Sharing::Over(how, refuse(session, *denial, &caller.id).await)
            }
        }
    }

    async fn send_shared(
        &self,
        session: &mut Session,
        matched: &Matched,
        reply: &share::Reply,
        caller: &Caller,
    ) -> pingora::Result<u16> {
        let shared = &reply.answer;
        let mut response = ResponseHeader::build_no_case(shared.status, Some(shared.headers.len() + 4))?;
        for (name, value) in &shared.headers {
            response.append_header(name.clone(), value.clone())?;
        }
        if let Some(age) = reply.age {
            response.insert_header(header::AGE, HeaderValue::from(age.as_secs()))?;
        }
        response.append_header(CACHE_STATUS, told(reply.served))?;
        tell_single(&matched.route, &mut response, caller);
        self.filter_response(matched, session, caller, &mut response);
        let status = response.status.as_u16();
        answer(session, response, shared.body.clone(), &caller.id).await?;
        Ok(status)
    }

    pub(super) fn detach(&self, plan: &Plan, head: &RequestHeader, caller: &Caller) -> Detached {
        Detached {
            upstream: Arc::clone(&plan.upstream),
            target: target(plan, head).to_vec(),
            head: head.clone(),
            id: caller.id.clone(),
            peer: caller.peer,
            peer_is_trusted: caller.peer_is_trusted,
            hash: plan.hash,
            retry: retry(plan).cloned(),
            class: plan.matched.route.class,
        }
    }
}

pub(super) fn target<'p>(plan: &'p Plan, head: &'p RequestHeader) -> &'p [u8] {
    let rewritten = plan.target.as_ref().map(|target| target.as_bytes());
    rewritten.unwrap_or_else(|| as_written(head))
}

fn told(served: Served) -> HeaderValue {
    HeaderValue::from_static(match served {
        Served::Fresh => "Gateway; hit",
        Served::Stale => "Gateway; hit; detail=stale",
        Served::Filled => "Gateway; fwd=miss",
        Served::Shared => "Gateway; fwd=miss; collapsed",
        Served::Passed => "Gateway; fwd=bypass",
    })
}

/// The whole answer, if it has `most` bytes at most.
async fn whole(asked: &Detached, deadline: Deadline, most: u64) -> Result<share::Answer, Unshared> {
    let body = CopiedBody::new(asked.head.method.clone(), None);
    let mut answered = asked.send(body, deadline).await?;
    if matches!(answered.head.body, AnswerBody::Length(length) if length > most) {
        return Err(Unshared::TooLarge);
    }
    let idle = asked.upstream.timeouts.idle.get();
    let mut body = BytesMut::new();
    loop {
        match answered.next_piece(deadline, idle).await {
            Ok(Some(piece)) if (body.len() + piece.len()) as u64 > most => return Err(Unshared::TooLarge),
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) => break,
            Err(cut) => {
                answered.fail();
                return Err(Unshared::Refused(Denial::new(cut.refusal(), Details::default())));
            }
        }
    }
    let status = answered.head.status;
    let headers = std::mem::take(&mut answered.head.headers);
    answered.finish();
    Ok(share::Answer {
        status,
        headers,
        body: Bytes::from(body),
    })
}

fn denial(why: Unanswered<Unshared>) -> Box<Denial> {
    match why {
        Unanswered::Failed(Unshared::Refused(denial)) => denial,
        Unanswered::Failed(Unshared::TooLarge) => Denial::new(Refusal::BadAnswer, Details::default()),
        Unanswered::NotKept => {
            let details = Details::of("nothing is kept, and the client wants nothing else (only-if-cached)");
            Denial::new(Refusal::Timeout, details)
        }
    }
}
