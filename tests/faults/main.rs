//! The fault lab: real proxies on a real etcd, of which one thing or another goes wrong while requests come steadily. No
//! request may fail, and once the fault is over an edit must be served as soon as ever.
//!
//! Each test has two sizes ([`scale`]): with `make test` a fault lasts a moment and the figures are only printed; with
//! `make faults` it lasts as long as it does in earnest, at full load, and the figures are asserted.
#![allow(clippy::unwrap_used, clippy::panic)]

mod clock;
mod contents;
mod fleet;
mod lab;
mod measure;
mod quorum;
mod registration;
mod restarts;
mod rig_works;
mod scale;
mod silence;
mod storms;
#[path = "../blackbox/support/mod.rs"]
mod support;
mod traffic;
mod wire;
