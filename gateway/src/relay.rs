//! Passes a server's answer on to the client, piece by piece: nothing is read ahead of what the client takes.

use bytes::Bytes;
use http::{HeaderValue, Version, header};
use pingora::{Error, ErrorType};
use pingora_core::protocols::http::HttpTask;
use pingora_http::ResponseHeader;
use tokio::select;

use crate::{
    attempts::{Answered, ClientBody, Deadline, RequestSource},
    clock::Moment,
    exchange::{AnswerBody, ExchangeError},
};

/// How an answer got to the client.
#[derive(Debug)]
pub(crate) enum Relayed {
    /// Whole, and when.
    Whole(Moment),
    /// The server broke it off, or took too long in the middle: the client must see that it is incomplete.
    Cut,
    /// The client went away.
    ClientGone,
}

/// The head that goes to the client: what the server said, framed for the client's connection.
pub(crate) fn head_for(answered: &mut Answered, client: &ClientBody<'_>) -> ResponseHeader {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = answered.head.status;
    parts.headers = std::mem::take(&mut answered.head.headers);
    let mut response = ResponseHeader::from(parts);
    let streamed = matches!(answered.head.body, AnswerBody::Chunked | AnswerBody::UntilClose);
    if streamed && client.session.req_header().version == Version::HTTP_11 {
        let _ = response.insert_header(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    response
}

/// Sends the head and then the body.
pub(crate) async fn relay(
    mut answered: Answered,
    response: ResponseHeader,
    client: &mut ClientBody<'_>,
    deadline: Deadline,
    idle: std::time::Duration,
) -> Relayed {
    let session = client.session.as_downstream_mut();
    let streamed = matches!(answered.head.body, AnswerBody::Chunked | AnswerBody::UntilClose);
    if streamed && session.req_header().version == Version::HTTP_10 {
        // Only the end of the connection can end such a body for this client, and it must not be told otherwise.
        session.set_keepalive(None);
    }
    let head = session.write_response_header(Box::new(response));
    if !matches!(deadline.wait(idle, head).await, Ok(Ok(()))) {
        return Relayed::ClientGone;
    }
    loop {
        let (piece, last) = match answered.connection.ready_chunk() {
            Ok(Some(piece)) => (piece, answered.connection.is_complete()),
            Ok(None) if answered.connection.is_complete() => (Bytes::new(), true),
            Ok(None) => {
                let known = matches!(answered.head.body, AnswerBody::Length(_));
                if known && deadline.wait(idle, flush(client)).await != Ok(Flush::Done) {
                    return Relayed::ClientGone;
                }
                match deadline.wait(idle, next(&mut answered, client)).await {
                    Ok(Next::Piece(piece)) => (piece, false),
                    Ok(Next::Again) => continue,
                    Ok(Next::ClientGone) => return Relayed::ClientGone,
                    Ok(Next::Broken(error)) => return cut(answered, &error),
                    Err(_) => {
                        answered.fail();
                        return Relayed::Cut;
                    }
                }
            }
            Err(error) => return cut(answered, &error),
        };
        let written = client
            .session
            .as_downstream_mut()
            .write_response_body(piece, last);
        let written = matches!(deadline.wait(idle, written).await, Ok(Ok(())));
        if !last && written {
            continue;
        }
        let ended = last.then(|| answered.finish());
        return match ended {
            Some(at) if written => Relayed::Whole(at),
            _ => Relayed::ClientGone,
        };
    }
}

fn cut(answered: Answered, error: &ExchangeError) -> Relayed {
    log::debug!("{}: {error}", answered.server().id());
    answered.fail();
    Relayed::Cut
}

enum Next {
    Piece(Bytes),
    /// Something moved; look again.
    Again,
    ClientGone,
    Broken(ExchangeError),
}

/// Whether what was held back has been sent.
#[derive(Debug, PartialEq, Eq)]
enum Flush {
    Done,
    Failed,
}

/// Sends what the engine holds back: the head and small pieces of an answer whose length is known. The client shall have them before
/// we wait. The engine has no call for that but this: a batch of tasks that ends in a failure is flushed, and the failure is handed back.
async fn flush(client: &mut ClientBody<'_>) -> Flush {
    const FLUSHED: ErrorType = ErrorType::Custom("flushed");
    let tasks = vec![HttpTask::Body(None, false), HttpTask::Failed(Error::new(FLUSHED))];
    let ended = client
        .session
        .as_downstream_mut()
        .response_duplex_vec(tasks)
        .await;
    match ended {
        Err(error) if *error.etype() == FLUSHED => Flush::Done,
        _ => Flush::Failed,
    }
}

/// Waits for more of the answer. What is left of the request's body goes on meanwhile: a server may answer as it reads.
async fn next(answered: &mut Answered, client: &mut ClientBody<'_>) -> Next {
    let connection = &mut answered.connection;
    let listens = client.is_finished() || connection.can_queue();
    let piece = select! {
        biased;
        chunk = connection.chunk() => {
            return match chunk {
                Ok(Some(piece)) => Next::Piece(piece),
                Ok(None) => Next::Again,
                Err(error) => Next::Broken(error),
            };
        }
        piece = client.next(), if listens => piece,
    };
    let Ok(piece) = piece else { return Next::ClientGone };
    let queued = piece.map_or(Ok(()), |piece| connection.queue_body(piece));
    let ended = if client.is_finished() {
        queued.and_then(|()| connection.finish_body())
    } else {
        queued
    };
    // A body of another length than announced is the client's doing.
    ended.map_or_else(|_| Next::ClientGone, |()| Next::Again)
}
