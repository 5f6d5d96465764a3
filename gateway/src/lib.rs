//! Gateway's data plane.
//!
//! **A request** comes in through the engine (Pingora) and is answered wholly in [`proxy`]: the snapshot is loaded once, the
//! [`router`] finds the route, the [`filters`] look at the request, its limit and breaker let it pass ([`admission`]), and the
//! [`attempts`] loop picks a server that takes it ([`cluster`]), sends the request over HTTP/1.1 ([`exchange`]) and tries another one where
//! that is allowed; [`relay`] passes the answer on. An aggregation does the same once for each of its nodes and splices the answers
//! ([`aggregate`]); what is asked for by several clients can be answered once ([`share`]). Whatever the gateway answers by itself is a [`refusal`].
//!
//! **A change** comes from the store: [`live`] checks each state (`meta::check`), [`snapshot`] compiles it, reusing what did not
//! change, and one swap puts it in place; [`last_good`] keeps it on the disk, and [`registration`] tells others of it. Servers, their
//! health, limits, breakers and every counter live outside of snapshots and survive changes.
//!
//! Reading order: [`proxy`], [`router`], [`admission`], [`attempts`], [`exchange`], [`cluster`], [`aggregate`], [`share`], [`snapshot`], [`live`],
//! [`last_good`], [`registration`], then what protects:
//! [`limiter`], [`breaker`], [`statistics`]; what they need: [`edge`], [`filters`], [`split`], [`rewrite`], [`mirror`], [`detached`], [`relay`], [`refusal`],
//! [`metrics`], [`clock`], [`kept`]; and around them [`startup`], [`manage`], [`last_good`], [`registration`], [`hosted`], [`process`], [`builder`], [`commandline`],
//! [`examine`], [`quickstart`], [`remote`].

// The names above are a map for whoever reads the source, where private modules can be followed too.
#![allow(rustdoc::private_intra_doc_links)]

mod admission;
#[doc(hidden)]
pub mod aggregate;
mod attempts;
#[doc(hidden)]
pub mod bench;
pub mod breaker;
mod builder;
pub mod clock;
pub mod cluster;
mod commandline;
mod detached;
pub mod edge;
mod examine;
pub mod exchange;
pub mod filters;
mod hosted;
mod kept;
mod last_good;
pub mod limiter;
mod live;
mod manage;
mod metrics;
mod mirror;
mod process;
mod proxy;
mod quickstart;
pub mod refusal;
mod registration;
mod relay;
mod remote;
mod rewrite;
pub mod router;
pub mod schema;
mod share;
mod snapshot;
mod split;
pub mod startup;
pub mod statistics;
mod sync;

pub use builder::Builder;
