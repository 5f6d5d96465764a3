//! A call that several clients may need at the same time or one after the other is made once, where the configuration allows it.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use meta::language::Values;

use super::{
    call::{Answer, Asked},
    hedge,
    json::Json,
    node::Node,
    outcome::{NodeError, Origin},
};
use crate::{
    clock::Moment,
    share::{self, Key, NodeSharing, Served, Terms, Unanswered},
};

/// What sharing has to know of a call.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    key: Key,
    /// What the node is sent, and what the client says of caching.
    headers: HeaderMap,
}

/// What the client says of caching, to the gateway.
const SAID: [HeaderName; 2] = [header::CACHE_CONTROL, header::PRAGMA];

impl Identity {
    /// `None` if the call's answer may be nobody else's.
    pub(crate) fn of<V: Values>(
        node: &Node,
        of: &str,
        target: &str,
        fields: &[(HeaderName, HeaderValue)],
        client: &HeaderMap,
        values: &V,
    ) -> Option<Self> {
        let terms = node.terms.as_ref()?;
        if !matches!(node.method, Method::GET | Method::HEAD) {
            return None;
        }
        let mut headers = HeaderMap::with_capacity(fields.len() + 2);
        for (name, value) in fields {
            headers.append(name, value.clone());
        }
        if !terms.cover(&headers) {
            return None;
        }
        for name in SAID {
            if let Some(value) = client.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        let host = headers.get(header::HOST).map_or(&b""[..], HeaderValue::as_bytes);
        let parts = [
            &b"node"[..],
            of.as_bytes(),
            node.name.as_bytes(),
            node.upstream.id.as_str().as_bytes(),
            node.method.as_str().as_bytes(),
            host,
            target.as_bytes(),
        ];
        let key = terms.key(&parts, &headers, values);
        Some(Self { key, headers })
    }
}

/// The answer to a call, from whoever has it.
///
/// A future is moved to its place on the heap, and moving a large one costs more than the allocation. So the way that most calls go
/// has its own, and what is larger has a box of its own.
pub(crate) async fn make(
    asked: Arc<Asked>,
    sharing: &NodeSharing,
) -> Result<(Arc<Answer>, Origin), NodeError> {
    if let (Some(identity), Some(terms)) = (&asked.identity, &asked.node.terms) {
        return Box::pin(shared(&asked, identity, terms, sharing)).await;
    }
    let answer = hedged(&asked).await?;
    Ok((Arc::new(answer), Origin::Call))
}

async fn shared(
    asked: &Arc<Asked>,
    identity: &Identity,
    terms: &Terms,
    sharing: &NodeSharing,
) -> Result<(Arc<Answer>, Origin), NodeError> {
    let request = share::Asked {
        key: identity.key,
        keyed: &terms.keyed,
        method: &asked.node.method,
        headers: &identity.headers,
    };
    let ask = || {
        let asked = Arc::clone(asked);
        async move { hedged(&asked).await.map(into_shared) }
    };
    let now = || Duration::from_nanos(Moment::now().nanos());
    let answer = sharing.answer(request, Some(&terms.rule), terms.concurrent, now, ask);
    // The call may be one of another client's, who has more time.
    let longest = Duration::from_secs(3600);
    let reply = asked.deadline.wait(longest, answer).await;
    let reply = reply.map_err(|_| NodeError::Timeout)?.map_err(|why| match why {
        Unanswered::Failed(error) => error,
        Unanswered::NotKept => NodeError::NotKept,
    })?;
    let origin = match reply.served {
        Served::Fresh => Origin::Cached,
        Served::Stale => Origin::Stale,
        Served::Shared => Origin::Shared,
        Served::Filled | Served::Passed => Origin::Call,
    };
    Ok((Arc::new(from_shared(&reply.answer, reply.age)), origin))
}

async fn hedged(asked: &Asked) -> Result<Answer, NodeError> {
    match asked.node.hedge {
        Some(hedge) => Box::pin(hedge::make(asked, hedge)).await,
        None => asked.make(asked.began, None).await,
    }
}

fn into_shared(answer: Answer) -> share::Answer {
    share::Answer {
        status: answer.status,
        headers: answer.headers,
        body: answer.json.into_bytes(),
    }
}

fn from_shared(answer: &share::Answer, age: Option<Duration>) -> Answer {
    let mut headers = answer.headers.clone();
    if let Some(age) = age {
        headers.insert(header::AGE, HeaderValue::from(age.as_secs()));
    }
    Answer {
        status: answer.status,
        headers,
        json: Json::known(answer.body.clone()),
        _held: None,
    }
}
