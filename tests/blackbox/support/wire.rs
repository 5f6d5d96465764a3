//! HTTP/1.1 as both ends of a test read it: heads, framing, bodies. Strict where a test should notice, and
//! never silent: what is wrong comes back as text that says so.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{Received, Response};

/// How long any single wait may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// A stream and what was read from it and not yet used; shared by client and backend.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    pub(super) unread: BytesMut,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            unread: BytesMut::with_capacity(8192),
        }
    }

    /// Reads some more; `UnexpectedEof` at the end.
    pub(super) async fn fill(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.unread).await? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "closed by the other side",
            )),
            _ => Ok(()),
        }
    }

    /// The next request's head; `None` when the connection ended between requests.
    pub(super) async fn request_head(&mut self) -> Result<Option<Received>, String> {
        loop {
            let mut space = [httparse::EMPTY_HEADER; 256];
            let mut head = httparse::Request::new(&mut space);
            match head.parse(&self.unread) {
                Ok(httparse::Status::Complete(length)) => {
                    let request = Received {
                        method: head.method.unwrap_or_default().to_owned(),
                        target: head.path.unwrap_or_default().to_owned(),
                        headers: owned(head.headers),
                        ..Received::default()
                    };
                    self.unread.advance(length);
                    return Ok(Some(request));
                }
                Ok(httparse::Status::Partial) => {}
                Err(error) => return Err(format!("broken head: {error}: {:?}", self.unread)),
            }
            match self.fill().await {
                Ok(()) => {}
                Err(_) if self.unread.is_empty() => return Ok(None),
                Err(error) => return Err(format!("head cut short: {error}: {:?}", self.unread)),
            }
        }
    }

    /// The next answer's head; its body is still to be read.
    pub(super) async fn response_head(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let mut space = [httparse::EMPTY_HEADER; 256];
            let mut head = httparse::Response::new(&mut space);
            match head.parse(&self.unread).map_err(io::Error::other)? {
                httparse::Status::Complete(length) => {
                    let (status, headers) = (head.code.unwrap_or(0), owned(head.headers));
                    let framing = response_framing(method, status, &headers)?;
                    self.unread.advance(length);
                    return Ok(Response {
                        status,
                        headers,
                        body: Vec::new(),
                        framing,
                    });
                }
                httparse::Status::Partial => self.fill().await?,
            }
        }
    }

    /// A whole body. Waits at most ten seconds for each part of it.
    pub(super) async fn body(&mut self, framing: Framing) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        let read = async {
            match framing {
                Framing::Length(length) => self.take(length, &mut body).await?,
                Framing::UntilClose => loop {
                    body.extend_from_slice(&self.unread.split());
                    match patiently(self.fill()).await {
                        Ok(()) => {}
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                        Err(error) => return Err(error),
                    }
                },
                Framing::Chunked => loop {
                    let line = self.line().await?;
                    let digits = line.split(';').next().unwrap_or_default().trim_end();
                    let size =
                        u64::from_str_radix(digits, 16).map_err(|_| bad(format!("chunk size {line:?}")))?;
                    if size == 0 {
                        while !self.line().await?.is_empty() {}
                        break;
                    }
                    self.take(size, &mut body).await?;
                    if !self.line().await?.is_empty() {
                        return Err(bad("chunk longer than its size"));
                    }
                },
            }
            Ok(())
        };
        let result: io::Result<()> = read.await;
        result.map_err(|error| format!("body cut short after {} bytes: {error}", body.len()))?;
        Ok(body)
    }

    async fn take(&mut self, length: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let mut left = usize::try_from(length).map_err(io::Error::other)?;
        while left > 0 {
            if self.unread.is_empty() {
                patiently(self.fill()).await?;
            }
            let here = self.unread.len().min(left);
            into.extend_from_slice(&self.unread.split_to(here));
            left -= here;
        }
        Ok(())
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.unread.split_to(end);
                self.unread.advance(2);
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            patiently(self.fill()).await?;
        }
    }
}

/// How the body of a request ends; `Err` says what is ambiguous.
pub(super) fn request_framing(request: &Received) -> Result<Framing, String> {
    framing(&request.headers)
        .map(|found| found.unwrap_or(Framing::Length(0)))
        .map_err(|error| error.to_string())
}

fn response_framing(method: &str, status: u16, headers: &[(String, String)]) -> io::Result<Framing> {
    if method == "HEAD" || status < 200 || status == 204 || status == 304 {
        return Ok(Framing::Length(0));
    }
    Ok(framing(headers)?.unwrap_or(Framing::UntilClose))
}

fn framing(headers: &[(String, String)]) -> io::Result<Option<Framing>> {
    let all = |wanted: &str| -> Vec<&str> {
        let same = |(name, _): &&(String, String)| name.eq_ignore_ascii_case(wanted);
        headers
            .iter()
            .filter(same)
            .map(|(_, value)| value.as_str())
            .collect()
    };
    match (
        all("transfer-encoding").as_slice(),
        all("content-length").as_slice(),
    ) {
        ([], []) => Ok(None),
        (["chunked"], []) => Ok(Some(Framing::Chunked)),
        ([], [length]) => length
            .parse()
            .map(|n| Some(Framing::Length(n)))
            .map_err(|_| bad("content-length")),
        _ => Err(bad(format!("ambiguous framing: {headers:?}"))),
    }
}

fn owned(headers: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    let owned = |header: &httparse::Header<'_>| {
        (
            header.name.to_owned(),
            String::from_utf8_lossy(header.value).into_owned(),
        )
    };
    headers.iter().map(owned).collect()
}

fn bad(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// Waits ten seconds at most.
pub(super) async fn patiently<T>(io: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("nothing within {PATIENCE:?}"));
    tokio::time::timeout(PATIENCE, io)
        .await
        .unwrap_or_else(|_| Err(late()))
}
