//! What is sent. All targets get the same requests; each connection asks for a path of its own, so that a
//! table of ten thousand routes is used all over. The headers are what its conditions look at.

use clap::ValueEnum;

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
}

impl Scenario {
    pub(crate) const ALL: [Self; 6] = [
        Self::Small,
        Self::Medium,
        Self::Post,
        Self::Large,
        Self::Connect,
        Self::Memory,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Post => "post",
            Self::Large => "large",
            Self::Connect => "connect",
            Self::Memory => "memory",
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
        }
    }

    /// Bytes of the body a correct answer has.
    pub(crate) fn answer_length(self) -> usize {
        match self {
            Self::Medium => MEDIUM,
            Self::Large => LARGE,
            _ => SMALL,
        }
    }

    /// The exact bytes connection number `index` sends.
    pub(crate) fn request(self, index: usize) -> Vec<u8> {
        // 157 shares no factor with the number of routes: neighbours ask for routes far apart.
        let service = index * 157 % ROUTES;
        let (method, resource, more) = match self {
            Self::Small | Self::Memory => ("GET", "small", String::new()),
            Self::Medium => ("GET", "medium", String::new()),
            Self::Large => ("GET", "large", String::new()),
            Self::Connect => ("GET", "small", "Connection: close\r\n".to_owned()),
            Self::Post => ("POST", "small", format!("Content-Length: {MEDIUM}\r\n")),
        };
        let mut bytes = format!(
            "{method} /service-{service}/{resource} HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench\r\n\
             Accept: */*\r\nX-Version: 3\r\nCookie: group=b\r\n{more}\r\n"
        )
        .into_bytes();
        if self == Self::Post {
            bytes.resize(bytes.len() + MEDIUM, b'p');
        }
        bytes
    }
}
