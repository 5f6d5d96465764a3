//! What came of a node's call, and how that is told: in `X-Gateway-Nodes`, in a problem's body, in metrics.

use std::{fmt::Write, time::Duration};

use http::HeaderValue;

use super::content::ContentFault;
use crate::{
    attempts::{CallError, Cut},
    refusal::{Denial, Refusal},
};

/// Why a node's call brought no answer that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeError {
    /// The server answered with a status that is not a success here.
    Status(u16),
    /// It took too long.
    Timeout,
    /// No connection came about.
    ConnectFailed,
    /// The connection broke, or the answer is no HTTP.
    BadAnswer,
    /// A limit of the cluster or of all its servers is reached.
    RateLimited,
    /// All servers' breakers reject.
    Breaker,
    /// The cluster has no server that can be used.
    NoServer,
    /// The answer is longer than allowed, in bytes as sent or decompressed.
    TooLarge,
    /// It is announced as JSON and is none.
    NotJson,
    /// It is neither JSON nor text in a known encoding, or is compressed in a way that is unknown or broken.
    Content(ContentFault),
    /// The call needs a value of another node that is not there.
    NoInput,
    /// The call cannot be written as HTTP/1.1.
    BadRequest,
    /// The proxy has no room for another call or its answer.
    Overloaded,
    /// The client wants nothing but what is kept (`only-if-cached`), and nothing is.
    NotKept,
    /// The whole failed before it was done.
    Cancelled,
}

impl NodeError {
    /// The word in `X-Gateway-Nodes` and in metrics; a status has none.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Timeout => "timeout",
            Self::ConnectFailed => "connect_failed",
            Self::BadAnswer => "bad_answer",
            Self::RateLimited => "rate_limited",
            Self::Breaker => "breaker",
            Self::NoServer => "no_server",
            Self::TooLarge | Self::Content(ContentFault::TooLarge) => "too_large",
            Self::NotJson => "not_json",
            Self::Content(fault) => fault.word(),
            Self::NoInput => "no_input",
            Self::BadRequest => "bad_request",
            Self::Overloaded => "overloaded",
            Self::NotKept => "not_cached",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status the server answered with, if it did.
    pub(crate) fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Why the whole is refused if this node is required.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            // RFC 9111 §5.2.1.7 asks for a 504 here.
            Self::Timeout | Self::NotKept => Refusal::Timeout,
            _ => Refusal::NodeFailed,
        }
    }

    /// Whether a server was asked and it is its doing.
    pub(crate) fn blames_server(self) -> bool {
        match self {
            Self::Status(status) => status >= 500,
            Self::Timeout | Self::ConnectFailed | Self::BadAnswer => true,
            Self::TooLarge | Self::NotJson | Self::Content(_) => true,
            Self::RateLimited
            | Self::Breaker
            | Self::NoServer
            | Self::NoInput
            | Self::BadRequest
            | Self::Overloaded
            | Self::NotKept
            | Self::Cancelled => false,
        }
    }
}

impl From<CallError> for NodeError {
    fn from(error: CallError) -> Self {
        let CallError::Refused(denial) = error else {
            return Self::Cancelled;
        };
        let Denial { refusal, .. } = *denial;
        match refusal {
            Refusal::RateLimited => Self::RateLimited,
            Refusal::Breaker => Self::Breaker,
            Refusal::NoServer => Self::NoServer,
            Refusal::ConnectFailed => Self::ConnectFailed,
            Refusal::Timeout => Self::Timeout,
            Refusal::BadRequest => Self::BadRequest,
            _ => Self::BadAnswer,
        }
    }
}

impl From<Cut> for NodeError {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Broken => Self::BadAnswer,
            Cut::TooSlow => Self::Timeout,
        }
    }
}

/// How a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With an answer of this status.
    Answered(u16),
    /// Without one.
    Failed(NodeError),
    /// Its condition did not hold.
    Skipped,
}

/// Where an answer came from, if not from a call of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was asked for.
    Call,
    /// Another node of the same request, or another client, asked for the same.
    Shared,
    /// It was kept.
    Cached,
    /// It was kept, is too old, and there is no better one.
    Stale,
}

impl Origin {
    fn word(self) -> Option<&'static str> {
        match self {
            Self::Call => None,
            Self::Shared => Some("shared"),
            Self::Cached => Some("cached"),
            Self::Stale => Some("stale"),
        }
    }
}

/// What is told of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    pub(crate) name: &'a str,
    pub(crate) ending: Ending,
    pub(crate) origin: Origin,
    pub(crate) took: Duration,
}

impl<'a> Told<'a> {
    /// A node whose call was answered.
    pub(crate) fn answered(name: &'a str, status: u16, took: Duration) -> Self {
        Self {
            name,
            ending: Ending::Answered(status),
            origin: Origin::Call,
            took,
        }
    }
}

/// The value of `X-Gateway-Nodes`: `user;status=200;ms=12, orders;error=timeout;ms=300, vip;skipped`.
pub(crate) fn field<'a>(nodes: impl Iterator<Item = Told<'a>>) -> HeaderValue {
    let mut text = String::with_capacity(128);
    let mut number = itoa::Buffer::new();
    for node in nodes {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(node.name);
        match node.ending {
            Ending::Answered(status) | Ending::Failed(NodeError::Status(status)) => {
                text.push_str(";status=");
                text.push_str(number.format(status));
            }
            Ending::Failed(error) => {
                text.push_str(";error=");
                text.push_str(error.word());
            }
            Ending::Skipped => text.push_str(";skipped"),
        }
        if node.ending != Ending::Skipped {
            text.push_str(";ms=");
            text.push_str(number.format(node.took.as_millis() as u64));
        }
        if let Some(origin) = node.origin.word() {
            let _ = write!(text, ";from={origin}");
        }
    }
    // Names and words are letters, digits, "-" and "_".
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The same as a member of a problem's body: `"nodes":[{"name":"user","status":200,"ms":12},…]`.
pub(crate) fn member<'a>(nodes: impl Iterator<Item = Told<'a>>) -> String {
    let mut text = String::from("\"nodes\":[");
    for (at, node) in nodes.enumerate() {
        if at > 0 {
            text.push(',');
        }
        let ms = node.took.as_millis();
        let _ = write!(text, "{{\"name\":\"{}\"", node.name);
        let _ = match node.ending {
            Ending::Answered(status) | Ending::Failed(NodeError::Status(status)) => {
                write!(text, ",\"status\":{status},\"ms\":{ms}}}")
            }
            Ending::Failed(error) => write!(text, ",\"error\":\"{}\",\"ms\":{ms}}}", error.word()),
            Ending::Skipped => write!(text, ",\"skipped\":true}}"),
        };
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, ending: Ending, origin: Origin, ms: u64) -> Told<'_> {
        Told {
            name,
            ending,
            origin,
            took: Duration::from_millis(ms),
        }
    }

    #[test]
    fn every_node_is_told_of_with_its_status_or_error_and_time() {
        let nodes = [
            told("user", Ending::Answered(200), Origin::Call, 12),
            told("orders", Ending::Failed(NodeError::Timeout), Origin::Call, 300),
            told("old", Ending::Failed(NodeError::Status(503)), Origin::Call, 1),
            told("vip", Ending::Skipped, Origin::Call, 0),
            told("kept", Ending::Answered(200), Origin::Cached, 0),
        ];
        assert_eq!(
            field(nodes.into_iter()),
            "user;status=200;ms=12, orders;error=timeout;ms=300, old;status=503;ms=1, vip;skipped, kept;status=200;ms=0;from=cached"
        );
        assert_eq!(
            member(nodes.into_iter().take(4)),
            "\"nodes\":[{\"name\":\"user\",\"status\":200,\"ms\":12},{\"name\":\"orders\",\"error\":\"timeout\",\"ms\":300},\
             {\"name\":\"old\",\"status\":503,\"ms\":1},{\"name\":\"vip\",\"skipped\":true}]"
        );
    }
}
