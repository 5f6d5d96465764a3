//! Traffic control: how many requests a second, how many at once.
//!
//! In reading order: [`Rate`] is what a limit says, [`Bucket`] keeps one such limit, [`Gate`] caps the requests in flight and
//! queues those above, [`Adaptive`] finds that cap by itself, [`keyed`] does both per value of a key in bounded memory; [`Limit`] and
//! [`Limiter`] put them together: what a server, a cluster, a route or a proxy has.
//!
//! Nothing here reads a clock except the queue (`tokio::time`) and the overflow of [`keyed`] (`pingora-limits`): the time is
//! passed in.

mod adaptive;
mod bucket;
mod entered;
mod exceeded;
mod gate;
pub mod keyed;
mod limit;
mod rate;

#[cfg(test)]
mod tests;

pub use adaptive::Adaptive;
pub use bucket::Bucket;
pub use entered::Entered;
pub use exceeded::{Exceeded, Scope};
pub use gate::{Full, Gate, Slot};
pub use keyed::KeyHasher;
pub use limit::{Limit, LimitStatus, Limiter};
pub use rate::{Rate, Ticks, Wait};
