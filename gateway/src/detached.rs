//! A request with everything it needs to go to a cluster without its client: for copies, and for calls whose answer is for several
//! clients.

use std::{net::IpAddr, sync::Arc, time::Instant};

use meta::model::{PriorityClass, Retry};
use pingora_http::RequestHeader;
use tokio::net::TcpStream;

use crate::{
    attempts::{Answered, Call, CallError, CopiedBody, Deadline, call},
    edge::{Forwarding, RequestId},
    exchange::Connection,
    snapshot::Upstream,
};

/// A request that does not depend on its client any more.
#[derive(Clone)]
pub(crate) struct Detached {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) head: RequestHeader,
    /// The path and query that are sent.
    pub(crate) target: Vec<u8>,
    pub(crate) id: RequestId,
    pub(crate) peer: IpAddr,
    pub(crate) peer_is_trusted: bool,
    pub(crate) hash: u64,
    pub(crate) retry: Option<Retry>,
    pub(crate) class: PriorityClass,
}

impl Detached {
    /// Sends it until a server answers.
    pub(crate) async fn send(&self, mut body: CopiedBody, deadline: Deadline) -> Result<Answered, CallError> {
        let attempt = Call {
            upstream: &self.upstream,
            hash: self.hash,
            retry: self.retry.as_ref(),
            class: self.class,
            started: Instant::now(),
            deadline,
            avoided: None,
        };
        let forwarding = Forwarding {
            head: &self.head,
            id: &self.id,
            peer: self.peer,
            peer_is_trusted: self.peer_is_trusted,
        };
        let start = |_: &CopiedBody, connection: &mut Connection<TcpStream>, framing| {
            connection.start(&self.head.method, &self.target, framing, |to| {
                forwarding.write(to)
            })
        };
        call(&attempt, &mut body, start).await
    }
}
