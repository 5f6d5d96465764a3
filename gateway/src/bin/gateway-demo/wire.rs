//! The server half of HTTP/1.1 as far as a demo service needs it: kept-alive connections, request bodies by
//! `Content-Length` or chunked, `HEAD`, `Expect: 100-continue`.
//!
//! What it refuses: anything ambiguous (both framings, unknown transfer codings, unequal lengths), heads over
//! 16 KiB, upgrades. Of a body the first 64 KiB are kept and the rest is read and dropped, so memory is
//! bounded whatever is sent.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEAD_LIMIT: usize = 16 * 1024;
const LINE_LIMIT: usize = 1024;
const KEPT_BODY: usize = 64 * 1024;
const HEADERS_LIMIT: usize = 100;
/// How long a silent client keeps its connection.
const SILENCE: Duration = Duration::from_secs(75);

/// One request, its body read to the end.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The target up to its `?`.
    pub(crate) path: String,
    pub(crate) query: String,
    headers: Vec<(String, String)>,
    /// The first 64 KiB of the body.
    pub(crate) body: Vec<u8>,
    /// All bytes of the body.
    pub(crate) body_length: u64,
    pub(crate) keep_alive: bool,
}

impl Request {
    /// The first header of this name (given in lower case), if its value is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// What is sent back; the body is always JSON or plain text.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
}

/// A client's connection, with what was read and not yet used.
pub(crate) struct Connection {
    stream: TcpStream,
    unread: BytesMut,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        // A missed option costs milliseconds, not correctness.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            unread: BytesMut::with_capacity(4096),
        }
    }

    /// The next request; `None` when the client closed between requests. `InvalidData` is the client's
    /// mistake and deserves a 400; the connection is of no use after any error.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Request>> {
        let (mut request, framing) = loop {
            if let Some(found) = take_head(&mut self.unread)? {
                break found;
            }
            if self.unread.len() > HEAD_LIMIT {
                return Err(bad("head over 16 KiB"));
            }
            match self.fill().await {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && self.unread.is_empty() => {
                    return Ok(None);
                }
                result => result?,
            }
        };
        let awaits_leave = request
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
        if awaits_leave && self.unread.is_empty() && framing != Framing::Length(0) {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        match framing {
            Framing::Length(length) => self.read_body(&mut request, length).await?,
            Framing::Chunked => self.read_chunks(&mut request).await?,
        }
        Ok(Some(request))
    }

    /// Sends an answer; without its body if the request was a `HEAD`.
    pub(crate) async fn answer(&mut self, answer: &Answer, to: Option<&Request>) -> io::Result<()> {
        let reason = http::StatusCode::from_u16(answer.status)
            .ok()
            .and_then(|s| s.canonical_reason())
            .unwrap_or("Unknown");
        let mut out = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: {}\r\ncontent-length: {}\r\n",
            answer.status,
            answer.content_type,
            answer.body.len()
        );
        for (name, value) in &answer.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        if !to.is_some_and(|request| request.keep_alive) {
            out.push_str("connection: close\r\n");
        }
        out.push_str("\r\n");
        let mut out = out.into_bytes();
        if to.is_none_or(|request| request.method != "HEAD") {
            out.extend_from_slice(&answer.body);
        }
        self.send(&out).await
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        within(self.stream.write_all(bytes)).await
    }

    /// Returns when the client has closed or lost the connection, ignoring what it sends until then.
    pub(crate) async fn until_closed(&mut self) {
        let mut discarded = [0; 4096];
        while matches!(self.stream.read(&mut discarded).await, Ok(n) if n > 0) {}
    }

    async fn fill(&mut self) -> io::Result<()> {
        match within(self.stream.read_buf(&mut self.unread)).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn read_body(&mut self, request: &mut Request, length: u64) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            if self.unread.is_empty() {
                self.fill().await?;
            }
            let here = self.unread.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let room = KEPT_BODY.saturating_sub(request.body.len()).min(here);
            request.body.extend_from_slice(&self.unread[..room]);
            self.unread.advance(here);
            left -= here as u64;
        }
        request.body_length = request.body_length.saturating_add(length);
        Ok(())
    }

    async fn read_chunks(&mut self, request: &mut Request) -> io::Result<()> {
        loop {
            let mut line = self.read_line().await?;
            line.extend_from_slice(b"\r\n");
            let size = match httparse::parse_chunk_size(&line) {
                Ok(httparse::Status::Complete((_, size))) => size,
                _ => return Err(bad("chunk size")),
            };
            if size == 0 {
                break;
            }
            self.read_body(request, size).await?;
            if !self.read_line().await?.is_empty() {
                return Err(bad("chunk longer than its size"));
            }
        }
        for _ in 0..HEADERS_LIMIT {
            if self.read_line().await?.is_empty() {
                return Ok(());
            }
        }
        Err(bad("too many trailers"))
    }

    /// A line without its CR LF.
    async fn read_line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.unread.split_to(end).to_vec();
                self.unread.advance(2);
                return Ok(line);
            }
            if self.unread.len() > LINE_LIMIT {
                return Err(bad("line over 1 KiB"));
            }
            self.fill().await?;
        }
    }
}

/// Takes a whole head off the buffer; `None` while it is incomplete.
fn take_head(unread: &mut BytesMut) -> io::Result<Option<(Request, Framing)>> {
    let mut space = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
    let mut head = httparse::Request::new(&mut space);
    let httparse::Status::Complete(length) = head.parse(unread).map_err(|_| bad("head"))? else {
        return Ok(None);
    };
    let mut headers = Vec::with_capacity(head.headers.len());
    for header in head.headers.iter() {
        let value = String::from_utf8_lossy(header.value).into_owned();
        headers.push((header.name.to_ascii_lowercase(), value));
    }
    let target = head.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let closes = header(&headers, "connection").is_some_and(|value| {
        value
            .split(',')
            .any(|word| word.trim().eq_ignore_ascii_case("close"))
    });
    let framing = framing(&headers)?;
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        keep_alive: head.version == Some(1) && !closes,
        headers,
        body: Vec::new(),
        body_length: 0,
    };
    unread.advance(length);
    Ok(Some((request, framing)))
}

/// RFC 9112 §6, refusing what it calls ambiguous.
fn framing(headers: &[(String, String)]) -> io::Result<Framing> {
    let all = |wanted: &'static str| {
        headers
            .iter()
            .filter(move |(name, _)| name == wanted)
            .map(|(_, value)| value)
    };
    let codings: Vec<_> = all("transfer-encoding").collect();
    let mut lengths = all("content-length");
    let length = lengths.next();
    match (codings.as_slice(), length) {
        ([], None) => Ok(Framing::Length(0)),
        ([coding], None) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        ([], Some(text))
            if lengths.all(|other| other == text) && text.bytes().all(|b| b.is_ascii_digit()) =>
        {
            text.parse()
                .map(Framing::Length)
                .map_err(|_| bad("content-length"))
        }
        _ => Err(bad("ambiguous framing")),
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

async fn within<T>(io: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(SILENCE, io)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use tokio::net::TcpListener;

    /// What a connection makes of these bytes, sent by a client that then closes its sending half.
    async fn requests(bytes: &[u8]) -> Vec<Result<Request, String>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let mut connection = Connection::new(listener.accept().await.unwrap().0);
        let mut found = Vec::new();
        loop {
            match connection.next().await {
                Ok(Some(request)) => found.push(Ok(request)),
                Ok(None) => return found,
                Err(error) => {
                    found.push(Err(error.to_string()));
                    return found;
                }
            }
        }
    }

    #[tokio::test]
    async fn pipelined_requests_keep_their_bodies_apart() {
        let found = requests(
            b"POST /a?x=1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\
              POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1;x=y\r\nf\r\n0\r\nTrailer: t\r\n\r\n\
              HEAD /c HTTP/1.1\r\nConnection: close\r\n\r\n",
        )
        .await;
        let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
        let bodies: Vec<&[u8]> = found.iter().map(|request| request.body.as_slice()).collect();
        assert_eq!(bodies, [b"abc".as_slice(), b"def", b""]);
        assert_eq!((found[0].path.as_str(), found[0].query.as_str()), ("/a", "x=1"));
        assert!(found[1].keep_alive && !found[2].keep_alive);
    }

    #[tokio::test]
    async fn ambiguous_or_broken_requests_are_errors() {
        for bytes in [
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
            "POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 30\r\n\r\nabc",
            "no http at all\r\n\r\n",
        ] {
            let found = requests(bytes.as_bytes()).await;
            assert!(matches!(found.as_slice(), [Err(_)]), "{bytes:?}: {found:?}");
        }
    }

    #[tokio::test]
    async fn only_the_start_of_a_large_body_is_kept() {
        let mut bytes = b"POST / HTTP/1.1\r\nContent-Length: 200000\r\n\r\n".to_vec();
        bytes.resize(bytes.len() + 200_000, b'x');
        bytes.extend_from_slice(b"GET /next HTTP/1.1\r\n\r\n");
        let found = requests(&bytes).await;
        let first = found[0].as_ref().unwrap();
        assert_eq!((first.body.len(), first.body_length), (KEPT_BODY, 200_000));
        assert_eq!(found[1].as_ref().unwrap().path, "/next");
    }
}
