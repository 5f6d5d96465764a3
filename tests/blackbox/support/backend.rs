//! A scriptable HTTP/1.1 backend.
//!
//! It reads well-formed requests (what a gateway sends must be) and notes every violation of framing as a
//! `fault`, so a test can claim that nothing broken was ever sent. The script decides each answer; it may be
//! replaced while the backend runs. Records are kept up to 100,000.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::wire::{Wire, request_framing};
use super::{Reply, Step};

const RECORDS_LIMIT: usize = 100_000;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) target: String,
    /// In order, spelled as sent.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The number of the connection it came on, from 0.
    pub(crate) connection: u64,
}

impl Received {
    /// The values of a header, whatever its case.
    pub(crate) fn header_values(&self, name: &str) -> Vec<&str> {
        let same = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .filter(same)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The one value of a header; panics if there are several.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.header_values(name);
        assert!(
            values.len() < 2,
            "{name} came {} times: {:?}",
            values.len(),
            self.headers
        );
        values.first().copied()
    }
}

/// When the body of a request is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    BeforeAnswer,
    AfterAnswer,
}

type Script = Arc<dyn Fn(&Received) -> Reply + Send + Sync>;

struct Settings {
    script: Script,
    body: Body,
    /// Closes a connection after so many answers.
    requests_per_connection: Option<u32>,
    /// Closes a connection after an answer with this probability, at a random moment within the time given.
    close_idle: Option<(f64, Duration)>,
    requests: Vec<Received>,
    count: u64,
    connections: u64,
    faults: Vec<String>,
}

/// A running (or stopped) backend.
pub(crate) struct Backend {
    address: SocketAddr,
    settings: Arc<Mutex<Settings>>,
    accepting: Option<AbortHandle>,
    /// Bound but not listening while stopped: connecting is refused and nobody else gets the port.
    reserved: Option<TcpSocket>,
}

impl Backend {
    /// Starts on a free port with this script.
    pub(crate) async fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST.into(), script).await
    }

    /// The same on another address of this machine than 127.0.0.1; panics if there is none such.
    pub(crate) async fn start_on(
        ip: IpAddr,
        script: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let settings = Settings {
            script: Arc::new(script),
            body: Body::BeforeAnswer,
            requests_per_connection: None,
            close_idle: None,
            requests: Vec::new(),
            count: 0,
            connections: 0,
            faults: Vec::new(),
        };
        let socket = socket(SocketAddr::new(ip, 0));
        let address = socket.local_addr().expect("a bound socket");
        let settings = Arc::new(Mutex::new(settings));
        let mut backend = Self {
            address,
            settings,
            accepting: None,
            reserved: Some(socket),
        };
        backend.restart();
        backend
    }

    /// One that answers 200 with this body.
    pub(crate) async fn text(body: &'static str) -> Self {
        Self::start(move |_| Reply::new(200, body)).await
    }

    /// One that answers with what it received.
    pub(crate) async fn echo() -> Self {
        Self::start(Reply::echo).await
    }

    /// One whose port refuses connections (until `restart`).
    pub(crate) async fn refusing() -> Self {
        let mut backend = Self::text("").await;
        backend.stop().await;
        backend
    }

    /// `127.0.0.1:PORT`, unless it was started on another address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the script; answers already begun are finished as they were.
    pub(crate) fn script(&self, script: impl Fn(&Received) -> Reply + Send + Sync + 'static) {
        self.with(|settings| settings.script = Arc::new(script));
    }

    /// Answers before the body is read; the script sees an empty one and the body is read and dropped after.
    pub(crate) fn answer_early(&self) {
        self.with(|settings| settings.body = Body::AfterAnswer);
    }

    /// Closes each connection after so many answers, without announcing it.
    pub(crate) fn close_after(&self, requests: u32) {
        self.with(|settings| settings.requests_per_connection = Some(requests));
    }

    /// After an answer closes the idle connection with this probability, at a random moment within `within`.
    pub(crate) fn close_idle(&self, probability: f64, within: Duration) {
        self.with(|settings| settings.close_idle = Some((probability, within)));
    }

    /// How many requests arrived (head complete).
    pub(crate) fn count(&self) -> u64 {
        self.with(|settings| settings.count)
    }

    /// How many connections were accepted.
    pub(crate) fn connections(&self) -> u64 {
        self.with(|settings| settings.connections)
    }

    /// The requests, in the order their bodies ended (with early answers: their heads).
    pub(crate) fn requests(&self) -> Vec<Received> {
        self.with(|settings| settings.requests.clone())
    }

    /// The last request; panics if there is none.
    pub(crate) fn last(&self) -> Received {
        self.with(|settings| settings.requests.last().cloned())
            .expect("a request")
    }

    /// What was wrong with the bytes that arrived: broken heads, ambiguous framing, bodies cut short.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.with(|settings| settings.faults.clone())
    }

    /// Forgets what was recorded.
    pub(crate) fn forget(&self) {
        self.with(|settings| {
            settings.requests.clear();
            settings.faults.clear();
            (settings.count, settings.connections) = (0, 0);
        });
    }

    /// Stops as if killed: every connection is cut, connecting is refused. The port stays ours.
    pub(crate) async fn stop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        // The listener is gone once its task has been dropped.
        let bind = || match try_socket(self.address) {
            Ok(socket) if refused(self.address) => Some(socket),
            _ => None,
        };
        for _ in 0..1000 {
            if let Some(socket) = bind() {
                self.reserved = Some(socket);
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("{} still listens", self.address);
    }

    /// Listens again on the same port.
    pub(crate) fn restart(&mut self) {
        let Some(socket) = self.reserved.take() else {
            return;
        };
        let listener = socket.listen(1024).expect("listening on a bound socket");
        let settings = Arc::clone(&self.settings);
        self.accepting = Some(tokio::spawn(accept(listener, settings)).abort_handle());
    }

    fn with<T>(&self, act: impl FnOnce(&mut Settings) -> T) -> T {
        act(&mut self.settings.lock().unwrap())
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

fn try_socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn socket(address: SocketAddr) -> TcpSocket {
    try_socket(address).unwrap_or_else(|error| panic!("no port to listen on at {}: {error}", address.ip()))
}

fn refused(address: SocketAddr) -> bool {
    std::net::TcpStream::connect(address).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Owns its connections: when this task is aborted they are cut.
async fn accept(listener: TcpListener, settings: Arc<Mutex<Settings>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let number = {
                    let mut settings = settings.lock().unwrap();
                    settings.connections += 1;
                    settings.connections - 1
                };
                connections.spawn(converse(stream, number, Arc::clone(&settings)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, until either side ends it.
async fn converse(stream: TcpStream, number: u64, settings: Arc<Mutex<Settings>>) {
    stream.set_nodelay(true).ok();
    let mut wire = Wire::new(stream);
    let mut answered = 0;
    loop {
        match exchange(&mut wire, number, &settings).await {
            Ok(true) => answered += 1,
            Ok(false) => return,
            Err(fault) => {
                settings.lock().unwrap().faults.push(fault);
                return;
            }
        }
        let (limit, close_idle) = {
            let settings = settings.lock().unwrap();
            (settings.requests_per_connection, settings.close_idle)
        };
        if limit.is_some_and(|limit| answered >= limit) {
            return;
        }
        if let Some((probability, within)) = close_idle
            && fastrand::f64() < probability
        {
            let pause = within.mul_f64(fastrand::f64());
            // A request that arrives first is served: what is closed is an idle connection.
            if tokio::time::timeout(pause, wire.fill()).await.is_err() {
                return;
            }
        }
    }
}

/// One request and its answer; `false` when the connection is over, `Err` when the request was broken.
async fn exchange(wire: &mut Wire, connection: u64, settings: &Mutex<Settings>) -> Result<bool, String> {
    let Some(head) = wire.request_head().await? else {
        return Ok(false);
    };
    let mut request = Received { connection, ..head };
    let (script, order) = {
        let mut settings = settings.lock().unwrap();
        settings.count += 1;
        (Arc::clone(&settings.script), settings.body)
    };
    let framing = request_framing(&request)?;
    if order == Body::BeforeAnswer {
        if request.header("expect").is_some() {
            wire.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok();
        }
        request.body = wire.body(framing).await?;
    }
    let reply = script(&request);
    {
        let mut settings = settings.lock().unwrap();
        if settings.requests.len() < RECORDS_LIMIT {
            settings.requests.push(request);
        }
    }
    if !play(wire, reply).await {
        return Ok(false);
    }
    if order == Body::AfterAnswer {
        // Who answers early must expect that the rest never comes.
        return Ok(wire.body(framing).await.is_ok());
    }
    Ok(true)
}

/// Takes the steps; `false` when the connection is over.
async fn play(wire: &mut Wire, reply: Reply) -> bool {
    for step in reply.steps {
        match step {
            Step::Send(bytes) => {
                if wire.stream.write_all(&bytes).await.is_err() {
                    return false;
                }
            }
            Step::Pause(pause) => tokio::time::sleep(pause).await,
            Step::Close => return false,
            Step::Reset => {
                wire.stream.set_zero_linger().ok();
                return false;
            }
            Step::Hang => {
                let mut discarded = [0; 4096];
                while matches!(wire.stream.read(&mut discarded).await, Ok(n) if n > 0) {}
                return false;
            }
        }
    }
    true
}
