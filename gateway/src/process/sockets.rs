//! The sockets a process listens on. They are bound before anything else is done, owned here, lent to the engine's services, and
//! handed to the process that follows.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd},
};

use pingora_core::server::ListenFds;
use socket2::{SockFilter, SockRef};

/// Listening sockets, each with the address it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Sockets(Vec<(SocketAddr, TcpListener)>);

impl Sockets {
    /// Listens on each address; the error names the one that cannot be listened on.
    pub(crate) fn bind(addresses: &[SocketAddr]) -> io::Result<Self> {
        Self::adopt(Self::default(), addresses)
    }

    /// Keeps of `given` what listens on one of the addresses, and listens on those that are not among them.
    pub(crate) fn adopt(given: Self, addresses: &[SocketAddr]) -> io::Result<Self> {
        let mut given = given.0;
        let mut find = |address: &SocketAddr| {
            let at = given.iter().position(|(of, _)| of == address)?;
            Some(given.swap_remove(at).1)
        };
        let mut sockets = Vec::with_capacity(addresses.len());
        for address in addresses {
            let listener = match find(address) {
                Some(listener) => listener,
                None => bind(address)?,
            };
            sockets.push((*address, listener));
        }
        Ok(Self(sockets))
    }

    /// Sockets as another process sent them.
    pub(super) fn received(sockets: impl IntoIterator<Item = (SocketAddr, OwnedFd)>) -> Self {
        let listeners = sockets.into_iter().map(|(address, fd)| (address, fd.into()));
        Self(listeners.collect())
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(|(address, _)| *address)
    }

    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.0.iter().map(|(_, listener)| listener.as_fd()).collect()
    }

    /// Puts a duplicate of each where the engine's services look for theirs before they bind any.
    pub(super) fn lend(&self, to: &ListenFds) -> io::Result<()> {
        let mut table = to.lock();
        for (address, listener) in &self.0 {
            table.add(address.to_string(), listener.try_clone()?.into_raw_fd());
        }
        Ok(())
    }

    /// Another handle on the socket that listens on `address`.
    pub(super) fn duplicate(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let found = self.0.iter().find(|(of, _)| *of == address);
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("no socket on {address}"));
        found.ok_or_else(missing)?.1.try_clone()
    }

    /// Lets nobody begin to connect to these addresses any more: whoever does hears nothing, tries again within a second or so, and is refused since the
    /// socket is closed by then. Without this a client could come between the last accept and the close, and be reset.
    ///
    /// A packet filter does it, which every program may put on its own sockets. Where the system does not take it the socket is just
    /// closed a little later.
    pub(super) fn let_nobody_begin(&self, at: &[SocketAddr]) {
        for (address, listener) in self.0.iter().filter(|(address, _)| at.contains(address)) {
            if let Err(error) = SockRef::from(listener).attach_filter(&no_beginnings()) {
                log::debug!("{address}: no filter: {error}");
            }
        }
    }

    /// The listeners on these addresses; the others are closed.
    pub(super) fn into_listeners(self, of: &[SocketAddr]) -> impl Iterator<Item = TcpListener> {
        let wanted = |(address, listener)| of.contains(&address).then_some(listener);
        self.0.into_iter().filter_map(wanted)
    }
}

/// Clients that may wait to be accepted, as with the engine; the kernel has a bound of its own (`net.core.somaxconn`).
const QUEUE: i32 = 65_535;

fn bind(address: &SocketAddr) -> io::Result<TcpListener> {
    let listen = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        // The standard library's queue is short, and nobody accepts yet.
        rustix::net::listen(&listener, QUEUE)?;
        Ok(listener)
    };
    listen().map_err(|error: io::Error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

/// Classic BPF over a segment that begins with its TCP header: drops those with SYN and without ACK (RFC 9293 §3.1), takes all others.
fn no_beginnings() -> [SockFilter; 5] {
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const FLAGS_AT: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_AT),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{net::TcpStream, time::Duration};

    use super::*;

    fn any() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    }

    #[test]
    fn what_was_given_is_kept_what_is_missing_is_bound_what_is_not_wanted_is_closed() {
        let (kept, dropped, missing) = (any(), any(), any());
        let given = Sockets::bind(&[kept, dropped]).unwrap();
        let same = given.0[0].1.try_clone().unwrap();
        let sockets = Sockets::adopt(given, &[missing, kept]).unwrap();
        assert!(sockets.addresses().eq([missing, kept]));
        assert!(TcpListener::bind(dropped).is_ok());
        let _client = TcpStream::connect(kept).unwrap();
        assert!(same.accept().is_ok(), "it is the same socket");
    }

    #[test]
    fn an_address_that_is_taken_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = Sockets::bind(&[address]).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("cannot listen on {address}: ")),
            "{error}"
        );
    }

    #[test]
    fn who_is_there_stays_and_nobody_else_begins() {
        let address = any();
        let sockets = Sockets::bind(&[address]).unwrap();
        let _client = TcpStream::connect(address).unwrap();
        sockets.let_nobody_begin(&[address]);
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(50));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let listener = sockets.into_listeners(&[address]).next().unwrap();
        assert!(listener.accept().is_ok());
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
