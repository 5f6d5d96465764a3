//! A raw HTTP/1.1 client: sends exactly the bytes it is given, reports exactly the answer that came.
//!
//! Every wait ends after ten seconds with an error, so a test never hangs on a gateway that does.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wire::{Framing, Wire, patiently};

/// An answer as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// In order, spelled as sent.
    pub(crate) headers: Vec<(String, String)>,
    /// Decoded if it was chunked.
    pub(crate) body: Vec<u8>,
    pub(crate) framing: Framing,
}

impl Response {
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

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics with the body if it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Whether the server will take another request on this connection.
    pub(crate) fn keeps_alive(&self) -> bool {
        let closes = |value: &&str| value.to_ascii_lowercase().contains("close");
        self.framing != Framing::UntilClose && !self.header_values("connection").iter().any(closes)
    }
}

/// A kept-alive connection.
pub(crate) struct Client {
    wire: Wire,
    host: String,
}

impl Client {
    /// Connects; panics if it cannot.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address)
            .await
            .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))
    }

    /// Connects, for tests that expect it may fail.
    pub(crate) async fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = patiently(TcpStream::connect(address)).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            wire: Wire::new(stream),
            host: address.to_string(),
        })
    }

    /// Sends these bytes.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        patiently(self.wire.stream.write_all(bytes.as_ref())).await
    }

    /// Sends a whole request. `Host` is added unless given; `Content-Length` if there is a body.
    pub(crate) async fn send_request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut bytes = format!("{method} {target} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            bytes.push_str(&format!("Host: {}\r\n", self.host));
        }
        for (name, value) in headers {
            bytes.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            bytes.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        bytes.push_str("\r\n");
        let mut bytes = bytes.into_bytes();
        bytes.extend_from_slice(body);
        self.send(bytes).await
    }

    /// Reads the final answer to a request of this method (1xx are skipped; see `read_one` to see them).
    pub(crate) async fn read_response(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let response = self.read_one(method).await?;
            if response.status >= 200 || response.status == 101 {
                return Ok(response);
            }
        }
    }

    /// Reads the next answer, 1xx included.
    pub(crate) async fn read_one(&mut self, method: &str) -> io::Result<Response> {
        let mut response = self.read_head(method).await?;
        response.body = self.wire.body(response.framing).await.map_err(io::Error::other)?;
        Ok(response)
    }

    /// Reads the head of the next answer and leaves its body unread.
    pub(crate) async fn read_head(&mut self, method: &str) -> io::Result<Response> {
        patiently(self.wire.response_head(method)).await
    }

    /// A whole request and its answer.
    pub(crate) async fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        self.send_request(method, target, headers, body).await?;
        self.read_response(method).await
    }

    /// `GET`, panicking if no answer comes.
    pub(crate) async fn get(&mut self, target: &str) -> Response {
        let answer = self.request("GET", target, &[], b"").await;
        answer.unwrap_or_else(|error| panic!("GET {target}: {error}"))
    }

    /// Everything that still comes until the server closes.
    pub(crate) async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = self.wire.unread.split().to_vec();
        patiently(self.wire.stream.read_to_end(&mut rest)).await?;
        Ok(rest)
    }

    /// Whether the server closed: no byte is left and none comes.
    pub(crate) async fn closed(&mut self) -> bool {
        matches!(self.read_to_end().await.as_deref(), Ok([]))
    }

    /// Drops the connection with a reset instead of an orderly close.
    pub(crate) fn reset(self) {
        self.wire.stream.set_zero_linger().ok();
    }

    /// Closes the sending half only.
    pub(crate) async fn finish_sending(&mut self) {
        self.wire.stream.shutdown().await.ok();
    }
}

/// One request on a connection of its own; panics if no answer comes.
pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let answer = Client::connect(address)
        .await
        .request(method, target, headers, body)
        .await;
    answer.unwrap_or_else(|error| panic!("{method} {target}: {error}"))
}

/// `GET` on a connection of its own.
pub(crate) async fn get(address: SocketAddr, target: &str) -> Response {
    request(address, "GET", target, &[], b"").await
}

/// `POST` on a connection of its own.
pub(crate) async fn post(address: SocketAddr, target: &str, body: &[u8]) -> Response {
    request(address, "POST", target, &[], body).await
}
