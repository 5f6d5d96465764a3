//! A port for a process that must be told where to listen.
//!
//! Taken from below the range the system hands out by itself, so no outgoing connection grabs it, and held
//! by a lock on a file named after it, so that tests in other processes take others.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};

const FIRST: u16 = 20_000;
const LAST: u16 = 31_999;

/// A port of 127.0.0.1 that nobody else listens on, reserved until dropped.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Reserves a free port.
    pub(crate) fn reserve() -> Self {
        let directory = std::env::temp_dir().join("gateway-test-ports");
        std::fs::create_dir_all(&directory).expect("a directory for port locks");
        for _ in 0..10_000 {
            let number = fastrand::u16(FIRST..=LAST);
            let lock = File::create(directory.join(number.to_string())).expect("a lock file");
            let free = || TcpListener::bind(("127.0.0.1", number)).is_ok();
            if lock.try_lock().is_ok() && free() {
                return Self { number, _lock: lock };
            }
        }
        panic!("no free port between {FIRST} and {LAST}");
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.number))
    }
}
