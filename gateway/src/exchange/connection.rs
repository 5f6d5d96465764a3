//! A connection to a server and the one exchange it carries at a time.
//!
//! ```text
//! idle ──start──► head ──final head──► body ──last byte──► done ──start──► head …
//!                  └── any error ──────┴──► failed
//! ```
//! The request is written and the answer read at the same time, so an answer that comes before the request is complete
//! (413 and close, a refusal without reading) is delivered. A failed write alone is not an error: the server may have
//! answered before it stopped reading. Only when no answer is there either does the exchange fail.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::answer::{self, AnswerHead};
use super::body::Decoder;
use super::framing::Persistence;
use super::head::{AskedToClose, HeadWriter, RequestBody};
use super::lines::LineScan;
use super::outbox::Outbox;
use super::request::Unqueued;
use super::{AnswerBody, Ending, ExchangeError, Limits, Malformed, Part, RequestFault};

/// What a read asks for at least and at most. A read that fills its buffer doubles it. A new exchange begins with as much as the answer
/// before it had: one server's answers are mostly of one size, and one that comes in one piece is read, and passed on, in one.
const READ_BYTES: std::ops::RangeInclusive<usize> = 8 * 1024..=64 * 1024;

/// Request body that may wait to be written before [`Connection::can_queue`] says no.
const QUEUE_BYTES: usize = 64 * 1024;

/// A connection over any byte stream. It connects to nothing and knows no time: both are the caller's.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    limits: Limits,
    input: BytesMut,
    read_bytes: usize,
    /// What was read in this exchange, and in the one before it.
    answer_bytes: usize,
    expected: usize,
    output: Outbox,
    written: u64,
    written_before: u64,
    request: Unqueued,
    phase: Phase,
    scan: LineScan,
    to_head: bool,
    interims: u32,
    body: AnswerBody,
    decoder: Decoder,
    trailers: Option<Box<HeaderMap>>,
    persistence: Persistence,
    exchanges: u64,
    /// Found in the buffer while handing out what came before it.
    fault: Option<Malformed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Head,
    Body,
    Done,
    Failed,
}

/// The next thing to happen in an exchange.
#[derive(Debug)]
pub enum Progress {
    /// Everything queued is written and the request body is not finished: queue more. Told once for each time.
    Room,
    /// A 1xx answer; the final one follows.
    Interim(AnswerHead),
    /// The final answer's head.
    Answer(AnswerHead),
    /// Content of the answer.
    Piece(Bytes),
    /// The answer is complete.
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection over a stream that is connected and has carried nothing.
    pub fn new(stream: S) -> Self {
        Self::with_limits(stream, Limits::default())
    }

    /// The same with other limits.
    pub fn with_limits(stream: S, limits: Limits) -> Self {
        Self {
            stream,
            limits,
            input: BytesMut::new(),
            read_bytes: *READ_BYTES.start(),
            answer_bytes: 0,
            expected: 0,
            output: Outbox::default(),
            written: 0,
            written_before: 0,
            request: Unqueued::Nothing,
            phase: Phase::Idle,
            scan: LineScan::default(),
            to_head: false,
            interims: 0,
            body: AnswerBody::Empty,
            decoder: Decoder::Done,
            trailers: None,
            persistence: Persistence {
                keep: true,
                kept_for: None,
            },
            exchanges: 0,
            fault: None,
        }
    }

    /// Begins an exchange: `fields` writes the request's fields, `Host` among them. Nothing is sent before
    /// [`progress`](Self::progress), so a small body queued right away leaves with the head in one write.
    ///
    /// Fails without a trace when the head must not be sent, and with `OutOfOrder` when the last exchange left the
    /// connection unusable. A connection that was kept is to be [`quiet`](Self::quiet) just before.
    pub fn start(
        &mut self,
        method: &Method,
        target: &[u8],
        body: RequestBody,
        fields: impl FnOnce(&mut HeadWriter<'_>) -> Result<(), RequestFault>,
    ) -> Result<(), RequestFault> {
        if !self.reusable() {
            return Err(RequestFault::OutOfOrder);
        }
        let written = HeadWriter::begin(self.output.text(), method, target).and_then(|mut head| {
            fields(&mut head)?;
            Ok(head.finish(body))
        });
        let AskedToClose(closes) = written.inspect_err(|_| self.output.clear())?;
        self.request = Unqueued::new(body);
        self.phase = Phase::Head;
        self.to_head = method == Method::HEAD;
        self.interims = 0;
        self.body = AnswerBody::Empty;
        self.written_before += std::mem::take(&mut self.written);
        self.trailers = None;
        self.persistence = Persistence {
            keep: !closes,
            kept_for: None,
        };
        self.expected = std::mem::take(&mut self.answer_bytes);
        self.read_bytes = (self.expected + 1).clamp(*READ_BYTES.start(), *READ_BYTES.end());
        self.exchanges += 1;
        Ok(())
    }

    /// Adds a piece of the request body; large ones are not copied. Fails when it is longer than announced; the
    /// connection is over then. An empty piece adds nothing. After a failed write the piece is dropped in silence: the
    /// answer, if any, is what counts then.
    pub fn queue_body(&mut self, piece: Bytes) -> Result<(), RequestFault> {
        let queued = self.request.queue(piece, &mut self.output);
        queued.inspect_err(|_| self.fail())
    }

    /// Ends the request body (without trailers). Fails when fewer bytes than announced were queued: the request can then
    /// not be completed and the connection is over.
    pub fn finish_body(&mut self) -> Result<(), RequestFault> {
        let finished = self.request.finish(&mut self.output);
        finished.inspect_err(|_| self.fail())
    }

    /// Everything queued so far is written.
    pub fn is_flushed(&self) -> bool {
        self.output.is_empty()
    }

    /// The request body is unfinished and less than 64 KiB of it wait to be written.
    pub fn can_queue(&self) -> bool {
        self.request.unfinished() && self.output.pending() < QUEUE_BYTES
    }

    /// Drives the exchange both ways until something happens. Cancel safe. May be waited for next to the client's body:
    /// whoever is first, nothing is lost. After the end it returns [`Progress::End`] again.
    pub async fn progress(&mut self) -> Result<Progress, ExchangeError> {
        poll_fn(|cx| self.poll_progress(cx)).await
    }

    /// [`progress`](Self::progress) for callers that poll.
    pub fn poll_progress(&mut self, cx: &mut Context<'_>) -> Poll<Result<Progress, ExchangeError>> {
        match self.phase {
            Phase::Head | Phase::Body => self.poll_write(cx),
            Phase::Done => return Poll::Ready(Ok(Progress::End)),
            Phase::Idle | Phase::Failed => return Poll::Ready(Err(RequestFault::OutOfOrder.into())),
        }
        if let Poll::Ready(step) = self.poll_answer(cx) {
            return Poll::Ready(step);
        }
        if self.request.tell_room(&self.output) {
            return Poll::Ready(Ok(Progress::Room));
        }
        Poll::Pending
    }

    /// The next piece of the answer's body, `None` at its end. Cancel safe. What is queued of the request goes on being
    /// written meanwhile. Only after the answer's head.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ExchangeError> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// [`chunk`](Self::chunk) for callers that poll.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ExchangeError>> {
        match self.phase {
            Phase::Done => return Poll::Ready(Ok(None)),
            Phase::Body => self.poll_write(cx),
            _ => return Poll::Ready(Err(RequestFault::OutOfOrder.into())),
        }
        Poll::Ready(match ready!(self.poll_answer(cx))? {
            Progress::Piece(piece) => Ok(Some(piece)),
            _ => Ok(None),
        })
    }

    /// A piece of the answer's body that is already here, without waiting. `None`: the body is complete if
    /// [`is_complete`](Self::is_complete), else [`chunk`](Self::chunk) has to wait for more.
    pub fn ready_chunk(&mut self) -> Result<Option<Bytes>, ExchangeError> {
        if self.phase != Phase::Body {
            return Ok(None);
        }
        match self.buffered() {
            Ok(Some(Progress::Piece(piece))) => Ok(Some(piece)),
            Ok(_) => Ok(None),
            Err(what) => Err(self.failed(what.into())),
        }
    }

    /// The whole answer was handed out. True together with the last piece, except where only the end of the connection
    /// or framing not yet here can tell.
    pub fn is_complete(&self) -> bool {
        self.phase == Phase::Done
    }

    /// How the current answer's body is framed; `Empty` before its head.
    pub fn body_length(&self) -> AnswerBody {
        self.body
    }

    /// The trailers of a complete chunked answer, without fields that have no place there.
    pub fn trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take().map(|trailers| *trailers)
    }

    /// Another exchange may follow: the request is fully written, the answer fully handed out, both sides want to keep
    /// the connection, and nothing came after the answer. True of a connection that has carried nothing.
    pub fn reusable(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Done)
            && self.request == Unqueued::Nothing
            && self.output.is_empty()
            && self.persistence.keep
            && self.input.is_empty()
    }

    /// An idle connection that has nothing to say, as it should: no surplus bytes, not closed. Costs no system call on a
    /// tokio stream when nothing happened, since a read that took everything left it marked "not ready".
    pub fn quiet(&mut self) -> bool {
        if !self.reusable() {
            return false;
        }
        let mut byte = [0; 1];
        let mut byte = ReadBuf::new(&mut byte);
        let read = poll_fn(|cx| Pin::new(&mut self.stream).poll_read(cx, &mut byte));
        // Out of its task's budget tokio would answer "pending", which means nothing here.
        let read = pin!(tokio::task::unconstrained(read));
        let quiet = read.poll(&mut Context::from_waker(Waker::noop())).is_pending();
        if !quiet {
            self.fail();
        }
        quiet
    }

    /// How long the server said it keeps an idle connection (`Keep-Alive: timeout`).
    pub fn kept_for(&self) -> Option<Duration> {
        self.persistence.kept_for
    }

    /// Exchanges begun on this connection.
    pub fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// Bytes handed to the stream in the exchanges before the current one.
    pub fn written_before(&self) -> u64 {
        self.written_before
    }

    /// The stream, for its addresses.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Releases what a large answer made the read buffer grow to.
    pub(super) fn shrink(&mut self) {
        if self.input.capacity() > 2 * READ_BYTES.start() {
            self.input = BytesMut::new();
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) {
        if self.output.is_empty() || self.request == Unqueued::Refused {
            return;
        }
        if let Poll::Ready(Err(_)) = self.output.poll_send(&mut self.stream, cx, &mut self.written) {
            self.output.clear();
            self.request = Unqueued::Refused;
            self.persistence.keep = false;
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Progress, ExchangeError>> {
        loop {
            match self.buffered() {
                Ok(Some(step)) => return Poll::Ready(Ok(step)),
                Ok(None) => {}
                Err(what) => return Poll::Ready(Err(self.failed(what.into()))),
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) if self.phase == Phase::Body && self.decoder.end_of_stream() => {
                    self.phase = Phase::Done;
                    self.persistence.keep = false;
                }
                Ok(0) => return Poll::Ready(Err(self.cut(Ending::Closed))),
                Ok(_) => {}
                Err(error) => {
                    let error = match Ending::of(&error) {
                        Some(how) => self.cut(how),
                        None => self.failed(error.into()),
                    };
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    /// Reads once into the buffer. The room offered is large, so that an ordinary answer does not fill it.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let least = match self.answer_bytes {
            0 => self.expected.min(self.read_bytes - 1).max(self.read_bytes / 2),
            _ => self.read_bytes / 2,
        };
        if self.input.capacity() - self.input.len() <= least {
            self.input.reserve(self.read_bytes);
        }
        let room = self.input.capacity() - self.input.len();
        let count = ready!(pin!(self.stream.read_buf(&mut self.input)).poll(cx))?;
        self.answer_bytes = self.answer_bytes.saturating_add(count);
        if count == room {
            self.read_bytes = (self.read_bytes * 2).min(*READ_BYTES.end());
        }
        Poll::Ready(Ok(count))
    }

    /// What the buffered bytes amount to, `None` when more are needed.
    fn buffered(&mut self) -> Result<Option<Progress>, Malformed> {
        match self.phase {
            Phase::Head => self.buffered_head(),
            Phase::Body => self.buffered_body(),
            Phase::Done => Ok(Some(Progress::End)),
            Phase::Idle | Phase::Failed => Ok(None),
        }
    }

    fn buffered_head(&mut self) -> Result<Option<Progress>, Malformed> {
        if !answer::starts_like_http(&self.input) {
            return Err(Malformed::NotHttp);
        }
        let end = self
            .scan
            .end(&self.input, self.limits.head_bytes, Malformed::HeadTooLong)?;
        let Some(end) = end else { return Ok(None) };
        let text = self.input.split_to(end).freeze();
        let (head, persistence) = answer::parse(&text, self.to_head, &self.limits)?;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Malformed::Switched);
        }
        if head.status.is_informational() {
            self.interims += 1;
            if self.interims > self.limits.interims {
                return Err(Malformed::TooManyInterims);
            }
            return Ok(Some(Progress::Interim(head)));
        }
        self.persistence = Persistence {
            keep: self.persistence.keep && persistence.keep,
            ..persistence
        };
        self.body = head.body;
        self.decoder = Decoder::new(head.body);
        self.phase = if self.decoder.done() {
            Phase::Done
        } else {
            Phase::Body
        };
        Ok(Some(Progress::Answer(head)))
    }

    fn buffered_body(&mut self) -> Result<Option<Progress>, Malformed> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        self.settle()?;
        if self.phase == Phase::Done {
            return Ok(Some(Progress::End));
        }
        let Some(piece) = self.decoder.piece(&mut self.input) else {
            return Ok(None);
        };
        // What follows the piece tells whether it is the last; if it is wrong, the piece was right all the same.
        self.fault = self.settle().err();
        Ok(Some(Progress::Piece(piece)))
    }

    fn settle(&mut self) -> Result<(), Malformed> {
        if let Some(trailers) = self.decoder.settle(&mut self.input, &self.limits)? {
            self.trailers = Some(trailers);
        }
        if self.decoder.done() {
            self.phase = Phase::Done;
        }
        Ok(())
    }

    /// The error for a connection that the server ended.
    fn cut(&mut self, how: Ending) -> ExchangeError {
        let error = match self.phase {
            Phase::Idle | Phase::Failed => RequestFault::OutOfOrder.into(),
            Phase::Head if self.input.is_empty() && self.interims == 0 => ExchangeError::Unanswered {
                reused: self.exchanges > 1,
                written: self.written,
                how,
            },
            Phase::Head => ExchangeError::Truncated {
                part: Part::Head,
                how,
            },
            Phase::Body | Phase::Done => ExchangeError::Truncated {
                part: Part::Body,
                how,
            },
        };
        self.failed(error)
    }

    fn failed(&mut self, error: ExchangeError) -> ExchangeError {
        self.fail();
        error
    }

    fn fail(&mut self) {
        self.phase = Phase::Failed;
        self.request = Unqueued::Refused;
        self.persistence.keep = false;
        self.output.clear();
    }
}
