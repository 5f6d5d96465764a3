//! Requests in flight, per key.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use pingora_limits::inflight::{Guard, Inflight};

use super::table::{Place, Table};

/// A count of requests in flight for each key that has any.
///
/// A key keeps its cell while it has requests in flight, so nothing is ever forgotten. A key that finds both its groups full is
/// counted in a sketch (4 × 8,192 counters, made when first needed), which can only count too much; if a cell becomes free
/// while it has requests there, it may have up to twice its `max` until those are done.
pub struct KeyedGates {
    table: Table<16>,
    overflow: OnceLock<Inflight>,
}

/// The right of a key to be in flight; dropping it gives it back.
#[must_use = "the place is given back when this is dropped"]
pub struct KeySlot {
    held: Held,
}

enum Held {
    Cell(Arc<KeyedGates>, Place, u64),
    /// Gives back by itself.
    Sketch {
        _guard: Guard,
    },
}

impl Drop for KeySlot {
    fn drop(&mut self) {
        if let Held::Cell(gates, place, key) = &self.held {
            gates
                .table
                .update_at(*place, *key, |count| count.saturating_sub(1));
        }
    }
}

impl fmt::Debug for KeySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySlot").finish_non_exhaustive()
    }
}

impl KeyedGates {
    /// The cells of a process: 1 MiB.
    pub const CELLS: usize = 1 << 16;

    /// Up to this many keys in flight at once, with [`Self::CELLS`], the limits are exact.
    pub const PROMISED_KEYS: usize = 50_000;

    /// Room for at least `cells` keys, 16 bytes each.
    pub fn new(cells: usize) -> Self {
        Self {
            table: Table::new(cells),
            overflow: OnceLock::new(),
        }
    }

    /// Enters if fewer than `max` requests of `key` (what [`KeyHasher`](super::KeyHasher) makes) are in flight.
    pub fn enter(self: &Arc<Self>, key: u64, max: u64) -> Option<KeySlot> {
        // None in flight is a free cell; any number is worth more than whoever asks for it.
        let left = |count| if count == 0 { 0 } else { u64::MAX };
        let step = |count| {
            if count < max {
                (count + 1, true)
            } else {
                (count, false)
            }
        };
        let held = match self.table.update(key, left, step) {
            Some((true, place)) => Held::Cell(self.clone(), place, key),
            Some((false, _)) => return None,
            None => self.enter_by_sketch(key, max)?,
        };
        Some(KeySlot { held })
    }

    /// Whether any key had to be counted in the sketch so far.
    pub fn has_overflowed(&self) -> bool {
        self.overflow.get().is_some()
    }

    fn enter_by_sketch(&self, key: u64, max: u64) -> Option<Held> {
        let (guard, count) = self.overflow.get_or_init(Inflight::new).incr(key, 1);
        (u64::try_from(count).unwrap_or(0) <= max).then_some(Held::Sketch { _guard: guard })
    }
}
