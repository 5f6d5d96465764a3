//! Puts the answer together: the body by splicing or reshaping, and the fields that come of the nodes'.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora_http::RequestHeader;

use super::{
    Aggregate, Collected,
    combined::Combined,
    compress::{self, Coding},
    json::{Collision, Json, Merge, merge},
    outcome::field,
};
use crate::edge::Request;

/// `X-Gateway-Nodes`.
pub(crate) const X_GATEWAY_NODES: HeaderName = HeaderName::from_static("x-gateway-nodes");
/// `X-Gateway-Complete`.
const X_GATEWAY_COMPLETE: HeaderName = HeaderName::from_static("x-gateway-complete");

/// What a node's answer says by itself and the whole says anew.
const SAID_OTHERWISE: [HeaderName; 5] = [
    header::SET_COOKIE,
    header::CACHE_CONTROL,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
];

/// Below this compressing costs more than it saves.
const WORTH_COMPRESSING: usize = 1024;

/// An answer, whole.
pub(crate) struct Spliced {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    coding: Coding,
}

/// From here on compressing takes so long that others on the same thread would notice.
const LONG: usize = 128 * 1024;

impl Spliced {
    /// The same with its body compressed as the client accepts it.
    pub(crate) async fn compressed(mut self) -> Self {
        let Some(token) = self.coding.token() else {
            return self;
        };
        let (coding, body) = (self.coding, self.body.clone());
        let compressed = if body.len() < LONG {
            Ok(compress::compress(coding, &body))
        } else {
            tokio::task::spawn_blocking(move || compress::compress(coding, &body)).await
        };
        if let Ok(compressed) = compressed {
            self.body = compressed.into();
            let token = HeaderValue::from_static(token);
            self.headers.insert(header::CONTENT_ENCODING, token);
        }
        self
    }
}

/// The answer to a request whose calls are all done.
///
/// `view` makes the request to be looked at, which is not free.
pub(crate) async fn splice<'r>(
    aggregate: &Aggregate,
    collected: &Collected<'_>,
    head: &RequestHeader,
    view: impl FnOnce() -> Request<'r>,
) -> Result<Spliced, Collision> {
    let body = match &aggregate.response {
        Some(template) => collected.inputs(&view()).render(template),
        None => merged(aggregate.merge, collected).await?,
    };
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(X_GATEWAY_NODES, field(collected.told()));
    let is_complete = collected.is_complete();
    if !is_complete {
        headers.insert(X_GATEWAY_COMPLETE, HeaderValue::from_static("false"));
    }
    let is_personal = head.headers.contains_key(header::AUTHORIZATION);
    of_nodes(collected, is_complete, is_personal, &mut headers);
    let coding = coding(aggregate, body.len(), head, &mut headers);
    Ok(Spliced {
        headers,
        body: body.into(),
        coding,
    })
}

/// Joining the members of long answers takes as long as compressing them; all else is copying.
async fn merged(how: Merge, collected: &Collected<'_>) -> Result<Vec<u8>, Collision> {
    let length: usize = collected.answers().map(|(_, json)| json.as_bytes().len()).sum();
    if !matches!(how, Merge::Flat(_)) || length < LONG {
        return merge(how, collected.answers());
    }
    let answers: Vec<(String, Json)> = collected
        .answers()
        .map(|(name, json)| (name.to_owned(), json.clone()))
        .collect();
    let join = move || {
        let answers = answers.iter();
        merge(how, answers.map(|(name, json)| (name.as_str(), json)))
    };
    match tokio::task::spawn_blocking(join).await {
        Ok(merged) => merged,
        // It cannot be joined: the process is ending.
        Err(_) => merge(how, collected.answers()),
    }
}

/// The fields that the answer has of its nodes: every `Set-Cookie`, the strictest `Cache-Control`, and those that are named.
fn of_nodes(collected: &Collected<'_>, is_complete: bool, is_personal: bool, headers: &mut HeaderMap) {
    let mut caching = Combined::default();
    for (node, answer) in collected.own_answers() {
        caching.add(&answer.headers, SystemTime::now);
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            headers.append(header::SET_COOKIE, cookie.clone());
        }
        for name in &node.kept {
            if SAID_OTHERWISE.contains(name) {
                continue;
            }
            for value in answer.headers.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
    }
    if is_personal {
        caching.make_private();
    }
    let caching = match is_complete {
        true => caching.value(),
        // A part that is missing now may be there the next time.
        false => Some(HeaderValue::from_static("no-store")),
    };
    if let Some(caching) = caching {
        headers.insert(header::CACHE_CONTROL, caching);
    }
}

/// How the body is to be compressed.
fn coding(aggregate: &Aggregate, length: usize, head: &RequestHeader, headers: &mut HeaderMap) -> Coding {
    if !aggregate.compress || length < WORTH_COMPRESSING {
        return Coding::Identity;
    }
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let accepted = head.headers.get_all(header::ACCEPT_ENCODING);
    compress::negotiate(accepted.iter())
}
