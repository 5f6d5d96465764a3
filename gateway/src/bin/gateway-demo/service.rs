//! One service: which paths it knows, what it was told to do, and the conversation with one client.
//!
//! The behaviour of a request is the one it names itself (`?demo=fail:503` or the header `x-demo`), else the one
//! set for the whole process with `PUT /demo`. `/demo` itself always answers normally; `/health` follows the
//! process like everything else, so a health check sees what a client sees.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::behaviour::Behaviour;
use crate::data;
use crate::wire::{Answer, Connection, Request};

/// Which records a service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// `/users`, `/users/{id}`
    Users,
    /// `/orders`, `/orders?user={id}`, `/orders/{id}`
    Orders,
    /// `/shipments`, `/shipments/{order}`
    Logistics,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Orders => "orders",
            Self::Logistics => "logistics",
        }
    }
}

/// A running service.
pub(crate) struct Service {
    kind: Kind,
    /// `users@127.0.0.1:9001`: goes out with every answer.
    signature: String,
    behaviour: Mutex<Behaviour>,
}

impl Service {
    pub(crate) fn new(kind: Kind, address: SocketAddr) -> Self {
        Self {
            kind,
            signature: format!("{}@{address}", kind.name()),
            behaviour: Mutex::default(),
        }
    }

    /// Answers one client until it, or a behaviour, ends the connection.
    pub(crate) async fn converse(&self, stream: TcpStream) {
        let mut connection = Connection::new(stream);
        loop {
            let request = match connection.next().await {
                Ok(Some(request)) => request,
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    let answer = self.problem(400, &error.to_string());
                    // The client's mistake; whether it hears of it is its own affair.
                    let _ = connection.answer(&answer, None).await;
                    return;
                }
                Ok(None) | Err(_) => return,
            };
            let answer = match self.behaviour_for(&request) {
                Err(answer) => answer,
                Ok(Behaviour::Normal) => self.answer(&request),
                Ok(Behaviour::Slow(pause)) => {
                    tokio::time::sleep(pause).await;
                    self.answer(&request)
                }
                Ok(Behaviour::Fail(status)) => self.problem(status, "told to fail"),
                Ok(Behaviour::Hang) => return connection.until_closed().await,
                Ok(Behaviour::Close) => return,
                Ok(Behaviour::Garbage) => {
                    let _ = connection.send(b"\x00\xffthis is not HTTP\r\n\r\n").await;
                    return;
                }
            };
            if connection.answer(&answer, Some(&request)).await.is_err() || !request.keep_alive {
                return;
            }
        }
    }

    /// The behaviour this request asks for, or the process's; an unknown one is answered with a 400.
    fn behaviour_for(&self, request: &Request) -> Result<Behaviour, Answer> {
        if request.path == "/demo" {
            return Ok(Behaviour::Normal);
        }
        let asked = parameter(&request.query, "demo").or_else(|| request.header("x-demo").map(str::to_owned));
        match asked {
            Some(text) => {
                Behaviour::from_str(&text).map_err(|unknown| self.problem(400, &unknown.to_string()))
            }
            None => Ok(self.behaviour()),
        }
    }

    fn behaviour(&self) -> Behaviour {
        *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request) -> Answer {
        let method = request.method.as_str();
        let reads = matches!(method, "GET" | "HEAD");
        match (request.path.as_str(), method) {
            ("/health", _) if reads => self.reply(200, "text/plain", b"OK".to_vec()),
            ("/demo", "PUT") => self.told(&request.body),
            ("/demo", _) if reads => self.json(200, &self.state()),
            ("/demo", _) => self.not_allowed("GET, HEAD, PUT"),
            (path, "POST") if path == self.collection() => {
                self.json(201, &json!({ "accepted": true, "bytes": request.body_length }))
            }
            (_, _) if reads => match self.record(request) {
                Some(record) => self.json(200, &record),
                None => self.problem(404, "not found"),
            },
            (path, _) if path == self.collection() => self.not_allowed("GET, HEAD, POST"),
            _ if self.record(request).is_some() => self.not_allowed("GET, HEAD"),
            _ => self.problem(404, "not found"),
        }
    }

    fn collection(&self) -> &'static str {
        match self.kind {
            Kind::Users => "/users",
            Kind::Orders => "/orders",
            Kind::Logistics => "/shipments",
        }
    }

    fn record(&self, request: &Request) -> Option<Value> {
        let rest = request.path.strip_prefix(self.collection())?;
        if rest.is_empty() {
            return match self.kind {
                Kind::Users => Some(data::users()),
                Kind::Logistics => Some(data::shipments()),
                Kind::Orders => match parameter(&request.query, "user") {
                    None => Some(data::orders(None)),
                    Some(user) => user.parse().ok().map(|id| data::orders(Some(id))),
                },
            };
        }
        let id = rest.strip_prefix('/')?.parse().ok()?;
        match self.kind {
            Kind::Users => data::user(id),
            Kind::Orders => data::order(id),
            Kind::Logistics => data::shipment(id),
        }
    }

    /// `PUT /demo {"behaviour": "slow:300ms"}`.
    fn told(&self, body: &[u8]) -> Answer {
        let wanted = serde_json::from_slice::<Value>(body).ok();
        let Some(text) = wanted.as_ref().and_then(|value| value["behaviour"].as_str()) else {
            return self.problem(400, r#"the body must be {"behaviour": "..."}"#);
        };
        match text.parse() {
            Ok(behaviour) => {
                *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
                self.json(200, &self.state())
            }
            Err(unknown) => self.problem(400, &format!("{unknown}")),
        }
    }

    fn state(&self) -> Value {
        json!({ "service": self.signature, "behaviour": self.behaviour().to_string() })
    }

    fn not_allowed(&self, allowed: &str) -> Answer {
        let mut answer = self.problem(405, "method not allowed");
        answer.headers.push(("allow", allowed.to_owned()));
        answer
    }

    fn problem(&self, status: u16, detail: &str) -> Answer {
        self.json(status, &json!({ "error": detail, "service": self.signature }))
    }

    fn json(&self, status: u16, value: &Value) -> Answer {
        self.reply(status, "application/json", value.to_string().into_bytes())
    }

    fn reply(&self, status: u16, content_type: &'static str, body: Vec<u8>) -> Answer {
        Answer {
            status,
            content_type,
            headers: vec![("x-demo-service", self.signature.clone())],
            body,
        }
    }
}

/// The first parameter of this name, percent-decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match escaped {
            Some(byte) => {
                decoded.push(byte);
                rest = &tail[2..];
            }
            None => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    Some(String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests;
