//! What a breaker can be told: `{"state": "rejecting"}`, `passing`, or `auto` to let go of it.

use http::{StatusCode, header};
use pingora_core::protocols::http::ServerSession;
use serde::Deserialize;

use crate::breaker::Forced;

/// The longest order that is read.
const LONGEST: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    state: Ordered,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ordered {
    Passing,
    Rejecting,
    /// By itself again.
    Auto,
}

/// Reads an order; `None` in it means to let go. The error is an answer: a status and why.
pub(super) async fn read(session: &mut ServerSession) -> Result<Option<Forced>, (StatusCode, &'static str)> {
    let content_type = session.req_header().headers.get(header::CONTENT_TYPE);
    // A stranger's web page can make a browser send any other type here without asking first.
    if content_type.is_none_or(|value| !value.as_bytes().starts_with(b"application/json")) {
        let why = "send it as Content-Type: application/json\n";
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    let mut body = Vec::new();
    while let Ok(Some(piece)) = session.read_request_body().await {
        body.extend_from_slice(&piece);
        if body.len() > LONGEST {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "at most 4096 bytes\n"));
        }
    }
    match serde_json::from_slice(&body) {
        Ok(Order { state }) => Ok(match state {
            Ordered::Passing => Some(Forced::Passing),
            Ordered::Rejecting => Some(Forced::Rejecting),
            Ordered::Auto => None,
        }),
        Err(_) => {
            let why = "expected {\"state\": \"passing\"}, \"rejecting\" or \"auto\"\n";
            Err((StatusCode::BAD_REQUEST, why))
        }
    }
}
