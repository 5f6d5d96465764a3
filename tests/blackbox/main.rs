//! Black-box tests: the real binary, real sockets, and backends that misbehave on purpose.
//!
//! One test binary for all of them, since each one links the whole tree again. `support` is what they stand
//! on; `support_works` tests that ground itself.
#![allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity)]

mod aggregating;
mod attempts;
mod balancing;
mod breaking;
mod command_line;
mod conditions;
mod deploying;
mod edge;
mod filters;
mod health;
mod hosted_admin;
mod life;
mod limiting;
mod live_changes;
mod manage;
mod many_routes;
mod mirrors;
mod object_mistakes;
mod objects;
mod paths;
mod quarantine;
mod quick_start;
mod remote;
mod rewrites;
mod routing;
mod schemas;
mod splits;
mod start_up;
mod statistics;
mod store;
mod streaming;
mod support;
mod support_works;
