//! Limits per value of a key (a client address, a header, …) in memory that does not grow with the number of values.
//!
//! [`KeyedRates`] limits requests over time, [`KeyedGates`] requests in flight; one of each serves all keyed limits of a process.
//! Both keep their keys in a [`table`] of fixed size and know a key only by its hash ([`KeyHasher`]).
//!
//! What is promised, for as long as the live keys of all limits together are within bounds ([`KeyedRates::PROMISED_KEYS`],
//! [`KeyedGates::PROMISED_KEYS`]): every key has its limit exactly, and an innocent key is never refused because of others. A key is live
//! while its bucket is not full, or while it has requests in flight. Beyond that a key without a place is judged by a sketch
//! of `pingora-limits` that may count too much. Two keys with one hash share a limit: among 400,000 keys the odds of one such
//! pair are 1 in 200 million.

mod gates;
mod rates;
mod table;

use std::{
    hash::{BuildHasher, Hasher},
    net::IpAddr,
    sync::LazyLock,
};

use foldhash::quality::RandomState;

pub use gates::{KeySlot, KeyedGates};
pub use rates::KeyedRates;

/// Seeded at random per process, so that keys that collide cannot be prepared. (`foldhash` does not claim to resist an attacker who
/// can observe hashes; none leave the process.)
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// Makes what a key is known by: of the limit it belongs to and its parts, in order. The same parts make the same number for the life of
/// the process only.
///
/// The length of each part is hashed before it, so `ab`, `c` and `a`, `bc` differ.
pub struct KeyHasher(<RandomState as BuildHasher>::Hasher);

impl KeyHasher {
    /// `limit` tells the keys of one limit from those of others.
    pub fn new(limit: u64) -> Self {
        let mut hasher = SEED.build_hasher();
        hasher.write_u64(limit);
        Self(hasher)
    }

    /// The next part.
    pub fn add(&mut self, part: &[u8]) {
        self.0.write_usize(part.len());
        self.0.write(part);
    }

    /// The next part, an address.
    pub fn add_ip(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.add(&address.octets()),
            IpAddr::V6(address) => self.add(&address.octets()),
        }
    }

    /// The hash; never 0.
    pub fn finish(self) -> u64 {
        self.0.finish().max(1)
    }
}

/// What the key of these parts is known by.
#[cfg(test)]
pub(crate) fn hash_key<'a>(limit: u64, parts: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut hasher = KeyHasher::new(limit);
    parts.for_each(|part| hasher.add(part));
    hasher.finish()
}
