//! What stands between the client's bytes and a route: who is calling, what for, and what goes on to a backend.

mod client;
mod connection;
mod forwarded;
mod request;

pub use client::TrustedProxies;
pub(crate) use connection::{Connections, Open};
pub(crate) use forwarded::{Forwarding, RequestId, X_REQUEST_ID, is_nominated};
pub(crate) use request::host_of;
pub use request::{Request, SavedParams};
