//! Where a request's body comes from: the client, or a copy. Bodies of up to 64 KiB can be sent again.

use bytes::Bytes;
use http::{Method, header};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use crate::exchange::{AnswerHead, RequestBody};

/// The largest body that is kept for another attempt.
pub(crate) const REPLAYABLE_BYTES: usize = 64 * 1024;

/// What can go wrong on the client's side of a request. None of it is the server's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientFault {
    /// It closed the connection.
    Gone,
    /// It sends its body too slowly.
    Slow,
    /// Its body is no HTTP.
    Malformed,
}

/// Gives a request's body piece by piece.
pub(crate) trait RequestSource: Send {
    /// The request's method.
    fn method(&self) -> &Method;

    /// How the body is framed towards the server.
    fn framing(&self) -> RequestBody;

    /// The pieces given so far; to be asked only while [`Self::is_replayable`].
    fn sent(&self) -> &[Bytes];

    /// Whether everything given so far is still here to be given again.
    fn is_replayable(&self) -> bool;

    /// Whether the whole body has been given.
    fn is_finished(&self) -> bool;

    /// The next piece, `None` at the end. Once finished, waits for ever, or until the client is gone. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, ClientFault>> + Send;

    /// Waits for ever, or until the client is gone. What it sends meanwhile (the rest of a body nobody reads, its next request) says
    /// that it is there.
    fn gone(&mut self) -> impl Future<Output = ()> + Send {
        async { while self.next().await.is_ok() {} }
    }

    /// Passes a 1xx answer on.
    fn interim(&mut self, head: AnswerHead) -> impl Future<Output = Result<(), ClientFault>> + Send;
}

/// The body that a client sends.
pub(crate) struct ClientBody<'s> {
    pub(crate) session: &'s mut Session,
    framing: RequestBody,
    kept: Kept,
    finished: bool,
}

/// What was sent, as long as it can be sent again.
enum Kept {
    Pieces(Vec<Bytes>, usize),
    TooMuch,
}

impl<'s> ClientBody<'s> {
    pub(crate) fn new(session: &'s mut Session) -> Self {
        let framing = framing_of(session);
        let finished = matches!(framing, RequestBody::None | RequestBody::Length(0));
        Self {
            session,
            framing,
            kept: Kept::Pieces(Vec::new(), 0),
            finished,
        }
    }

    /// The whole body, if it was read to its end and is small enough to be kept.
    pub(crate) fn copy(&self) -> Option<CopiedBody> {
        match &self.kept {
            Kept::Pieces(pieces, _) if self.finished => Some(CopiedBody {
                method: self.method().clone(),
                framing: self.framing,
                pieces: pieces.clone(),
                finished: true,
            }),
            _ => None,
        }
    }

    fn keep(&mut self, piece: &Bytes) {
        if let Kept::Pieces(pieces, length) = &mut self.kept {
            *length += piece.len();
            if *length <= REPLAYABLE_BYTES {
                pieces.push(piece.clone());
            } else {
                self.kept = Kept::TooMuch;
            }
        }
    }
}

/// The engine has refused conflicting lengths by now.
fn framing_of(session: &mut Session) -> RequestBody {
    if session.as_downstream_mut().is_body_empty() {
        return RequestBody::None;
    }
    let headers = &session.req_header().headers;
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    match length {
        Some(length) if !headers.contains_key(header::TRANSFER_ENCODING) => RequestBody::Length(length),
        _ => RequestBody::Chunked,
    }
}

impl RequestSource for ClientBody<'_> {
    fn method(&self) -> &Method {
        &self.session.req_header().method
    }

    fn framing(&self) -> RequestBody {
        self.framing
    }

    fn sent(&self) -> &[Bytes] {
        match &self.kept {
            Kept::Pieces(pieces, _) => pieces,
            Kept::TooMuch => &[],
        }
    }

    fn is_replayable(&self) -> bool {
        matches!(self.kept, Kept::Pieces(..))
    }

    fn is_finished(&self) -> bool {
        self.finished
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ClientFault> {
        let piece = self
            .session
            .as_downstream_mut()
            .read_body_or_idle(self.finished)
            .await;
        match piece {
            Ok(Some(piece)) => {
                self.keep(&piece);
                if self.session.as_downstream_mut().is_body_done() {
                    self.finished = true;
                }
                Ok(Some(piece))
            }
            Ok(None) => {
                self.finished = true;
                Ok(None)
            }
            Err(error) => Err(fault_of(&error)),
        }
    }

    async fn interim(&mut self, head: AnswerHead) -> Result<(), ClientFault> {
        if self.session.req_header().version < http::Version::HTTP_11 {
            return Ok(());
        }
        let Ok(mut response) = ResponseHeader::build_no_case(head.status, Some(head.headers.len())) else {
            return Ok(());
        };
        for (name, value) in &head.headers {
            let _ = response.append_header(name.clone(), value.clone());
        }
        let written = self
            .session
            .as_downstream_mut()
            .write_response_header(Box::new(response))
            .await;
        written.map_err(|_| ClientFault::Gone)
    }
}

fn fault_of(error: &pingora::Error) -> ClientFault {
    use pingora::ErrorType::{ConnectionClosed, InvalidHTTPHeader, ReadError, ReadTimedout};
    match error.etype() {
        ReadTimedout => ClientFault::Slow,
        ConnectionClosed | ReadError => ClientFault::Gone,
        InvalidHTTPHeader => ClientFault::Malformed,
        _ => ClientFault::Malformed,
    }
}

/// A copy of a whole body; nobody waits for the answer.
#[derive(Clone, Debug)]
pub(crate) struct CopiedBody {
    method: Method,
    framing: RequestBody,
    pieces: Vec<Bytes>,
    finished: bool,
}

impl CopiedBody {
    /// A body that is wholly here, if there is one.
    pub(crate) fn new(method: Method, body: Option<Bytes>) -> Self {
        Self {
            framing: match &body {
                None => RequestBody::None,
                Some(body) => RequestBody::Length(body.len() as u64),
            },
            pieces: body.into_iter().filter(|body| !body.is_empty()).collect(),
            method,
            finished: true,
        }
    }
}

impl RequestSource for CopiedBody {
    fn method(&self) -> &Method {
        &self.method
    }

    fn framing(&self) -> RequestBody {
        self.framing
    }

    fn sent(&self) -> &[Bytes] {
        &self.pieces
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn is_finished(&self) -> bool {
        self.finished
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ClientFault> {
        std::future::pending().await
    }

    async fn interim(&mut self, _: AnswerHead) -> Result<(), ClientFault> {
        Ok(())
    }
}
