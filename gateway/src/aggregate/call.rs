//! One node's call: through its cluster's one door to an answer that was read to its end and is sound JSON.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use meta::model::PriorityClass;
use tokio::net::TcpStream;

use super::{
    content::{self, Kind},
    decoder::Decoder,
    json::Json,
    node::Node,
    outcome::NodeError,
    room::{Held, Room},
    shared::Identity,
};
use crate::{
    attempts::{Answered, Avoided, Call, CopiedBody, Deadline, call},
    exchange::{AnswerBody, Connection, FieldBlock, RequestBody},
};

/// A call as it is to be made. Nothing in it is borrowed, so that it can outlive the request that made it where others wait for its answer.
pub(crate) struct Asked {
    pub(crate) node: Arc<Node>,
    pub(crate) target: String,
    /// Beside those of `common`.
    pub(crate) fields: Vec<(HeaderName, HeaderValue)>,
    /// What other calls of the request say too.
    pub(crate) common: FieldBlock,
    pub(crate) body: Option<Bytes>,
    pub(crate) hash: u64,
    pub(crate) class: PriorityClass,
    pub(crate) deadline: Deadline,
    pub(crate) room: Arc<Room>,
    pub(crate) began: Instant,
    /// What tells whether another call is the same, where answers are shared.
    pub(crate) identity: Option<Identity>,
}

/// An answer. Of one with a status that is no success here only the head is kept.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Its end-to-end fields as they came: those that describe the bytes do not describe `json`.
    pub(crate) headers: HeaderMap,
    pub(crate) json: Json,
    /// The room it takes; none where it is kept elsewhere.
    pub(super) _held: Option<Held>,
}

/// What of an answer that is an error may be read to keep its connection, and for how long it is waited for.
const DRAINED: (usize, Duration) = (64 * 1024, Duration::from_millis(100));

impl Asked {
    /// Whether the other one asks for the same, so that its answer would be this one's.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let (one, two) = (&self.node, &other.node);
        Arc::ptr_eq(&one.upstream, &two.upstream)
            && one.method.is_safe()
            && one.method == two.method
            && self.target == other.target
            && self.fields == other.fields
            && self.body == other.body
            && one.judges_like(two)
    }

    /// Makes the call, from `began` on. Servers in `avoided` come last, and those that were asked are added.
    pub(crate) async fn make(&self, began: Instant, avoided: Option<&Avoided>) -> Result<Answer, NodeError> {
        let mut place = self.room.enter().map_err(|_| NodeError::Overloaded)?;
        let node = &*self.node;
        let attempt = Call {
            upstream: &node.upstream,
            hash: self.hash,
            retry: node.retry.as_ref().or(node.upstream.retry.as_ref()),
            class: self.class,
            started: began,
            deadline: self.deadline,
            avoided,
        };
        let mut source = CopiedBody::new(node.method.clone(), self.body.clone());
        let start = |_: &CopiedBody, connection: &mut Connection<TcpStream>, framing: RequestBody| {
            connection.start(&node.method, self.target.as_bytes(), framing, |to| {
                for (name, value) in &self.fields {
                    to.field(name, value)?;
                }
                to.block(&self.common);
                Ok(())
            })
        };
        let mut answered = call(&attempt, &mut source, start).await?;
        let status = answered.head.status;
        if !node.is_success(status.as_u16()) {
            let headers = std::mem::take(&mut answered.head.headers);
            drain(answered, self.deadline).await;
            return Ok(Answer {
                status,
                headers,
                json: Json::null(),
                _held: None,
            });
        }
        self.collect(answered, place.bytes()).await
    }

    async fn collect(&self, mut answered: Answered, held: &mut Held) -> Result<Answer, NodeError> {
        let most = self.node.max_bytes;
        if matches!(answered.head.body, AnswerBody::Length(length) if length > most as u64) {
            return Err(NodeError::TooLarge);
        }
        let headers = std::mem::take(&mut answered.head.headers);
        let mut decoder = Decoder::new(&headers, most).map_err(NodeError::Content)?;
        let idle = self.node.upstream.timeouts.idle.get();
        loop {
            match answered.next_piece(self.deadline, idle).await {
                Ok(Some(piece)) => {
                    decoder.push(piece).map_err(NodeError::Content)?;
                    held.set(decoder.held()).map_err(|_| NodeError::Overloaded)?;
                }
                Ok(None) => break,
                Err(cut) => {
                    answered.fail();
                    return Err(cut.into());
                }
            }
        }
        let status = answered.head.status;
        answered.finish();
        let body = decoder.finish().map_err(NodeError::Content)?;
        let json = json_of(status, headers.get(header::CONTENT_TYPE), body).await?;
        held.set(json.as_bytes().len())
            .map_err(|_| NodeError::Overloaded)?;
        Ok(Answer {
            status,
            headers,
            json,
            _held: Some(held.take()),
        })
    }
}

/// Reads the rest of an answer nobody wants, if it is short and comes soon: then its connection can be used again.
async fn drain(mut answered: Answered, deadline: Deadline) {
    let (most, patience) = DRAINED;
    let mut read = 0;
    while read <= most {
        match answered.next_piece(deadline, patience).await {
            Ok(Some(piece)) => read += piece.len(),
            Ok(None) => {
                answered.finish();
                return;
            }
            Err(_) => return,
        }
    }
}

/// From here on checking takes so long (a millisecond for a megabyte) that others on the same thread would notice.
const LONG: usize = 512 * 1024;

async fn json_of(
    status: StatusCode,
    content_type: Option<&HeaderValue>,
    body: Bytes,
) -> Result<Json, NodeError> {
    if body.len() < LONG {
        return read_json(status, content_type, body);
    }
    let content_type = content_type.cloned();
    let read = move || read_json(status, content_type.as_ref(), body);
    // It cannot be joined only if the process is ending.
    tokio::task::spawn_blocking(read)
        .await
        .unwrap_or(Err(NodeError::Cancelled))
}

/// The JSON an answer stands for. Text that is none is a JSON string, an empty answer is `null`.
fn read_json(status: StatusCode, content_type: Option<&HeaderValue>, body: Bytes) -> Result<Json, NodeError> {
    if body.is_empty() || status == StatusCode::NO_CONTENT {
        return Ok(Json::null());
    }
    match content::kind_of(content_type).map_err(NodeError::Content)? {
        Kind::Json(encoding) => {
            let body = in_utf8(body, encoding)?;
            Json::parse(body).map_err(|fault| {
                log::debug!("the answer of a node is no JSON: {fault}");
                NodeError::NotJson
            })
        }
        Kind::Unknown => match Json::parse(body.clone()) {
            Ok(json) => Ok(json),
            Err(_) => text(&body, UTF_8),
        },
        Kind::Text(encoding) => text(&body, encoding),
    }
}

/// UTF-8 is left as it is: whoever parses it finds what is wrong with it.
fn in_utf8(body: Bytes, encoding: &'static Encoding) -> Result<Bytes, NodeError> {
    if encoding == UTF_8 {
        return Ok(body);
    }
    let text = content::to_text(&body, encoding).map_err(NodeError::Content)?;
    Ok(text.into_owned().into())
}

fn text(body: &[u8], encoding: &'static Encoding) -> Result<Json, NodeError> {
    let text = content::to_text(body, encoding).map_err(NodeError::Content)?;
    Ok(Json::from_text(&text))
}
