//! One attempt at one address: a connection, the request, the answer's head.

use std::{
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::FutureExt;
use pingora_core::protocols::l4::ext::get_tcp_info;
use tokio::{net::TcpStream, select};

use super::{Call, Failure, RequestSource, Start, deadline::TooLate, leave::may_repeat};
use crate::{
    attempts::ClientFault,
    cluster::Endpoint,
    exchange::{AnswerHead, Connection, Ending, ExchangeError, Progress, RequestFault},
};

/// Sends the request over a kept connection, or a new one, and waits for the answer's head. Also tells how long the server took for
/// it: from `now`, or from the end of the client's body if that was still on its way, since a client that uploads slowly does not
/// make a server slow.
///
/// A kept connection that the server had given up before any byte of an answer is replaced once by a new one: always if nothing of
/// the request was sent or has arrived, else only if the request may be repeated. Requests that may not are sent over kept connections
/// only where that is unlikely to happen (see [`Pool::take_sure`](crate::exchange::Pool::take_sure)).
pub(super) async fn attempt<S: RequestSource>(
    call: &Call<'_>,
    endpoint: &Endpoint,
    source: &mut S,
    start: &impl Start<S>,
    now: Instant,
) -> Result<(AnswerHead, Box<Connection<TcpStream>>, Duration), Failure> {
    let repeatable = may_repeat(call, source);
    let kept = if repeatable {
        endpoint.kept(now.into())
    } else {
        endpoint.kept_surely(now.into())
    };
    if let Some(mut kept) = kept {
        match exchange(call, &mut kept, source, start).await {
            Ok((head, uploaded)) => return Ok((head, kept, uploaded.unwrap_or(now).elapsed())),
            Err(Failure::Exchange(error)) if error.stale() => {
                endpoint.note_hasty(now.into());
                let unseen = repeatable || error.nothing_sent() || never_arrived(&kept, &error);
                if !(unseen && source.is_replayable()) {
                    return Err(Failure::Exchange(error));
                }
            }
            Err(failure) => return Err(failure),
        }
    }
    let mut fresh = Box::new(connect(call, endpoint).await?);
    let (head, uploaded) = exchange(call, &mut fresh, source, start).await?;
    Ok((head, fresh, uploaded.unwrap_or(now).elapsed()))
}

/// Whether nothing of the request had reached the server when it closed the connection.
///
/// A close crosses a request on its way, however short before sending one looks. The segment that told us of the close (FIN) also says
/// how much had arrived by then (RFC 9293 §3.4), and what arrives at a closed socket is never read. So if all that was ever acknowledged
/// are the requests before this one, nobody has seen this one. A reset proves nothing of the kind, since it may overtake the
/// acknowledgement of what was read. A server that closes only its sending half (which says that it will answer no more) and goes on to
/// execute what it then reads would be asked twice; none is known.
///
/// Needs Linux 6.2; on others, and wherever the numbers do not fit exactly, it is false. Costs one system call, and only here.
fn never_arrived(kept: &Connection<TcpStream>, error: &ExchangeError) -> bool {
    let closed = matches!(
        error,
        ExchangeError::Unanswered {
            how: Ending::Closed,
            ..
        }
    );
    closed
        && get_tcp_info(kept.stream().as_raw_fd()).is_ok_and(|info| {
            let before = kept.written_before();
            // The kernel counts the SYN as one more.
            (before..=before + 1).contains(&info.tcpi_bytes_acked)
        })
}

async fn connect(call: &Call<'_>, endpoint: &Endpoint) -> Result<Connection<TcpStream>, Failure> {
    match call
        .deadline
        .wait(
            call.upstream.timeouts.connect.get(),
            TcpStream::connect(endpoint.address),
        )
        .await
    {
        Err(TooLate) => Err(Failure::ConnectTimeout),
        Ok(Err(error)) => {
            log::debug!("{}: {error}", endpoint.address);
            Err(Failure::Connect)
        }
        Ok(Ok(stream)) => {
            // Without it small writes would wait for the server's acknowledgements (Nagle).
            let _ = stream.set_nodelay(true);
            Ok(Connection::new(stream))
        }
    }
}

/// The answer's head, and when the client's body came to its end if that was awaited.
async fn exchange<S: RequestSource>(
    call: &Call<'_>,
    connection: &mut Connection<TcpStream>,
    source: &mut S,
    start: &impl Start<S>,
) -> Result<(AnswerHead, Option<Instant>), Failure> {
    start(source, connection, source.framing()).map_err(|fault| Failure::Exchange(fault.into()))?;
    for piece in source.sent() {
        connection.queue_body(piece.clone()).map_err(request_fault)?;
    }
    if source.is_finished() {
        connection.finish_body().map_err(request_fault)?;
    } else if let Some(piece) = source.next().now_or_never() {
        // What came along with the client's head leaves along with ours.
        queue(connection, source, piece.map_err(Failure::Client)?)?;
    }
    let mut uploaded = None;
    loop {
        // While the body is on its way every step has the idle time, after it the answer has the time to its first byte.
        let uploading = !source.is_finished();
        let longest = if uploading {
            call.upstream.timeouts.idle
        } else {
            call.upstream.timeouts.first_byte
        };
        let wants_body = !uploading || connection.can_queue();
        let step = call.deadline.wait(longest.get(), async {
            select! {
                biased;
                progress = connection.progress() => Step::Server(progress),
                piece = source.next(), if wants_body => Step::Client(piece),
            }
        });
        match step.await {
            Err(TooLate) if uploading && wants_body && connection.is_flushed() => {
                return Err(Failure::Client(ClientFault::Slow));
            }
            Err(TooLate) => return Err(Failure::Timeout),
            Ok(Step::Server(Ok(Progress::Answer(head)))) => {
                // Answered before the body has come: the server was waiting, not we for it.
                let still_uploading = !source.is_finished();
                return Ok((head, uploaded.or_else(|| still_uploading.then(Instant::now))));
            }
            Ok(Step::Server(Ok(Progress::Interim(head)))) => {
                source.interim(head).await.map_err(Failure::Client)?;
            }
            Ok(Step::Server(Ok(Progress::Room | Progress::Piece(_) | Progress::End))) => {}
            Ok(Step::Server(Err(error))) => return Err(Failure::Exchange(error)),
            Ok(Step::Client(Ok(piece))) => {
                queue(connection, source, piece)?;
                uploaded = source.is_finished().then(Instant::now);
            }
            Ok(Step::Client(Err(fault))) => return Err(Failure::Client(fault)),
        }
    }
}

/// Queues what the client sent of its body.
fn queue<S: RequestSource>(
    connection: &mut Connection<TcpStream>,
    source: &S,
    piece: Option<Bytes>,
) -> Result<(), Failure> {
    let queued = piece.map_or(Ok(()), |piece| connection.queue_body(piece));
    let ended = match source.is_finished() {
        true => queued.and_then(|()| connection.finish_body()),
        false => queued,
    };
    ended.map_err(request_fault)
}

/// What happened first.
enum Step {
    Server(Result<Progress, ExchangeError>),
    Client(Result<Option<Bytes>, ClientFault>),
}

/// The client's body does not have the length it announced.
fn request_fault(fault: RequestFault) -> Failure {
    log::debug!("a request body that cannot be forwarded: {fault}");
    Failure::Client(ClientFault::Malformed)
}
