//! The load generator: so many connections, each sending its next request when the last was answered.
//! Every answer must be a 200 with a body of the right length, everything else is an error with its reason.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::histogram::Histogram;
use crate::scenario::Scenario;

/// An answer that takes longer is an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was counted between `forget` and `measured`.
#[derive(Clone)]
pub(crate) struct Measured {
    pub(crate) latency: Histogram,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) elapsed: Duration,
}

/// A load under way; must run inside a `LocalSet`.
pub(crate) struct Load {
    shared: Rc<Shared>,
    connections: JoinSet<()>,
}

struct Shared {
    stopping: Cell<bool>,
    since: Cell<Instant>,
    latency: RefCell<Histogram>,
    errors: RefCell<BTreeMap<String, u64>>,
}

impl Load {
    /// Begins.
    pub(crate) fn start(proxy: SocketAddr, scenario: Scenario, connections: usize) -> Self {
        let shared = Rc::new(Shared {
            stopping: Cell::new(false),
            since: Cell::new(Instant::now()),
            latency: RefCell::default(),
            errors: RefCell::default(),
        });
        let mut tasks = JoinSet::new();
        for index in 0..connections {
            tasks.spawn_local(drive(proxy, scenario, index, Rc::clone(&shared)));
        }
        Self {
            shared,
            connections: tasks,
        }
    }

    /// Starts counting anew: what was before is warming up.
    pub(crate) fn forget(&self) {
        self.shared.latency.replace(Histogram::default());
        self.shared.errors.replace(BTreeMap::new());
        self.shared.since.set(Instant::now());
    }

    pub(crate) fn measured(&self) -> Measured {
        Measured {
            latency: self.shared.latency.borrow().clone(),
            errors: self.shared.errors.borrow().clone(),
            elapsed: self.shared.since.get().elapsed(),
        }
    }

    /// Lets the requests under way end.
    pub(crate) async fn stop(mut self) {
        self.shared.stopping.set(true);
        while self.connections.join_next().await.is_some() {}
    }
}

async fn drive(proxy: SocketAddr, scenario: Scenario, index: usize, shared: Rc<Shared>) {
    let request = scenario.request(index);
    let mut connection = None;
    while !shared.stopping.get() {
        let start = Instant::now();
        match once(&mut connection, proxy, scenario, &request).await {
            Ok(()) => shared.latency.borrow_mut().add(start.elapsed()),
            Err(error) => {
                connection = None;
                *shared.errors.borrow_mut().entry(error.to_string()).or_default() += 1;
                // Against a proxy that refuses at once this would only measure the refusals.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// One request and its answer, on the kept connection or a fresh one.
async fn once(
    connection: &mut Option<Connection>,
    proxy: SocketAddr,
    scenario: Scenario,
    request: &[u8],
) -> io::Result<()> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => Connection::open(proxy).await?,
    };
    open.ask(request, scenario.answer_length()).await?;
    if scenario == Scenario::Connect {
        open.until_closed().await
    } else {
        *connection = Some(open);
        Ok(())
    }
}

/// A client's connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(proxy: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(proxy).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Sends a request and reads its answer, which must be a 200 with this many bytes of body.
    pub(crate) async fn ask(&mut self, request: &[u8], body_length: usize) -> io::Result<()> {
        // Grown on first use, so that ten thousand idle connections cost this process little.
        self.buffer
            .resize(if body_length > 1024 { 64 * 1024 } else { 2048 }, 0);
        self.stream.write_all(request).await?;
        let mut read = 0;
        let (head, promised) = loop {
            read += self.read_at(read).await?;
            if let Some(found) = answer_head(&self.buffer[..read])? {
                break found;
            }
        };
        if promised != body_length {
            return Err(io::Error::other(format!(
                "body of {promised} bytes instead of {body_length}"
            )));
        }
        let mut left = (head + body_length)
            .checked_sub(read)
            .ok_or_else(|| io::Error::other("surplus bytes"))?;
        while left > 0 {
            let here = self.read_at(0).await?;
            left = left
                .checked_sub(here)
                .ok_or_else(|| io::Error::other("surplus bytes"))?;
        }
        Ok(())
    }

    async fn read_at(&mut self, at: usize) -> io::Result<usize> {
        // Waiting with a deadline costs a timer; reading what is there already costs none.
        let room = &mut self.buffer[at..];
        if room.is_empty() {
            return Err(io::Error::other("answer head over 2 KB"));
        }
        match tokio::time::timeout(PATIENCE, self.stream.read(room)).await {
            Ok(Ok(0)) => Err(io::Error::other("closed without an answer")),
            Ok(result) => result,
            Err(_) => Err(io::Error::other("no answer in time")),
        }
    }

    async fn until_closed(&mut self) -> io::Result<()> {
        match tokio::time::timeout(PATIENCE, self.stream.read(&mut self.buffer)).await {
            Ok(Ok(0)) => Ok(()),
            Ok(Ok(_)) => Err(io::Error::other("surplus bytes")),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("not closed in time")),
        }
    }
}

/// Where the head ends and how long the body is; `None` while the head is incomplete.
fn answer_head(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let mut space = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut space);
    let httparse::Status::Complete(length) = head.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    if head.code != Some(200) {
        return Err(io::Error::other(format!("status {}", head.code.unwrap_or(0))));
    }
    let body = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
        .ok_or_else(|| io::Error::other("no content-length"))?;
    Ok(Some((length, body)))
}
