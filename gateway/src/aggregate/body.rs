//! Reads a client's body to its end, as far as an aggregation allows.

use bytes::{Bytes, BytesMut};
use http::header;
use pingora_proxy::Session;

use super::{BodyUse, ClientsBody, json::Json};
use crate::attempts::{ClientBody, ClientFault, RequestSource};

/// Why there is no body to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// The client went away, was too slow, or does not speak HTTP.
    Client(ClientFault),
    /// The body is longer than allowed.
    TooLarge,
    /// Values are to be read of it, and it is no JSON.
    NotJson,
}

/// What came of reading.
pub(crate) type ReadBody = Result<ClientsBody, Unread>;

/// The whole body; `most` bytes of it at most.
pub(crate) async fn read_body(session: &mut Session, most: usize, used: BodyUse) -> ReadBody {
    let headers = &session.req_header().headers;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(Unread::TooLarge);
    }
    let content_type = headers.get(header::CONTENT_TYPE).cloned();
    let waits = headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if waits {
        let sent = session.as_downstream_mut().write_continue_response().await;
        sent.map_err(|_| Unread::Client(ClientFault::Gone))?;
    }
    let bytes = collect(session, most).await?;
    let json = match used {
        BodyUse::Json if bytes.is_empty() => Some(Json::null()),
        BodyUse::Json => Some(Json::parse(bytes.clone()).map_err(|_| Unread::NotJson)?),
        BodyUse::Nothing | BodyUse::Bytes => None,
    };
    Ok(ClientsBody {
        bytes,
        content_type,
        json,
    })
}

async fn collect(session: &mut Session, most: usize) -> Result<Bytes, Unread> {
    let mut body = ClientBody::new(session);
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while !body.is_finished() {
        let Some(piece) = body.next().await.map_err(Unread::Client)? else {
            break;
        };
        if first.len() + all.len() + piece.len() > most {
            return Err(Unread::TooLarge);
        }
        // A body in one piece is not copied.
        if first.is_empty() && all.is_empty() {
            first = piece;
            continue;
        }
        if !first.is_empty() {
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&piece);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}
