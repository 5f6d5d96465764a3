//! A service that the test answers by hand: each request waits until it is said what comes back. So an order is shown without a clock.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::AbortHandle;

const PATIENCE: Duration = Duration::from_secs(10);

/// The service.
pub(super) struct Manual {
    address: SocketAddr,
    waiting: Arc<Mutex<Vec<Asked>>>,
    accepting: AbortHandle,
}

/// A request that waits. Dropped, its connection is closed.
pub(super) struct Asked {
    /// Everything before the body, as it came.
    pub(super) head: String,
    stream: TcpStream,
}

impl Manual {
    pub(super) async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        // Hundreds connect at once.
        let listener = socket.listen(4096).unwrap();
        let address = listener.local_addr().unwrap();
        let waiting = Arc::new(Mutex::new(Vec::new()));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&waiting))).abort_handle();
        Self {
            address,
            waiting,
            accepting,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The request for this target that has waited longest, as soon as there is one.
    pub(super) async fn asked(&self, target: &str) -> Asked {
        let start = Instant::now();
        loop {
            if let Some(asked) = self.take(target) {
                return asked;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{target} is not asked for; waiting: {:?}",
                self.waiting()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The targets that are asked for and not taken yet, sorted.
    pub(super) fn waiting(&self) -> Vec<String> {
        let waiting = self.waiting.lock().unwrap();
        let mut targets: Vec<String> = waiting.iter().map(|asked| asked.target().to_owned()).collect();
        targets.sort();
        targets
    }

    /// Waits until exactly this many requests wait.
    pub(super) async fn until_waiting(&self, count: usize) {
        let start = Instant::now();
        while self.waiting.lock().unwrap().len() != count {
            assert!(
                start.elapsed() < PATIENCE * 3,
                "not {count} wait: {:?}",
                self.waiting().len()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn take(&self, target: &str) -> Option<Asked> {
        let mut waiting = self.waiting.lock().unwrap();
        let at = waiting.iter().position(|asked| asked.target() == target)?;
        Some(waiting.remove(at))
    }
}

impl Drop for Manual {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Asked {
    pub(super) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// Answers 200 with this JSON and closes.
    pub(super) async fn answer(self, json: &str) {
        self.answer_with(200, "content-type: application/json\r\n", json)
            .await;
    }

    /// Answers with these fields, each ended by a line break, and closes.
    pub(super) async fn answer_with(mut self, status: u16, fields: &str, body: &str) {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Manual\r\n{fields}connection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        self.write(&(head + body)).await;
    }

    /// Sends these bytes.
    pub(super) async fn write(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Waits until the other side ends the connection.
    pub(super) async fn until_closed(mut self) {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        // A reset is an end as well.
        let _ = end.unwrap_or_else(|_| panic!("the call for {} is not given up", self.target()));
    }
}

async fn accept(listener: TcpListener, waiting: Arc<Mutex<Vec<Asked>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let waiting = Arc::clone(&waiting);
        tokio::spawn(async move {
            if let Some(asked) = read_head(stream).await {
                waiting.lock().unwrap().push(asked);
            }
        });
    }
}

/// `None` if the connection ends before.
async fn read_head(mut stream: TcpStream) -> Option<Asked> {
    stream.set_nodelay(true).ok()?;
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    Some(Asked {
        head: String::from_utf8_lossy(&head).into_owned(),
        stream,
    })
}
