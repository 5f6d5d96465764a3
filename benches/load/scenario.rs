//! What is sent. All targets get the same requests; each connection asks for a path of its own, so that a
//! table of ten thousand routes is used all over. The headers are what its conditions look at.

use clap::ValueEnum;

use crate::ask::{Afterwards, Ask};
use crate::parts::{NAMES, Size};
use crate::target::Target;

/// Bytes of the small answer.
pub(crate) const SMALL: usize = 64;
/// Bytes of the medium answer and of the posted body.
pub(crate) const MEDIUM: usize = 16 * 1024;
/// Bytes of the large answer.
pub(crate) const LARGE: usize = 1024 * 1024;
/// Routes of the large table; request paths are `/service-N/…` with N below it.
pub(crate) const ROUTES: usize = 10_000;

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// GET, 64-byte JSON, kept-alive connections
    Small,
    /// GET, 16 KB body
    Medium,
    /// POST of 16 KB, 64-byte answer
    Post,
    /// GET, 1 MB body
    Large,
    /// GET, 64-byte JSON, a new connection for each request
    Connect,
    /// Resident memory after 10,000 connections were opened, used once and closed
    Memory,
    /// GET, one answer of three services' 200-byte JSON
    Aggregate,
    /// GET, one answer of three services' 18 KB JSON
    #[value(name = "aggregate-18k")]
    Aggregate18k,
    /// An aggregation over a cluster with one slow server of three, with hedging and without
    Hedge,
    /// A quick aggregation beside 1,000 that wait
    Isolation,
}

impl Scenario {
    pub(crate) const ALL: [Self; 10] = [
        Self::Small,
        Self::Medium,
        Self::Post,
        Self::Large,
        Self::Connect,
        Self::Memory,
        Self::Aggregate,
        Self::Aggregate18k,
        Self::Hedge,
        Self::Isolation,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Post => "post",
            Self::Large => "large",
            Self::Connect => "connect",
            Self::Memory => "memory",
            Self::Aggregate => "aggregate",
            Self::Aggregate18k => "aggregate-18k",
            Self::Hedge => "hedge",
            Self::Isolation => "isolation",
        }
    }

    /// What happens, for the heading.
    pub(crate) fn explanation(self) -> &'static str {
        match self {
            Self::Small => "GET, 64-byte JSON, kept-alive connections",
            Self::Medium => "GET, 16 KB body, kept-alive connections",
            Self::Post => "POST of 16 KB, 64-byte answer, kept-alive connections",
            Self::Large => "GET, 1 MB body, kept-alive connections",
            Self::Connect => "GET, 64-byte JSON, a new connection for each request",
            Self::Memory => "10,000 connections opened, used once and closed",
            Self::Aggregate => "GET, three services' 200-byte JSON in one; ours-forward gets one of them",
            Self::Aggregate18k => "GET, three services' 18 KB JSON in one; ours-forward gets one of them",
            Self::Hedge => "GET, two calls to a cluster of which one server of three is slow",
            Self::Isolation => "GET, three quick calls, beside 1,000 aggregations of which one call is slow",
        }
    }

    /// Of what size the parts are that this puts together; none if it does not.
    pub(crate) fn parts(self) -> Option<Size> {
        match self {
            Self::Aggregate => Some(Size::Small),
            Self::Aggregate18k => Some(Size::Big),
            _ => None,
        }
    }

    /// Most for CPU per request of one target divided by another's.
    pub(crate) fn bar(self, pair: (Target, Target)) -> Option<f64> {
        self.parts()?;
        match pair {
            (Target::Ours, Target::OursForward) => Some(2.0),
            (Target::Ours, Target::Nginx) => Some(0.8),
            (Target::Ours, Target::Handwritten) => Some(0.7),
            _ => None,
        }
    }

    /// What connection number `index` to this target sends.
    pub(crate) fn ask(self, target: Target, index: usize) -> Ask {
        // 157 shares no factor with the number of routes: neighbours ask for routes far apart.
        let service = index * 157 % ROUTES;
        let get = |path: &str, length| request("GET", path, "", length);
        match self {
            Self::Small | Self::Memory => get(&format!("/service-{service}/small"), SMALL),
            Self::Medium => get(&format!("/service-{service}/medium"), MEDIUM),
            Self::Large => get(&format!("/service-{service}/large"), LARGE),
            Self::Connect => Ask {
                afterwards: Afterwards::Closed,
                ..request(
                    "GET",
                    &format!("/service-{service}/small"),
                    "Connection: close\r\n",
                    SMALL,
                )
            },
            Self::Post => {
                let length = format!("Content-Length: {MEDIUM}\r\n");
                let mut ask = request("POST", &format!("/service-{service}/small"), &length, SMALL);
                ask.bytes.resize(ask.bytes.len() + MEDIUM, b'p');
                ask
            }
            Self::Aggregate => aggregated(target, Size::Small),
            Self::Aggregate18k => aggregated(target, Size::Big),
            Self::Hedge | Self::Isolation => get("/service-0/small", SMALL),
        }
    }
}

fn aggregated(target: Target, size: Size) -> Ask {
    let suffix = size.suffix();
    match target {
        Target::OursForward => request("GET", &format!("/parts/7/{}{suffix}", NAMES[0]), "", size.bytes()),
        _ => request("GET", &format!("/home{suffix}/7"), "", size.whole().len()),
    }
}

fn request(method: &str, path: &str, more: &str, answer_length: usize) -> Ask {
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench\r\n\
         Accept: */*\r\nX-Version: 3\r\nCookie: group=b\r\n{more}\r\n"
    );
    Ask::new(text.into_bytes(), answer_length)
}
