//! A TCP relay between a gateway and etcd that can refuse, cut, stall, delay and corrupt.
//!
//! What it does can be changed while connections stand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::Port;

/// How many pieces are under way at most, in each direction of a connection.
const UNDER_WAY: usize = 1024;
/// Of what etcd tells, every so many bytes one is changed: more than once in each frame of HTTP/2, whose head alone has 9.
const CORRUPT_EVERY: usize = 7;

/// What a relay does to its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Hands everything on.
    None,
    /// Ends all connections and refuses others.
    Refuse,
    /// Ends each connection once so many bytes of what etcd says have been handed on since the fault began: in the midst of
    /// an event, if they are fewer than it has.
    CutAfter(usize),
    /// Keeps all connections and hands nothing on.
    Stall,
    /// Hands on what the gateway says, but nothing that etcd says.
    StallAnswers,
    /// Hands everything on so much later, in each direction.
    Delay(Duration),
    /// Changes bytes of what etcd says.
    Corrupt,
}

/// A relay to one address; dropping it ends its connections.
pub(crate) struct Relay {
    port: Port,
    fault: watch::Sender<Fault>,
    ended: Arc<AtomicU64>,
    accepting: AbortHandle,
}

/// Which way a piece goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToEtcd,
    ToGateway,
}

impl Relay {
    /// Starts one that hands everything on.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let port = Port::reserve();
        let fault = watch::Sender::new(Fault::None);
        let ended = Arc::<AtomicU64>::default();
        let listener = listen(port.address()).await;
        let serving = serve(listener, target, fault.subscribe(), Arc::clone(&ended));
        Self {
            port,
            fault,
            ended,
            accepting: tokio::spawn(serving).abort_handle(),
        }
    }

    /// Where it takes connections.
    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The same as a gateway's `endpoints` name it.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Does this from here on.
    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// How many connections have ended, by whichever side.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn listen(address: SocketAddr) -> TcpListener {
    TcpListener::bind(address).await.expect("a reserved port")
}

/// Owns its connections: when this task is aborted they are cut.
async fn serve(
    listener: TcpListener,
    target: SocketAddr,
    mut fault: watch::Receiver<Fault>,
    ended: Arc<AtomicU64>,
) {
    let address = listener.local_addr().expect("a bound socket");
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    let mut refusing = fault.clone();
    loop {
        let Some(listening) = &listener else {
            if fault.wait_for(|fault| *fault != Fault::Refuse).await.is_err() {
                return;
            }
            listener = Some(listen(address).await);
            continue;
        };
        tokio::select! {
            accepted = listening.accept() => {
                let Ok((gateway, _)) = accepted else { continue };
                connections.spawn(connection(gateway, target, fault.clone()));
            }
            Some(_) = connections.join_next() => {
                ended.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) = refusing.wait_for(|fault| *fault == Fault::Refuse) => listener = None,
        }
    }
}

/// One connection, until either side ends it or it is cut.
async fn connection(gateway: TcpStream, target: SocketAddr, mut fault: watch::Receiver<Fault>) {
    let Ok(etcd) = TcpStream::connect(target).await else {
        return;
    };
    gateway.set_nodelay(true).ok();
    etcd.set_nodelay(true).ok();
    let (from_gateway, to_gateway) = gateway.into_split();
    let (from_etcd, to_etcd) = etcd.into_split();
    let (up, down) = (fault.clone(), fault.clone());
    tokio::select! {
        () = hand_on(from_gateway, to_etcd, up, Way::ToEtcd) => {}
        () = hand_on(from_etcd, to_gateway, down, Way::ToGateway) => {}
        _ = fault.wait_for(|fault| *fault == Fault::Refuse) => {}
    }
}

/// One direction of a connection. Reading goes on while pieces wait for their time.
async fn hand_on(
    mut from: tcp::OwnedReadHalf,
    to: tcp::OwnedWriteHalf,
    fault: watch::Receiver<Fault>,
    way: Way,
) {
    let (pieces, waiting) = mpsc::channel(UNDER_WAY);
    let reading = async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            if pieces
                .send((Instant::now(), buffer[..length].to_vec()))
                .await
                .is_err()
            {
                return;
            }
        }
    };
    tokio::join!(reading, deliver(waiting, to, fault, way));
}

async fn deliver(
    mut pieces: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut to: tcp::OwnedWriteHalf,
    mut fault: watch::Receiver<Fault>,
    way: Way,
) {
    // How much was handed on since which fault began.
    let (mut told, mut since) = (0, Fault::None);
    while let Some((arrived, mut piece)) = pieces.recv().await {
        let stalls = |fault: &Fault| match way {
            Way::ToEtcd => *fault == Fault::Stall,
            Way::ToGateway => matches!(fault, Fault::Stall | Fault::StallAnswers),
        };
        let Ok(fault) = fault.wait_for(|fault| !stalls(fault)).await.map(|fault| *fault) else {
            return;
        };
        if fault != since {
            (told, since) = (0, fault);
        }
        let mut is_last = false;
        match (fault, way) {
            (Fault::Delay(time), _) => tokio::time::sleep_until(arrived + time).await,
            (Fault::Corrupt, Way::ToGateway) => corrupt(&mut piece, told),
            (Fault::CutAfter(most), Way::ToGateway) => {
                let left = most.saturating_sub(told);
                is_last = left <= piece.len();
                piece.truncate(left);
            }
            _ => {}
        }
        told += piece.len();
        if to.write_all(&piece).await.is_err() || is_last {
            return;
        }
    }
}

fn corrupt(piece: &mut [u8], before: usize) {
    for (at, byte) in (before..).zip(piece) {
        if at % CORRUPT_EVERY == 0 {
            *byte ^= 0x40;
        }
    }
}
