//! The backend: as little as possible between reading a request and writing an answer made beforehand.
//!
//! The last segment of the path chooses the answer. Request bodies with `Content-Length` are read and
//! dropped; a chunked one is answered 501, which shows as an error.

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Result;
use crate::scenario::{LARGE, MEDIUM, SMALL};

/// Where it listens. Two addresses, so that traffic can be split over two clusters.
pub(crate) struct Addresses {
    pub(crate) first: SocketAddr,
    pub(crate) second: SocketAddr,
}

struct Answers {
    small: Vec<u8>,
    medium: Vec<u8>,
    large: Vec<u8>,
    health: Vec<u8>,
}

/// Starts on two free ports; must run inside a `LocalSet`.
pub(crate) async fn start() -> Result<Addresses> {
    let answers = Rc::new(Answers {
        small: answer("200 OK", "application/json", &json(SMALL)),
        medium: answer("200 OK", "application/json", &json(MEDIUM)),
        large: answer("200 OK", "application/json", &json(LARGE)),
        health: answer("200 OK", "text/plain", b"OK"),
    });
    let first = listen(Rc::clone(&answers)).await?;
    let second = listen(answers).await?;
    Ok(Addresses { first, second })
}

async fn listen(answers: Rc<Answers>) -> Result<SocketAddr> {
    let failed = |error| format!("the backend cannot listen: {error}");
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answers = Rc::clone(&answers);
            tokio::task::spawn_local(async move {
                // A proxy that is killed cuts its connections.
                let _ = converse(stream, &answers).await;
            });
        }
    });
    Ok(address)
}

async fn converse(mut stream: TcpStream, answers: &Answers) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut unread = BytesMut::with_capacity(32 * 1024);
    let mut body_left = 0;
    loop {
        unread.reserve(16 * 1024);
        if stream.read_buf(&mut unread).await? == 0 {
            return Ok(());
        }
        loop {
            let dropped = unread.len().min(body_left);
            unread.advance(dropped);
            body_left -= dropped;
            if body_left > 0 {
                break;
            }
            let Some(head) = Head::take(&mut unread) else {
                break;
            };
            body_left = head.body_length;
            // Answers once the body is there, as services do.
            while unread.len() < body_left {
                body_left -= unread.len();
                unread.clear();
                if stream.read_buf(&mut unread).await? == 0 {
                    return Ok(());
                }
            }
            unread.advance(body_left);
            body_left = 0;
            match head.resource {
                Resource::Small => stream.write_all(&answers.small).await?,
                Resource::Medium => stream.write_all(&answers.medium).await?,
                Resource::Large => stream.write_all(&answers.large).await?,
                Resource::Health => stream.write_all(&answers.health).await?,
                Resource::Refused => {
                    stream
                        .write_all(b"HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\n\r\n")
                        .await?;
                }
            }
        }
    }
}

enum Resource {
    Small,
    Medium,
    Large,
    Health,
    Refused,
}

struct Head {
    resource: Resource,
    body_length: usize,
}

impl Head {
    /// Takes a whole head off the buffer; `None` while it is incomplete (or broken: the bench then stalls
    /// and says so).
    fn take(unread: &mut BytesMut) -> Option<Self> {
        let mut space = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut space);
        let Ok(httparse::Status::Complete(length)) = head.parse(unread) else {
            return None;
        };
        let mut resource = match head.path?.rsplit('/').next()? {
            "small" => Resource::Small,
            "medium" => Resource::Medium,
            "large" => Resource::Large,
            "health" => Resource::Health,
            _ => Resource::Refused,
        };
        let mut body_length = 0;
        for header in head.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                body_length = std::str::from_utf8(header.value).ok()?.parse().ok()?;
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                resource = Resource::Refused;
            }
        }
        unread.advance(length);
        Some(Self {
            resource,
            body_length,
        })
    }
}

fn answer(status: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nServer: bench\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A JSON object of exactly this length (at least 16).
fn json(length: usize) -> Vec<u8> {
    let mut body = br#"{"id":1,"x":""#.to_vec();
    body.resize(length - 2, b'x');
    body.extend_from_slice(br#""}"#);
    body
}
