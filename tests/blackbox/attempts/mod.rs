//! Attempts: how long is waited, when a request is sent again, and to whom.

mod cancelled;
mod crowds;
mod kept;
mod killed;
mod retries;
mod storms;
mod timeouts;
