//! `flights`: identical calls that are made at the same time become one.
//!
//! No task is spawned: whoever waits drives the call, and it ends when nobody waits. This is not caching: who comes after a call
//! has ended begins the next.

use std::{
    any::Any,
    collections::HashMap,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{BoxFuture, FusedFuture, Shared},
};

use super::key::Key;

/// Locks of the table of calls; each is held for one lookup and, when a call begins, a small allocation.
const SHARDS: usize = 16;

/// The calls in flight.
///
/// Memory: some 400 bytes and the call itself for each call in flight, and a waker for each caller; the tables keep the size of
/// their busiest moment. Worst case in time: each time the call can go on, all its callers are woken, so a call in n steps for m
/// callers costs n × m wakings of 0.1 µs. In return any of them can drive it, and one that is kept without being polled holds up
/// nobody.
pub(crate) struct Flights<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
}

/// What a caller was to the call whose value it got.
pub(crate) enum Part<M> {
    /// It began the call.
    Leader,
    /// Another had begun it. What it came with to begin its own is handed back, for the case that the value is not for it.
    Follower(M),
}

impl<V: Clone + Send + Sync + 'static> Flights<V> {
    /// No calls.
    pub(crate) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(Shard::default())),
        }
    }

    /// The value of the call for `key` that is in flight, or else of the one that `make` begins.
    ///
    /// When this future is dropped, the call goes on for its other callers; the last one to leave drops the call.
    ///
    /// # Panics
    ///
    /// A panic of the call resumes in each of its callers, as if each had made the call alone. (With a fresh attempt for those
    /// left, the last of m callers would wait for m panics.)
    pub(crate) async fn join<M, F>(&self, key: Key, make: M) -> (V, Part<M>)
    where
        M: FnOnce() -> F,
        F: Future<Output = V> + Send + 'static,
    {
        let (mut seat, begin) = self.board(key);
        let part = match begin {
            Some(begin) => {
                // It cannot have been dropped: the seat holds the receiving end.
                let _ = begin.send(make().boxed());
                Part::Leader
            }
            None => Part::Follower(make),
        };
        let ended = (&mut seat.call).await;
        drop(seat);
        match ended {
            Ok(value) => (value, part),
            Err(panicked) => panicked.resume(),
        }
    }

    /// How many calls are in flight.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).calls.len()).sum()
    }

    /// Whether no call is in flight.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn board(&self, key: Key) -> (Seat<'_, V>, Option<Begin<V>>) {
        let shard = &self.shards[key.bits() % SHARDS];
        let (number, call, begin) = lock(shard).board(key);
        let seat = Seat {
            shard,
            key,
            number,
            call,
        };
        (seat, begin)
    }
}

impl<V: Clone + Send + Sync + 'static> Default for Flights<V> {
    fn default() -> Self {
        Self::new()
    }
}

type Call<V> = Shared<BoxFuture<'static, Result<V, Panicked>>>;

/// Where the leader puts what the call is to do, once it no longer holds the lock.
type Begin<V> = oneshot::Sender<BoxFuture<'static, V>>;

struct Shard<V> {
    calls: HashMap<Key, Flight<V>, foldhash::fast::RandomState>,
    /// How many calls have begun here: tells a call from an earlier one with its key.
    begun: u64,
}

struct Flight<V> {
    number: u64,
    callers: usize,
    call: Call<V>,
}

impl<V: Clone + Send + Sync + 'static> Shard<V> {
    fn board(&mut self, key: Key) -> (u64, Call<V>, Option<Begin<V>>) {
        let mut begin = None;
        let flight = self.calls.entry(key).or_insert_with(|| {
            let (sender, receiver) = oneshot::channel();
            begin = Some(sender);
            self.begun += 1;
            Flight {
                number: self.begun,
                callers: 0,
                call: run(receiver).boxed().shared(),
            }
        });
        flight.callers += 1;
        (flight.number, flight.call.clone(), begin)
    }
}

impl<V> Shard<V> {
    /// Counts a caller off; hands out the flight when it was the last one or the call has ended.
    fn leave(&mut self, key: Key, number: u64, ended: bool) -> Option<Flight<V>> {
        let flight = self
            .calls
            .get_mut(&key)
            .filter(|flight| flight.number == number)?;
        flight.callers = flight.callers.saturating_sub(1);
        if flight.callers == 0 || ended {
            self.calls.remove(&key)
        } else {
            None
        }
    }
}

impl<V> Default for Shard<V> {
    fn default() -> Self {
        Self {
            calls: HashMap::default(),
            begun: 0,
        }
    }
}

/// A caller's right to its call, given up on every path.
struct Seat<'a, V: Clone + Send + Sync + 'static> {
    shard: &'a Mutex<Shard<V>>,
    key: Key,
    number: u64,
    call: Call<V>,
}

impl<V: Clone + Send + Sync + 'static> Drop for Seat<'_, V> {
    fn drop(&mut self) {
        let ended = self.call.is_terminated();
        let flight = lock(self.shard).leave(self.key, self.number, ended);
        // Without the lock: what the call holds may run any code when it is dropped.
        drop(flight);
    }
}

/// Foreign code never runs under these locks, so a poisoned one still guards a consistent table.
fn lock<V>(shard: &Mutex<Shard<V>>) -> MutexGuard<'_, Shard<V>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run<V>(begun: oneshot::Receiver<BoxFuture<'static, V>>) -> Result<V, Panicked> {
    // The sender is only dropped unused when `make` panics.
    let call = begun.await.map_err(|_| Panicked::unseen())?;
    AssertUnwindSafe(call)
        .catch_unwind()
        .await
        .map_err(Panicked::with)
}

/// A panic on its way to every caller.
#[derive(Clone)]
struct Panicked(Arc<Mutex<Option<Box<dyn Any + Send>>>>);

impl Panicked {
    fn with(payload: Box<dyn Any + Send>) -> Self {
        Self(Arc::new(Mutex::new(Some(payload))))
    }

    fn unseen() -> Self {
        Self(Arc::default())
    }

    /// The first caller gets what was panicked with, which cannot be cloned; the others are told that it happened.
    fn resume(self) -> ! {
        let payload = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        resume_unwind(payload.unwrap_or_else(|| Box::new("a call shared with this one panicked")))
    }
}
