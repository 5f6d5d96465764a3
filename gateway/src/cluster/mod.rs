//! Clusters: which server gets a request, and whether it can.
//!
//! Two halves. A [`Cluster`] is the compiled form of one cluster in one revision and belongs to the snapshot: its
//! members, their weights, its algorithm. A [`Server`] and the health of its addresses live outside of every
//! snapshot, in the [`Registry`], and survive every change around them.
//!
//! A request: [`Cluster::pick`] (`balance`) → the algorithm proposes a member (`schedule`, `alias`, `ring`),
//! a member that grows slowly may pass (`ramp`), [`Server::admit`] gives a [`Permit`] → the caller sends, and
//! finishes the permit. What a pick reads is one `standing`, computed beforehand: no lock, no allocation,
//! no dead member to walk over.
//!
//! A change: [`Registry::apply`] compiles clusters again only where something of theirs changed, starts and stops
//! health checks (`health`, `probe`) and the resolving of names (`resolve`). What those find out marks the clusters
//! concerned, and `refresh` computes their standing again, off the request path.

mod alias;
mod balance;
mod guard;
mod health;
mod penalty;
mod probe;
mod ramp;
mod refresh;
mod registry;
mod resolve;
mod ring;
mod schedule;
mod server;
mod standing;
mod status;
pub(crate) mod task;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tried;

pub use balance::{Cluster, NoServer, Picked};
pub use guard::{Guard, Refused};
pub use probe::{NetworkProber, Prober, Target};
pub use registry::Registry;
pub use resolve::{Resolve, SystemResolver};
pub use ring::hash_of;
pub use server::{Endpoint, Outcome, Permit, Server};
pub use status::{AddressStatus, ServerStatus};
pub use tried::Tried;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks what only background work and changes lock. A holder that panicked leaves a whole value behind: every
/// critical section here replaces or appends, so what it guards stays usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
