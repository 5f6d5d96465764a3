//! Clients of all kinds at once, who count every request that did not end as it should.
//!
//! A request has failed if it was not answered with 200 and exactly the bytes that belong to it, or if nobody took its connection. A
//! client that is refused a connection goes to the next address, as a load balancer does, since nothing was sent yet; it never sends a
//! request twice. It keeps a connection as long as it is not told to close it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::{Backend, Client, Received, Reply};

const UPLOAD_BYTES: usize = 96 * 1024;
const DOWNLOAD_BYTES: usize = 256 * 1024;
/// A slow body comes in so many pieces, one at each [`PACE`].
const PIECES: usize = 16;
const PACE: Duration = Duration::from_millis(50);

/// A backend for these clients: what is uploaded comes back, `/download/N` is slow, everything else is a word.
pub(super) async fn backend() -> Backend {
    Backend::start(
        |request: &Received| match request.target.strip_prefix("/download/") {
            Some(number) => {
                let bytes = bytes(number.parse().unwrap(), DOWNLOAD_BYTES);
                let pieces: Vec<&[u8]> = bytes.chunks(DOWNLOAD_BYTES / PIECES).collect();
                Reply::chunked(200, &[], &pieces, PACE)
            }
            None if request.method == "POST" => Reply::new(200, request.body.clone()),
            None => Reply::new(200, "word"),
        },
    )
    .await
}

/// Bytes that are another request's for another number.
fn bytes(number: u64, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(number);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// How many requests of each kind went well, and what happened to the others.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) well: BTreeMap<&'static str, u64>,
    pub(super) failed: Vec<String>,
}

impl Counts {
    /// Panics if one failed or one kind of client had nothing to do.
    pub(super) fn assert_none_failed(&self) {
        assert!(self.failed.is_empty(), "{self:?}");
        for kind in ["kept", "fresh", "upload", "download"] {
            assert!(self.well.get(kind).is_some_and(|count| *count >= 4), "{self:?}");
        }
    }
}

/// Clients at work; dropping it stops them.
pub(super) struct Traffic {
    clients: JoinSet<()>,
    shared: Arc<Shared>,
}

struct Shared {
    addresses: Vec<SocketAddr>,
    next: AtomicU64,
    stopping: AtomicBool,
    counts: Mutex<Counts>,
}

impl Traffic {
    /// Begins to ask these addresses, which give the same service.
    pub(super) fn start(addresses: &[SocketAddr]) -> Self {
        let shared = Arc::new(Shared {
            addresses: addresses.to_vec(),
            next: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            counts: Mutex::default(),
        });
        let mut clients = JoinSet::new();
        for _ in 0..4 {
            clients.spawn(kept(shared.clone()));
            clients.spawn(fresh(shared.clone()));
            clients.spawn(uploads(shared.clone()));
            clients.spawn(downloads(shared.clone()));
        }
        Self { clients, shared }
    }

    /// Lets every client finish what it is at, and tells how it went.
    pub(super) async fn stop(mut self) -> Counts {
        self.shared.stopping.store(true, Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client does not panic");
        }
        std::mem::take(&mut *self.shared.counts.lock().unwrap())
    }
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.stopping.load(Relaxed)
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    /// To one of the addresses, by turns.
    async fn connect(&self) -> Result<Client, String> {
        let first = self.number() as usize;
        let mut refused = String::new();
        for at in 0..self.addresses.len() {
            let address = self.addresses[(first + at) % self.addresses.len()];
            match Client::try_connect(address).await {
                Ok(client) => return Ok(client),
                Err(error) => refused = format!("connect: {error}"),
            }
        }
        Err(refused)
    }

    fn count(&self, kind: &'static str, result: Result<(), String>) {
        let mut counts = self.counts.lock().unwrap();
        match result {
            Ok(()) => *counts.well.entry(kind).or_default() += 1,
            Err(error) => counts.failed.push(format!("{kind}: {error}")),
        }
    }
}

/// Reads the answer; the connection if it may be kept.
async fn answer(mut client: Client, method: &str, expected: &[u8]) -> Result<Option<Client>, String> {
    let answer = client.read_response(method).await;
    let answer = answer.map_err(|error| format!("answer: {error}"))?;
    if answer.status != 200 || answer.body != expected {
        return Err(format!("{} with {} bytes", answer.status, answer.body.len()));
    }
    Ok(answer.keeps_alive().then_some(client))
}

/// One request on the kept connection, or a new one.
async fn once(shared: &Shared, kept: &mut Option<Client>, head: &str, expected: &[u8]) -> Result<(), String> {
    let mut client = match kept.take() {
        Some(client) => client,
        None => shared.connect().await?,
    };
    let sent = client.send(head).await;
    sent.map_err(|error| format!("send: {error}"))?;
    *kept = answer(client, "GET", expected).await?;
    Ok(())
}

async fn kept(shared: Arc<Shared>) {
    let mut connection = None;
    while shared.goes_on() {
        let result = once(
            &shared,
            &mut connection,
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"word",
        )
        .await;
        shared.count("kept", result);
        sleep(Duration::from_millis(5)).await;
    }
}

async fn fresh(shared: Arc<Shared>) {
    while shared.goes_on() {
        let head = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        shared.count("fresh", once(&shared, &mut None, head, b"word").await);
        sleep(Duration::from_millis(5)).await;
    }
}

async fn downloads(shared: Arc<Shared>) {
    let mut connection = None;
    while shared.goes_on() {
        let number = shared.number();
        let head = format!("GET /download/{number} HTTP/1.1\r\nHost: h\r\n\r\n");
        let result = once(&shared, &mut connection, &head, &bytes(number, DOWNLOAD_BYTES)).await;
        shared.count("download", result);
    }
}

async fn uploads(shared: Arc<Shared>) {
    while shared.goes_on() {
        let body = bytes(shared.number(), UPLOAD_BYTES);
        let result = async {
            let client = shared.connect().await?;
            upload(client, &body).await
        };
        shared.count("upload", result.await);
    }
}

async fn upload(mut client: Client, body: &[u8]) -> Result<(), String> {
    let head = format!("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: {UPLOAD_BYTES}\r\n\r\n");
    let sending = |error| format!("send: {error}");
    client.send(head).await.map_err(sending)?;
    for piece in body.chunks(UPLOAD_BYTES / PIECES) {
        sleep(PACE).await;
        client.send(piece).await.map_err(sending)?;
    }
    answer(client, "POST", body).await.map(drop)
}
