//! Listening sockets from one process to the next, over a Unix socket (`upgrade_sock`).
//!
//! ```text
//! running process                           process started with -u
//!                                           applies a revision, listens on upgrade_sock
//! SIGQUIT: connects, sends its sockets ──►
//!                                           accepts clients on them
//!                                      ◄──  "ready"
//! takes no new clients, drains, exits
//! ```
//!
//! A listening socket that two processes hold takes clients for both: no moment is without one that accepts. Whatever goes wrong before
//! "ready", the running process goes on as if nothing had happened. The engine's own hand-over knows no answer and trusts everybody.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::SocketAddr,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{UnixListener, UnixStream},
    time::{sleep, timeout},
};

use super::Sockets;

const READY: &[u8] = b"ready\n";

/// From being sent the sockets to being ready: their services only have to start.
const UNTIL_READY: Duration = Duration::from_secs(30);

/// Sockets one message can carry: the kernel's `SCM_MAX_FD`.
const MOST_SOCKETS: usize = 253;

/// How long the two processes wait for each other to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// The running one after SIGQUIT, for one that takes over.
    pub(crate) running: Duration,
    /// The one that takes over, for the running one to be told.
    pub(crate) next: Duration,
}

impl Waits {
    /// As the engine's key says; if it does not, 5 s as with the engine, and a minute for whoever types the two commands.
    pub(crate) fn of(retries: Option<usize>) -> Self {
        let seconds = |usual: u64| Duration::from_secs(retries.map_or(usual, |retries| retries as u64));
        Self {
            running: seconds(5),
            next: seconds(60),
        }
    }
}

/// How handing over went.
#[derive(Debug)]
pub(super) enum Given {
    /// Another process serves on the sockets.
    Taken,
    /// No process came to take them.
    Nobody,
    /// One came and could not; this one is still the only one.
    Failed(io::Error),
}

/// Hands the sockets to the process that waits for them at `path`, for `wait` at most.
pub(super) async fn give(sockets: &Sockets, path: &Path, wait: Duration) -> Given {
    let Ok(mut next) = timeout(wait, connect(path)).await else {
        return Given::Nobody;
    };
    let given = async {
        trusted(&next)?;
        send(&next, sockets).await?;
        let mut answer = [0; READY.len()];
        next.read_exact(&mut answer).await?;
        if answer == READY { Ok(()) } else { Err(broken()) }
    };
    match timeout(UNTIL_READY, given).await {
        Ok(Ok(())) => Given::Taken,
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Given::Failed(io::Error::new(error.kind(), "it ended before it was ready"))
        }
        Ok(Err(error)) => Given::Failed(error),
        Err(_) => Given::Failed(io::ErrorKind::TimedOut.into()),
    }
}

/// Tries until somebody listens.
async fn connect(path: &Path) -> UnixStream {
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return stream,
            Err(error) => log::trace!("{}: {error}", path.display()),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// A place where the running process finds this one.
pub(super) struct Waiting {
    listener: UnixListener,
    path: PathBuf,
}

impl Waiting {
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        // Left behind by a process that was killed.
        let _ = std::fs::remove_file(path);
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("upgrade_sock {}: {error}", path.display()))
        };
        Ok(Self {
            listener: UnixListener::bind(path).map_err(named)?,
            path: path.to_owned(),
        })
    }

    /// The running process's sockets, and the connection to it.
    pub(super) async fn take(self) -> io::Result<(Sockets, Predecessor)> {
        let (stream, _) = self.listener.accept().await?;
        trusted(&stream)?;
        let sockets = receive(&stream).await?;
        Ok((sockets, Predecessor(stream)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The running process, which goes on until it is told that this one is ready.
pub(super) struct Predecessor(UnixStream);

impl Predecessor {
    pub(super) async fn release(mut self) {
        if let Err(error) = self.0.write_all(READY).await {
            log::error!("the process before cannot be told to end: {error}");
        }
    }
}

/// Sockets go to, and come from, the same user or the superuser only: wherever `upgrade_sock` lies, others can connect or be first.
fn trusted(other: &UnixStream) -> io::Result<()> {
    let (theirs, ours) = (other.peer_cred()?.uid(), rustix::process::geteuid().as_raw());
    if theirs == ours || theirs == 0 {
        return Ok(());
    }
    let why = format!("the other process is user {theirs}'s, this one user {ours}'s");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// One message: the addresses, one a line, and as many descriptors in the same order.
async fn send(to: &UnixStream, sockets: &Sockets) -> io::Result<()> {
    let lines: String = sockets
        .addresses()
        .map(|address| format!("{address}\n"))
        .collect();
    let descriptors = sockets.descriptors();
    let rights = || SendAncillaryMessage::ScmRights(&descriptors);
    let mut space = vec![MaybeUninit::uninit(); rights().size()];
    let sent = to.async_io(Interest::WRITABLE, || {
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(rights());
        Ok(sendmsg(
            to,
            &[IoSlice::new(lines.as_bytes())],
            &mut control,
            SendFlags::NOSIGNAL,
        )?)
    });
    if sent.await? == lines.len() {
        Ok(())
    } else {
        Err(broken())
    }
}

async fn receive(from: &UnixStream) -> io::Result<Sockets> {
    // The longest address takes 58 bytes.
    let mut lines = vec![0; MOST_SOCKETS * 64];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
    let (length, descriptors) = from
        .async_io(Interest::READABLE, || {
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::CMSG_CLOEXEC;
            let received = recvmsg(from, &mut [IoSliceMut::new(&mut lines)], &mut control, flags)?;
            let rights = control.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            });
            Ok((received.bytes, rights.flatten().collect::<Vec<OwnedFd>>()))
        })
        .await?;
    let text = lines.get(..length).and_then(|lines| str::from_utf8(lines).ok());
    let addresses: Result<Vec<SocketAddr>, _> = text.unwrap_or_default().lines().map(str::parse).collect();
    match addresses {
        Ok(addresses) if addresses.len() == descriptors.len() => {
            Ok(Sockets::received(addresses.into_iter().zip(descriptors)))
        }
        _ => Err(broken()),
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it does not speak as a gateway does")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const WAIT: Duration = Duration::from_secs(10);

    fn sockets() -> (SocketAddr, Sockets) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        (address, Sockets::bind(&[address]).unwrap())
    }

    #[tokio::test]
    async fn sockets_are_given_and_taken_once_the_other_says_ready() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sock");
        let (address, sockets) = sockets();
        let waiting = Waiting::at(&path).unwrap();
        let take = async {
            let (taken, predecessor) = waiting.take().await.unwrap();
            predecessor.release().await;
            taken
        };
        let (given, taken) = tokio::join!(give(&sockets, &path, WAIT), take);
        assert!(matches!(given, Given::Taken));
        assert!(!path.exists());
        drop(sockets);
        assert!(taken.addresses().eq([address]));
        let _client = TcpStream::connect(address).unwrap();
        let listener = taken.into_listeners(&[address]).next().unwrap();
        assert!(listener.accept().is_ok());
    }

    #[tokio::test]
    async fn one_that_ends_or_speaks_otherwise_has_not_taken_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sock");
        let (_, sockets) = sockets();
        for says in ["", "hello\n"] {
            let waiting = Waiting::at(&path).unwrap();
            let take = async {
                let (_, mut predecessor) = waiting.take().await.unwrap();
                predecessor.0.write_all(says.as_bytes()).await.unwrap();
            };
            let (given, ()) = tokio::join!(give(&sockets, &path, WAIT), take);
            assert!(matches!(given, Given::Failed(_)), "{says:?}: {given:?}");
        }
    }

    #[tokio::test]
    async fn nobody_is_waited_for_only_so_long() {
        let directory = tempfile::tempdir().unwrap();
        let (_, sockets) = sockets();
        let given = give(
            &sockets,
            &directory.path().join("sock"),
            Duration::from_millis(50),
        )
        .await;
        assert!(matches!(given, Given::Nobody));
    }

    #[tokio::test]
    async fn what_is_no_message_of_a_gateway_is_refused() {
        for text in ["127.0.0.1:1\n", "\n", "x\n"] {
            let (one, mut other) = UnixStream::pair().unwrap();
            other.write_all(text.as_bytes()).await.unwrap();
            assert!(receive(&one).await.is_err(), "{text:?}");
        }
    }
}
