//! `store`: the answers kept in memory, for all routes together and bounded in bytes.
//!
//! It keeps what it is given, for as long as that is good and there is room. What may be kept is decided in `freshness`.

use std::{
    mem::size_of,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use foldhash::fast::RandomState;
use http::{HeaderMap, StatusCode};
use quick_cache::{OptionsBuilder, Weighter, sync};

use super::{
    freshness::{Lifetime, Limits, age},
    key::Key,
};

/// Independent parts, each with its lock and its share of the bytes. No more than this: an entry must fit into one of them.
const PARTS: u64 = 4;

/// An entry may take this part of the whole.
const LARGEST: u64 = 8;

/// What an entry takes besides its header lines and body: itself, its key, and its places in the cache's tables.
const ENTRY_BYTES: usize = size_of::<Stored>() + size_of::<Answer>() + size_of::<Key>() + 128;

/// What a header line takes besides its text: two allocations and its place in the map, of which a part is empty. Measured with
/// eight lines an answer.
const LINE_BYTES: usize = 160;

/// A backend's whole answer.
///
/// Its headers are those for the client: whoever asked removed the hop-by-hop ones (RFC 9111 §3.1). `Bytes` that are part of a
/// larger buffer keep all of it alive but are counted by their own length, so a body should own its buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
}

/// An answer that is kept. Moments are counted from any fixed point, the same for all calls.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The answer.
    pub(crate) answer: Arc<Answer>,
    /// When it was stored.
    pub(crate) stored_at: Duration,
    /// How old it was then (RFC 9111 §4.2.3): the age it came with and the time the backend took.
    pub(crate) age_at_store: Duration,
    /// How long it is good for.
    pub(crate) lifetime: Lifetime,
    bytes: u64,
}

/// What is there for a key.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// An answer that is fresh.
    Fresh(Arc<Stored>),
    /// An answer that may be used if the backend fails.
    Stale(Arc<Stored>),
    /// No answer that may be used.
    Nothing,
}

/// The answers.
///
/// [`Answers::bytes`] never exceeds the bound. It is an estimate, which is least exact for small answers with many headers, and does
/// not see answers that were evicted while being sent.
pub(crate) struct Answers {
    kept: sync::Cache<Key, Arc<Stored>, InBytes, RandomState>,
    largest: AtomicU64,
    hits: AtomicU64,
    stale_hits: AtomicU64,
    misses: AtomicU64,
}

impl Stored {
    /// `answer` from `stored_at` on, which took `delay` to arrive.
    pub(crate) fn new(answer: Arc<Answer>, stored_at: Duration, delay: Duration, lifetime: Lifetime) -> Self {
        Self {
            stored_at,
            age_at_store: age(&answer.headers).saturating_add(delay),
            lifetime,
            bytes: weight(&answer),
            answer,
        }
    }

    /// How old the answer is: what its `Age` header is to say, in whole seconds.
    pub(crate) fn age(&self, now: Duration) -> Duration {
        self.age_at_store.saturating_add(self.kept_for(now))
    }

    /// Whether it may be used without asking the backend.
    pub(crate) fn is_fresh(&self, now: Duration) -> bool {
        self.kept_for(now) < self.lifetime.fresh_for
    }

    /// Whether it may be used if the backend fails.
    pub(crate) fn is_usable(&self, now: Duration) -> bool {
        self.kept_for(now) < self.lifetime.fresh_for.saturating_add(self.lifetime.stale_for)
    }

    /// Whether the client accepts it in place of the backend's answer. One that was never fresh is not accepted by `max-stale`: its
    /// backend may have said `no-cache`.
    pub(crate) fn suits(&self, limits: &Limits, now: Duration) -> bool {
        let fresh_left = self.lifetime.fresh_for.saturating_sub(self.kept_for(now));
        let stale_since = self.kept_for(now).saturating_sub(self.lifetime.fresh_for);
        let fresh_enough = if self.is_fresh(now) {
            fresh_left >= limits.min_fresh
        } else {
            limits.min_fresh.is_zero() && !self.lifetime.fresh_for.is_zero() && stale_since < limits.max_stale
        };
        fresh_enough && limits.max_age.is_none_or(|max_age| self.age(now) <= max_age)
    }

    fn kept_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.stored_at)
    }
}

impl Answers {
    /// Room for `max_bytes`. An entry larger than an eighth of that is not kept.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let options = OptionsBuilder::new()
            .shards(PARTS as usize)
            .weight_capacity(max_bytes - max_bytes % PARTS)
            // Of 8 KiB each, and at least as many as it takes to have all the parts.
            .estimated_items_capacity(
                usize::try_from(max_bytes >> 13)
                    .unwrap_or(usize::MAX)
                    .clamp(128, 1 << 20),
            )
            .build()
            .expect("both capacities are set");
        Self {
            kept: sync::Cache::with_options(options, InBytes, RandomState::default(), Default::default()),
            largest: AtomicU64::new(max_bytes / LARGEST),
            hits: AtomicU64::new(0),
            stale_hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Makes the room larger or smaller; what no longer fits is dropped.
    pub(crate) fn resize(&self, max_bytes: u64) {
        self.largest.store(max_bytes / LARGEST, Relaxed);
        self.kept.set_capacity(max_bytes - max_bytes % PARTS);
    }

    /// The answer for `key`, counted as a hit, a stale hit or a miss. What is no longer good makes room.
    pub(crate) fn find(&self, key: &Key, now: Duration) -> Found {
        match self.kept.get(key) {
            Some(stored) if stored.is_fresh(now) => {
                self.hits.fetch_add(1, Relaxed);
                Found::Fresh(stored)
            }
            Some(stored) if stored.is_usable(now) => {
                self.stale_hits.fetch_add(1, Relaxed);
                Found::Stale(stored)
            }
            outlived => {
                self.misses.fetch_add(1, Relaxed);
                if outlived.is_some() {
                    self.kept.remove_if(key, |stored| !stored.is_usable(now));
                }
                Found::Nothing
            }
        }
    }

    /// Keeps `stored` for `key` in place of what was there, which is dropped even if `stored` is too large to be kept.
    pub(crate) fn put(&self, key: Key, stored: Arc<Stored>) {
        if stored.bytes > self.largest() {
            self.remove(&key);
        } else {
            self.kept.insert(key, stored);
        }
    }

    /// Drops the answer for `key`.
    pub(crate) fn remove(&self, key: &Key) {
        self.kept.remove(key);
    }

    /// The longest entry that is kept.
    pub(crate) fn largest(&self) -> u64 {
        self.largest.load(Relaxed)
    }

    /// How often a fresh answer was found.
    pub(crate) fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    /// How often only a stale answer was found.
    pub(crate) fn stale_hits(&self) -> u64 {
        self.stale_hits.load(Relaxed)
    }

    /// How often nothing was found.
    pub(crate) fn misses(&self) -> u64 {
        self.misses.load(Relaxed)
    }

    /// How much the answers take.
    pub(crate) fn bytes(&self) -> u64 {
        self.kept.weight()
    }

    /// How many answers there are.
    pub(crate) fn entries(&self) -> u64 {
        self.kept.len() as u64
    }
}

fn weight(answer: &Answer) -> u64 {
    let lines = answer
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + LINE_BYTES);
    (ENTRY_BYTES + lines.sum::<usize>() + answer.body.len()) as u64
}

/// Weighs an entry by the bytes it takes.
#[derive(Clone)]
struct InBytes;

impl Weighter<Key, Arc<Stored>> for InBytes {
    fn weight(&self, _: &Key, stored: &Arc<Stored>) -> u64 {
        stored.bytes
    }
}
