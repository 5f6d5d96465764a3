//! What a backend answers: a sequence of bytes, pauses and ends.

use std::time::Duration;

use super::Received;

/// One step of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends these bytes in one write.
    Send(Vec<u8>),
    /// Waits.
    Pause(Duration),
    /// Closes in order (FIN); steps after it are not taken.
    Close,
    /// Closes with a reset (RST).
    Reset,
    /// Says nothing more; ends when the other side does.
    Hang,
}

/// An answer. After its last step the connection is ready for the next request, unless a step ended it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) steps: Vec<Step>,
}

impl Reply {
    /// A complete answer with `Content-Length`.
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::with_headers(status, &[], body)
    }

    /// A complete answer with these headers and `Content-Length`.
    pub(crate) fn with_headers(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let mut bytes = head(status, headers);
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(&body);
        Self::raw(bytes)
    }

    /// A chunked answer, one write per chunk with this pause before each.
    pub(crate) fn chunked(status: u16, headers: &[(&str, &str)], chunks: &[&[u8]], pause: Duration) -> Self {
        let mut bytes = head(status, headers);
        bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        let mut reply = Self::raw(bytes);
        for chunk in chunks {
            let mut bytes = format!("{:x}\r\n", chunk.len()).into_bytes();
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
            reply = reply.then(Step::Pause(pause)).then(Step::Send(bytes));
        }
        reply.then(Step::Send(b"0\r\n\r\n".to_vec()))
    }

    /// What was received, as JSON: `method`, `target`, `headers` (list of pairs, in order), `body`.
    pub(crate) fn echo(request: &Received) -> Self {
        let body = serde_json::json!({
            "method": request.method,
            "target": request.target,
            "headers": request.headers,
            "body": String::from_utf8_lossy(&request.body),
        });
        Self::with_headers(200, &[("content-type", "application/json")], body.to_string())
    }

    /// Exactly these bytes.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            steps: vec![Step::Send(bytes.into())],
        }
    }

    /// Bytes that are not HTTP, then close.
    pub(crate) fn garbage() -> Self {
        Self::raw(*b"\x00\xfe\xff not http at all \r\n\r\n").then(Step::Close)
    }

    /// Closes without a byte.
    pub(crate) fn close() -> Self {
        Self::default().then(Step::Close)
    }

    /// Resets without a byte.
    pub(crate) fn reset() -> Self {
        Self::default().then(Step::Reset)
    }

    /// Never answers.
    pub(crate) fn hang() -> Self {
        Self::default().then(Step::Hang)
    }

    /// The same after a pause.
    pub(crate) fn after(mut self, pause: Duration) -> Self {
        self.steps.insert(0, Step::Pause(pause));
        self
    }

    /// One more step.
    pub(crate) fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.into_bytes()
}
