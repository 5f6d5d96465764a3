//! The load generator: so many connections, each sending its next request when the last was answered, or at a pace.
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
use tokio::time::{MissedTickBehavior, interval};

use crate::answer::Body;
use crate::ask::{Afterwards, Ask};
use crate::histogram::Histogram;

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
    /// Begins; `ask` says what a connection sends.
    pub(crate) fn start(proxy: SocketAddr, connections: usize, ask: impl Fn(usize) -> Ask) -> Self {
        let shared = Rc::new(Shared {
            stopping: Cell::new(false),
            since: Cell::new(Instant::now()),
            latency: RefCell::default(),
            errors: RefCell::default(),
        });
        let mut tasks = JoinSet::new();
        for index in 0..connections {
            tasks.spawn_local(drive(proxy, ask(index), Rc::clone(&shared)));
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

async fn drive(proxy: SocketAddr, ask: Ask, shared: Rc<Shared>) {
    tokio::time::sleep(ask.delay).await;
    let mut ticks = ask.every.map(interval);
    if let Some(ticks) = &mut ticks {
        // What was spread evenly stays so, also after a stall.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    }
    let mut connection = None;
    while !shared.stopping.get() {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        let start = Instant::now();
        match once(&mut connection, proxy, &ask).await {
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
async fn once(connection: &mut Option<Connection>, proxy: SocketAddr, ask: &Ask) -> io::Result<()> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => Connection::open(proxy).await?,
    };
    open.ask(ask).await?;
    match ask.afterwards {
        Afterwards::Closed => open.until_closed().await,
        Afterwards::Kept => {
            *connection = Some(open);
            Ok(())
        }
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

    /// Sends a request and reads its answer, which must be a 200 of the expected length.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> io::Result<()> {
        self.exchange(ask, &mut |_| {}).await
    }

    /// The same, and gives the answer's body.
    pub(crate) async fn fetch(&mut self, ask: &Ask) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        self.exchange(ask, &mut |bytes| body.extend_from_slice(bytes))
            .await?;
        Ok(body)
    }

    async fn exchange(&mut self, ask: &Ask, sink: &mut impl FnMut(&[u8])) -> io::Result<()> {
        // Grown on first use, so that ten thousand idle connections cost this process little.
        let room = match ask.answer_length {
            Some(..=1024) => 2048,
            _ => 64 * 1024,
        };
        self.buffer.resize(room, 0);
        self.stream.write_all(&ask.bytes).await?;
        let mut read = 0;
        let (end, mut body) = loop {
            read += self.read_at(read).await?;
            if let Some(found) = Body::after_head(&self.buffer[..read])? {
                break found;
            }
        };
        body.take(&self.buffer[end..read], sink)?;
        while !body.is_done() {
            let read = self.read_at(0).await?;
            body.take(&self.buffer[..read], sink)?;
        }
        match (ask.answer_length, body.length()) {
            (Some(expected), length) if length != expected => Err(io::Error::other(format!(
                "body of {length} bytes instead of {expected}"
            ))),
            _ => Ok(()),
        }
    }

    async fn read_at(&mut self, at: usize) -> io::Result<usize> {
        // Waiting with a deadline costs a timer; reading what is there already costs none.
        let room = &mut self.buffer[at..];
        if room.is_empty() {
            return Err(io::Error::other("answer head too long"));
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
