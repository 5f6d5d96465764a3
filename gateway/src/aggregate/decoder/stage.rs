//! One content coding being undone: a pure step from coded to decoded bytes, on top of zlib-ng and brotli.

use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, enc::StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};

use super::super::content::ContentFault;

/// The largest deflate window, which every deflate stream may use (RFC 1951 §2).
const WINDOW_BITS: u8 = 15;
/// The state of zlib-ng's inflate with its window, rounded up.
const INFLATE_BYTES: usize = 48 << 10;

/// A content coding that can be undone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Gzip,
    Deflate,
    Brotli,
}

impl Format {
    pub(super) fn named(name: &str) -> Result<Self, ContentFault> {
        let known = [
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("br", Self::Brotli),
        ];
        let found = known
            .into_iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known));
        found.map(|(_, format)| format).ok_or(ContentFault::Coding)
    }

    fn open(self, first: u8) -> Result<Stream, ContentFault> {
        match self {
            Self::Gzip => Ok(Stream::Flate(Decompress::new_gzip(WINDOW_BITS))),
            Self::Deflate => Ok(Stream::Flate(Decompress::new(is_zlib(first)))),
            Self::Brotli if has_large_window(first) => Err(ContentFault::TooLarge),
            Self::Brotli => Ok(Stream::Brotli(Box::new(new_brotli()))),
        }
    }
}

/// `deflate` means a zlib stream (RFC 9110 §8.4.1.2), but some servers send a raw one. The first byte of zlib
/// is 0x08 to 0x78 (RFC 1950 §2.2); in a raw stream that is a stored block with set padding bits, which no encoder
/// writes.
fn is_zlib(first: u8) -> bool {
    first & 0x8f == 0x08
}

/// Whether a brotli stream asks for a window of 8 or 16 MiB (RFC 7932 §9.1), which is allocated whole even for a short
/// body. Encoders take 4 MiB at most unless told otherwise; RFC 9659 limits zstd for the same reason.
fn has_large_window(first: u8) -> bool {
    matches!(first & 0x0f, 0x0d | 0x0f)
}

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

/// Strict, because the crate's own readers and writers also take the "large window" extension: 1 GiB for a few bytes.
fn new_brotli() -> Brotli {
    BrotliState::new_strict(
        StandardAlloc::default(),
        StandardAlloc::default(),
        StandardAlloc::default(),
    )
}

/// One coding of a body, and its running stream: there is none before its first byte and after its last one.
pub(super) struct Stage {
    format: Format,
    stream: Option<Stream>,
    ended: bool,
    taken: usize,
}

impl Stage {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            stream: None,
            ended: false,
            taken: 0,
        }
    }

    /// Limits what comes in: with empty blocks a body can go on forever without a byte coming out.
    pub(super) fn count(&mut self, coming: usize, max_bytes: usize) -> Result<(), ContentFault> {
        self.taken = self.taken.saturating_add(coming);
        if self.taken > max_bytes {
            Err(ContentFault::TooLarge)
        } else {
            Ok(())
        }
    }

    /// Decodes from the start of `input` to the start of `output`.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, ContentFault> {
        let mut stream = match (self.stream.take(), input.first()) {
            (Some(stream), _) => stream,
            (None, Some(&first)) => self.open(first)?,
            (None, None) => return Ok(Step::default()),
        };
        let step = stream.step(input, output)?;
        if step.ended {
            self.ended = true;
        } else if step.read == 0 && step.written == 0 && !input.is_empty() {
            return Err(ContentFault::Corrupt);
        } else {
            self.stream = Some(stream);
        }
        Ok(step)
    }

    /// Between the first byte and the last one.
    pub(super) fn is_running(&self) -> bool {
        self.stream.is_some()
    }

    /// Only gzip may go on after its end, with a further member (RFC 1952 §2.2).
    fn open(&self, first: u8) -> Result<Stream, ContentFault> {
        if self.ended && self.format != Format::Gzip {
            return Err(ContentFault::Corrupt);
        }
        self.format.open(first)
    }

    pub(super) fn held(&self) -> usize {
        self.stream.as_ref().map_or(0, Stream::held)
    }
}

/// What one call of a stream did.
#[derive(Default)]
pub(super) struct Step {
    pub(super) read: usize,
    pub(super) written: usize,
    ended: bool,
}

/// A running decompression.
enum Stream {
    Flate(Decompress),
    Brotli(Box<Brotli>),
}

impl Stream {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, ContentFault> {
        match self {
            Self::Flate(state) => step_flate(state, input, output),
            Self::Brotli(state) => step_brotli(state, input, output),
        }
    }

    fn held(&self) -> usize {
        match self {
            Self::Flate(_) => INFLATE_BYTES,
            Self::Brotli(state) => size_of::<Brotli>() + state.ringbuffer_size.unsigned_abs() as usize,
        }
    }
}

fn step_flate(state: &mut Decompress, input: &[u8], output: &mut [u8]) -> Result<Step, ContentFault> {
    let (read, written) = (state.total_in(), state.total_out());
    let status = state
        .decompress(input, output, FlushDecompress::None)
        .map_err(|_| ContentFault::Corrupt)?;
    Ok(Step {
        read: (state.total_in() - read) as usize,
        written: (state.total_out() - written) as usize,
        ended: status == Status::StreamEnd,
    })
}

fn step_brotli(state: &mut Brotli, input: &[u8], output: &mut [u8]) -> Result<Step, ContentFault> {
    let (mut unread, mut read) = (input.len(), 0);
    let (mut room, mut written) = (output.len(), 0);
    let mut total = 0;
    let result = BrotliDecompressStream(
        &mut unread,
        &mut read,
        input,
        &mut room,
        &mut written,
        output,
        &mut total,
        state,
    );
    match result {
        BrotliResult::ResultFailure => Err(ContentFault::Corrupt),
        _ => Ok(Step {
            read,
            written,
            ended: matches!(result, BrotliResult::ResultSuccess),
        }),
    }
}
