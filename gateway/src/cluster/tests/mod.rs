//! The promises of this module, one test each.

mod balancing;
mod changes;
mod guarding;
mod hashing;
mod health;
mod network;
mod resolving;
mod slow_start;
