//! Bodies and framing: everything passes through as it comes, and nothing is held.

mod both_ways;
mod bulk;
mod early;
mod framing;
mod incomplete;
mod interim;

use tokio::net::{TcpListener, TcpStream};

use crate::objects::one_cluster;
use crate::support::{Backend, Gateway};

/// A gateway in front of one scripted backend.
async fn in_front_of(backend: &Backend) -> Gateway {
    Gateway::start(&one_cluster(&[backend.address()], "", "")).await
}

/// A gateway in front of a listener that the test serves by itself.
async fn in_front_of_listener() -> (Gateway, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = Gateway::start(&one_cluster(&[listener.local_addr().unwrap()], "", "")).await;
    (gateway, listener)
}

/// Reads up to the end of a head and gives it with what came after it.
async fn read_head(stream: &mut TcpStream) -> (String, Vec<u8>) {
    use tokio::io::AsyncReadExt;
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return (String::from_utf8(bytes).unwrap(), rest);
        }
        assert!(
            stream.read_buf(&mut bytes).await.unwrap() > 0,
            "closed inside a head"
        );
    }
}
