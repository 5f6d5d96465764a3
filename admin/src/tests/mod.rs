//! The endpoints, asked in process.

#![allow(clippy::unwrap_used, clippy::panic)]

mod conditional;
mod configurations;
mod described;
mod desk;
mod etcd;
mod lists;
mod memberships;
mod objects;
mod past;
mod refusals;
mod trouble;
