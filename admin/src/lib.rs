//! The control plane of Gateway: an HTTP service that reads and changes the configuration in a store. It keeps nothing of its
//! own, so any number of it may stand before one store. Another process can host it (`serve`); `gateway-admin` runs it alone.
//!
//! **A read** (`base`): the state is loaded and checked, of which only what has changed costs; the answer is made of the objects
//! as they are written.
//!
//! **A write**: the request is read within bounds (`body`, `parameters`, `media`) into what the configuration shall be
//! afterwards (`resource`, `bind`, `transaction`, `whole`, `revisions`). `commit` does the rest for all of them: the whole
//! is checked, then committed on exactly the state that it was checked on, and on a newer one if somebody was faster. The answer
//! is a `commit::Outcome`, or a `problem::Problem` that tells everything that is wrong.
//!
//! In reading order: `config` and `commandline` (the start-up file), `service` (what is where), `problem` and `finding`
//! (refusals), `base`, `change`, `commit`, the endpoints, `openapi` (their description, which tests hold to the truth).

mod base;
mod bind;
mod body;
mod change;
mod commandline;
mod commit;
pub mod config;
mod finding;
mod host;
mod media;
mod openapi;
mod order;
mod parameters;
mod precondition;
mod problem;
mod resource;
mod revisions;
mod service;
mod transaction;
mod whole;

pub use base::Admin;
pub use commandline::run;
pub use openapi::document as openapi;
pub use service::{Signals, serve};

#[cfg(test)]
mod tests;
