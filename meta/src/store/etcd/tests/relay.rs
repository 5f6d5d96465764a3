//! A TCP relay between a store and etcd that can cut, stall and delay.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    Pass,
    /// Ends all connections and takes no other.
    Cut,
    /// Keeps all connections and hands nothing on.
    Stall,
    Delay(Duration),
}

pub(super) struct Relay {
    mode: Arc<watch::Sender<Mode>>,
    endpoint: String,
}

impl Relay {
    pub(super) async fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let mode = Arc::new(watch::Sender::new(Mode::Pass));
        tokio::spawn(accept(listener, address.to_owned(), mode.clone()));
        Self { mode, endpoint }
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn accept(listener: TcpListener, address: String, mode: Arc<watch::Sender<Mode>>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (address, mode) = (address.clone(), mode.subscribe());
        tokio::spawn(async move {
            if *mode.borrow() == Mode::Cut {
                return;
            }
            let Ok(server) = TcpStream::connect(address).await else {
                return;
            };
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            let mut cut = mode.clone();
            tokio::select! {
                () = pump(&mut from_client, &mut to_server, mode.clone()) => {}
                () = pump(&mut from_server, &mut to_client, mode) => {}
                _ = cut.wait_for(|mode| *mode == Mode::Cut) => {}
            }
        });
    }
}

async fn pump(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut mode: watch::Receiver<Mode>,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        let now = *mode.wait_for(|mode| *mode != Mode::Stall).await.unwrap();
        if let Mode::Delay(time) = now {
            sleep(time).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
