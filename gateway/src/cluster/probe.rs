//! One health check of one address over the network. How often, and what follows from it, is `health`'s business.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use meta::model::{HealthCheck, Probe};
use pingora_core::{
    connectors::{TransportConnector, http::Connector},
    protocols::http::client::HttpSession,
    upstreams::peer::HttpPeer,
};
use pingora_http::RequestHeader;

/// How much of an answer's body is read.
const LONGEST_BODY: usize = 64 * 1024;

/// What is checked, and how.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where to connect.
    pub address: SocketAddr,
    /// The `Host` to send if the check names none: the server's address as configured.
    pub host: Arc<str>,
    /// The check.
    pub check: Arc<HealthCheck>,
}

/// Carries out checks. The error is the reason, for people. Dropping the future gives the check up.
#[async_trait]
pub trait Prober: Send + Sync {
    /// Checks once; deadlines are the caller's.
    async fn probe(&self, target: &Target) -> Result<(), String>;
}

/// Carries out checks through one connector for the whole process; each check is a connection of its own, so that
/// one kept alive does not hide a server that takes no others.
pub struct NetworkProber {
    http: Connector,
    tcp: TransportConnector,
}

impl Default for NetworkProber {
    fn default() -> Self {
        Self {
            http: Connector::new(None),
            tcp: TransportConnector::new(None),
        }
    }
}

#[async_trait]
impl Prober for NetworkProber {
    async fn probe(&self, target: &Target) -> Result<(), String> {
        let peer = HttpPeer::new(target.address, false, String::new());
        match target.check.probe {
            Probe::Tcp => self.tcp.new_stream(&peer).await.map(drop).map_err(brief),
            Probe::Http => {
                let (mut session, _) = self.http.get_http_session(&peer).await.map_err(brief)?;
                ask(&mut session, target).await?;
                listen(&mut session, &target.check).await
            }
        }
    }
}

async fn ask(session: &mut HttpSession, target: &Target) -> Result<(), String> {
    let check = &target.check;
    let mut request = RequestHeader::build("GET", check.path().as_bytes(), Some(4)).map_err(brief)?;
    let host = check.host.as_deref().unwrap_or(&target.host);
    let fields = [
        ("Host", host),
        ("User-Agent", "gateway-health-check"),
        ("Connection", "close"),
    ];
    for (name, value) in fields {
        request.insert_header(name, value).map_err(brief)?;
    }
    session
        .write_request_header(Box::new(request))
        .await
        .map_err(brief)?;
    session.finish_request_body().await.map_err(brief)
}

/// The status must be one that counts as healthy; the whole body must arrive, or its first 64 KiB, and
/// contain what is expected.
async fn listen(session: &mut HttpSession, check: &HealthCheck) -> Result<(), String> {
    let status = final_status(session).await?;
    if !check.accepts_status(status) {
        return Err(format!("it answered {status}"));
    }
    let mut body = Vec::new();
    while let Some(part) = session.read_response_body().await.map_err(brief)? {
        let room = LONGEST_BODY - body.len();
        body.extend_from_slice(&part[..part.len().min(room)]);
        if body.len() == LONGEST_BODY {
            break;
        }
    }
    match &check.body {
        Some(expected) if memchr::memmem::find(&body, expected.as_bytes()).is_none() => {
            Err(format!("its body does not contain {expected:?}"))
        }
        _ => Ok(()),
    }
}

/// The status after any interim ones (RFC 9110 §15.2).
async fn final_status(session: &mut HttpSession) -> Result<u16, String> {
    loop {
        session.read_response_header().await.map_err(brief)?;
        let header = session.response_header().ok_or("it sent no header")?;
        let status = header.status.as_u16();
        if !matches!(status, 100 | 102..200) {
            return Ok(status);
        }
    }
}

/// An engine's error in a few words: what went wrong, and the system's word for it.
#[expect(clippy::boxed_local, reason = "so it fits `map_err`")]
fn brief(error: pingora_core::BError) -> String {
    let kind = error.etype().as_str();
    match error.root_cause().to_string().trim() {
        "" => kind.to_owned(),
        cause => format!("{kind}: {cause}"),
    }
}
