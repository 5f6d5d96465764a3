//! A byte stream whose far end is the test itself: it sees what was written and decides what arrives, and when.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The near end, for a connection.
#[derive(Debug, Clone)]
pub(super) struct Wire(Arc<Mutex<State>>);

/// The far end, for the test.
pub(super) type Far = Wire;

#[derive(Debug, Default)]
struct State {
    arriving: VecDeque<Arriving>,
    written: Vec<u8>,
    writes: usize,
    reads: usize,
    /// Bytes that may still be written before the stream is full.
    window: usize,
    broken: bool,
    /// Takes one slice at a time.
    plain: bool,
    dropped: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug)]
enum Arriving {
    Bytes(Bytes),
    End,
    Reset,
}

/// Both ends of a fresh stream.
pub(super) fn wire() -> (Near, Far) {
    let state = Arc::new(Mutex::new(State {
        window: usize::MAX,
        ..State::default()
    }));
    (Near(Wire(state.clone())), Wire(state))
}

/// The near end; tells the far end when it is dropped.
#[derive(Debug)]
pub(super) struct Near(Wire);

impl Drop for Near {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().dropped = true;
    }
}

impl Wire {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock().unwrap();
        change(&mut state);
        for waker in [state.reader.take(), state.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    pub(super) fn send(&self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.change(|state| state.arriving.push_back(Arriving::Bytes(bytes)));
        }
    }

    pub(super) fn end(&self) {
        self.change(|state| state.arriving.push_back(Arriving::End));
    }

    pub(super) fn reset(&self) {
        self.change(|state| state.arriving.push_back(Arriving::Reset));
    }

    /// From here on writing fails.
    pub(super) fn break_writes(&self) {
        self.change(|state| state.broken = true);
    }

    pub(super) fn allow(&self, window: usize) {
        self.change(|state| state.window = window);
    }

    pub(super) fn take_one_slice_at_a_time(&self) {
        self.change(|state| state.plain = true);
    }

    /// What was written since the last call.
    pub(super) fn written(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap().written)
    }

    /// Writes and reads that moved bytes.
    pub(super) fn calls(&self) -> (usize, usize) {
        let state = self.0.lock().unwrap();
        (state.writes, state.reads)
    }

    /// Bytes sent but not read yet.
    pub(super) fn unread(&self) -> usize {
        let state = self.0.lock().unwrap();
        let count = |arriving: &Arriving| match arriving {
            Arriving::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        state.arriving.iter().map(count).sum()
    }

    pub(super) fn dropped(&self) -> bool {
        self.0.lock().unwrap().dropped
    }
}

impl AsyncRead for Near {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.0.lock().unwrap();
        match state.arriving.front_mut() {
            None => {
                state.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Some(Arriving::End) => {}
            Some(Arriving::Reset) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Some(Arriving::Bytes(bytes)) => {
                let count = bytes.len().min(buffer.remaining());
                buffer.put_slice(&bytes[..count]);
                bytes.advance(count);
                if bytes.is_empty() {
                    state.arriving.pop_front();
                }
            }
        }
        state.reads += 1;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Near {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.0.lock().unwrap();
        if state.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.window == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut count = 0;
        for slice in slices {
            let taken = slice.len().min(state.window);
            state.written.extend_from_slice(&slice[..taken]);
            state.window -= taken;
            count += taken;
        }
        state.writes += 1;
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        !self.0.0.lock().unwrap().plain
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
