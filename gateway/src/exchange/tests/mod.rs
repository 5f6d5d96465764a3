//! Tests of the exchange as a whole.
#![allow(clippy::unwrap_used, clippy::panic)]

mod flow;
mod isolation;
mod pooling;
mod table;
mod wire;
