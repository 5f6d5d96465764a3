//! What the black-box tests stand on.
//!
//! * `Backend`: a scriptable HTTP server, down to single bytes and resets.
//! * `Gateway`: the real binary with its files in a directory of its own, ended with the test.
//! * `Client`: a raw HTTP/1.1 client that sends exact bytes and reports exact answers.
//! * `Etcd`: a real etcd that can be killed, stopped and emptied; `Keys` writes to it, `Relay` disturbs the way to it.
//! * `Load`: steady requests that count every answer and every error.
//! * `objects`: configurations for tests that say only what they are about.
//! * `eventually`: waits for something observable, with a deadline.
//!
//! Everything runs on the test's own tokio runtime: use `#[tokio::test(flavor = "multi_thread")]` where load and
//! backend should not share a thread. Being test code, it panics with a message where a test could only fail.
#![allow(dead_code, unused_imports)] // Each test uses the part it needs.

mod backend;
mod client;
mod etcd;
mod gateway;
mod keys;
mod load;
mod objects;
mod port;
mod processor;
mod relay;
mod script;
mod wait;
mod wire;

pub(crate) use backend::{Backend, Received};
pub(crate) use client::{Client, Response, get, post, request};
pub(crate) use etcd::{Etcd, leader};
pub(crate) use gateway::{BINARY, Exited, Gateway, Running, signal, sum_of_samples};
pub(crate) use keys::Keys;
pub(crate) use load::{Histogram, Load, Plan, Report};
pub(crate) use objects::{clusters, edit_and_wait, one_route, replies, revision};
pub(crate) use port::Port;
pub(crate) use processor::processor_time;
pub(crate) use relay::{Fault, Relay};
pub(crate) use script::{Reply, Step};
pub(crate) use wait::eventually;
