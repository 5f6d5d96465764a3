//! Gateway's data plane.
//!
//! **A request** comes in through the engine (Pingora) and is answered wholly in [`proxy`]: the snapshot is loaded once, the
//! [`router`] finds the route, the [`filters`] look at the request, and the [`attempts`] loop picks a server ([`cluster`]), sends the
//! request over HTTP/1.1 ([`exchange`]) and tries another one where that is allowed; [`relay`] passes the answer on. Whatever the gateway
//! answers by itself is a [`refusal`].
//!
//! **A change** comes from the store: [`live`] checks each state (`meta::check`), [`snapshot`] compiles it, reusing what did not
//! change, and one swap puts it in place. Servers, their health and every counter live outside of snapshots and survive changes.
//!
//! Reading order: [`proxy`], [`router`], [`attempts`], [`exchange`], [`cluster`], [`snapshot`], [`live`], then what they need: [`edge`],
//! [`filters`], [`split`], [`rewrite`], [`mirror`], [`relay`], [`refusal`], [`metrics`], and around them [`startup`], [`manage`],
//! [`builder`], [`commandline`], [`quickstart`].

// The names above are a map for whoever reads the source, where private modules can be followed too.
#![allow(rustdoc::private_intra_doc_links)]

mod attempts;
#[doc(hidden)]
pub mod bench;
mod builder;
pub mod cluster;
mod commandline;
pub mod edge;
pub mod exchange;
pub mod filters;
mod live;
mod manage;
mod metrics;
mod mirror;
mod proxy;
mod quickstart;
pub mod refusal;
mod relay;
mod rewrite;
pub mod router;
pub mod schema;
mod snapshot;
mod split;
pub mod startup;

pub use builder::Builder;
