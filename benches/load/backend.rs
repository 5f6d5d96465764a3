//! The backend: as little as possible between reading a request and writing an answer made beforehand.
//!
//! The last segment of the path chooses the answer, the port how long it takes. Request bodies with `Content-Length` are read and
//! dropped; a chunked one is answered 501, which shows as an error.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::Result;
use crate::parts::{NAMES, Size};
use crate::scenario::{LARGE, MEDIUM, SMALL};

/// How long each of the `replicas` takes.
pub(crate) const REPLICAS: [Duration; 3] = [
    Duration::from_millis(2),
    Duration::from_millis(2),
    Duration::from_millis(40),
];
/// How long `ordinary` takes.
pub(crate) const ORDINARY: Duration = Duration::from_millis(5);
/// How long `slow` takes.
pub(crate) const SLOW: Duration = Duration::from_secs(1);

/// Connections that may wait to be accepted: a proxy that starts opens hundreds at once, and one that is lost is tried
/// again only after a second.
const BACKLOG: u32 = 4096;

/// Where it listens.
pub(crate) struct Addresses {
    pub(crate) first: SocketAddr,
    /// As quick as the first: traffic can be split over two clusters.
    pub(crate) second: SocketAddr,
    /// Three that give the same service, one of them slowly.
    pub(crate) replicas: Vec<SocketAddr>,
    /// A service that does some work.
    pub(crate) ordinary: SocketAddr,
    pub(crate) slow: SocketAddr,
}

/// The answers, by the last segment of the path.
type Answers = HashMap<String, Vec<u8>>;

/// Starts on free ports; must run inside a `LocalSet`.
pub(crate) async fn start() -> Result<Addresses> {
    let mut answers = Answers::from([
        ("health".to_owned(), answer("200 OK", "text/plain", b"OK")),
        (
            "refused".to_owned(),
            answer("501 Not Implemented", "text/plain", b""),
        ),
    ]);
    let mut add = |name: String, body: &[u8]| {
        answers.insert(name, answer("200 OK", "application/json", body));
    };
    for (name, length) in [("small", SMALL), ("medium", MEDIUM), ("large", LARGE)] {
        add(name.to_owned(), &json(length));
    }
    for size in Size::ALL {
        for name in NAMES {
            add(format!("{name}{}", size.suffix()), &size.part(name));
        }
    }
    let answers = Rc::new(answers);
    let mut replicas = Vec::new();
    for pause in REPLICAS {
        replicas.push(listen(Rc::clone(&answers), pause).await?);
    }
    Ok(Addresses {
        first: listen(Rc::clone(&answers), Duration::ZERO).await?,
        second: listen(Rc::clone(&answers), Duration::ZERO).await?,
        ordinary: listen(Rc::clone(&answers), ORDINARY).await?,
        slow: listen(answers, SLOW).await?,
        replicas,
    })
}

async fn listen(answers: Rc<Answers>, pause: Duration) -> Result<SocketAddr> {
    let failed = |error| format!("the backend cannot listen: {error}");
    let socket = TcpSocket::new_v4().map_err(failed)?;
    socket.bind(([127, 0, 0, 1], 0).into()).map_err(failed)?;
    let listener = socket.listen(BACKLOG).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answers = Rc::clone(&answers);
            tokio::task::spawn_local(async move {
                // A proxy that is killed cuts its connections.
                let _ = converse(stream, &answers, pause).await;
            });
        }
    });
    Ok(address)
}

async fn converse(mut stream: TcpStream, answers: &Answers, pause: Duration) -> std::io::Result<()> {
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
            let Some(head) = Head::take(&mut unread, answers) else {
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
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            stream.write_all(head.answer).await?;
        }
    }
}

struct Head<'a> {
    answer: &'a [u8],
    body_length: usize,
}

impl<'a> Head<'a> {
    /// Takes a whole head off the buffer; `None` while it is incomplete (or broken: the bench then stalls
    /// and says so).
    fn take(unread: &mut BytesMut, answers: &'a Answers) -> Option<Self> {
        let mut space = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut space);
        let Ok(httparse::Status::Complete(length)) = head.parse(unread) else {
            return None;
        };
        let refused = answers.get("refused")?;
        let mut answer = answers.get(head.path?.rsplit('/').next()?).unwrap_or(refused);
        let mut body_length = 0;
        for header in head.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                body_length = std::str::from_utf8(header.value).ok()?.parse().ok()?;
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                answer = refused;
            }
        }
        unread.advance(length);
        Some(Self { answer, body_length })
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
