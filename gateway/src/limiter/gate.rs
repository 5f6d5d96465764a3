//! A cap on the requests in flight, and a queue in front of it.
//!
//! Promise: never more than `max` inside, whatever the interleaving, as a request is counted in the same step that finds room for
//! it; its place comes back when its [`Slot`] goes, on every path. The queue is first in, first out: while somebody waits, nobody
//! passes. It is bounded in length and in time, and a waiter that gives up or is dropped leaves nothing behind.
//!
//! How the queue works: who holds `turn` is its head. Only the head looks for room, and only the head is woken, through `room`. A
//! wake-up cannot be lost: whoever leaves and sees a waiter counted leaves a notification, which `room` keeps for a head that has not
//! slept yet; a waiter counted later than that found the room in the step that would have counted it; and a head that goes
//! away with a notification is followed by one that looks before it sleeps.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, Notify},
    time::timeout,
};

use crate::sync::{AtomicU64, Ordering::Relaxed};

/// Counts what is in flight behind it. `max` is passed in and may change between calls.
///
/// Without waiters no lock is touched. Worst case with them: a head whose task is not run by its executor holds up those
/// behind it, each until its own `wait` is over.
#[derive(Debug)]
pub struct Gate {
    /// Those in flight in the low half, those that wait in the high half. `Relaxed`, as it guards no other data; what the head must
    /// see after a wake-up is ordered by `room`.
    state: AtomicU64,
    turn: Mutex<()>,
    room: Notify,
}

const WAITER: u64 = 1 << 32;

/// No room, and none in the queue or not within the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The right to be in flight; dropping it gives it back.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct Slot(Arc<Gate>);

impl Drop for Slot {
    fn drop(&mut self) {
        let before = self.0.state.fetch_sub(1, Relaxed);
        self.0.wake_head(before);
    }
}

/// A place in the queue.
struct Place<'a>(&'a Gate);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_sub(WAITER, Relaxed);
    }
}

enum Arrival {
    Entered,
    Queued,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            state: AtomicU64::new(0),
            turn: Mutex::new(()),
            room: Notify::new(),
        }
    }
}

impl Gate {
    /// How many are in flight.
    pub fn in_flight(&self) -> u64 {
        in_flight(self.state.load(Relaxed))
    }

    /// How many wait.
    pub fn waiting(&self) -> u64 {
        waiting(self.state.load(Relaxed))
    }

    /// Enters if fewer than `max` are in flight and nobody waits.
    pub fn try_enter(self: &Arc<Self>, max: u64) -> Option<Slot> {
        self.arrive(max, 0).ok().map(|_| Slot(self.clone()))
    }

    /// Enters whoever is there, where nobody is to be refused.
    pub fn enter_anyway(self: &Arc<Self>) -> Slot {
        self.state.fetch_add(1, Relaxed);
        Slot(self.clone())
    }

    /// Enters, if need be after a wait of at most `wait` in a queue of at most `queue_size`.
    ///
    /// `max` is asked again whenever somebody leaves.
    pub async fn enter(
        self: &Arc<Self>,
        max: impl Fn() -> u64,
        queue_size: u32,
        wait: Duration,
    ) -> Result<Slot, Full> {
        match self.arrive(max(), queue_size)? {
            Arrival::Entered => Ok(Slot(self.clone())),
            Arrival::Queued => {
                let _place = Place(self);
                timeout(wait, self.take_turn(max)).await.map_err(|_| Full)
            }
        }
    }

    /// Lets the head of the queue look again, after `max` has grown. Without it, it looks when somebody leaves.
    pub fn look_again(&self) {
        self.wake_head(self.state.load(Relaxed));
    }

    async fn take_turn(self: &Arc<Self>, max: impl Fn() -> u64) -> Slot {
        let _head = self.turn.lock().await;
        while !self.enter_as_head(max()) {
            self.room.notified().await;
        }
        Slot(self.clone())
    }

    fn arrive(&self, max: u64, queue_size: u32) -> Result<Arrival, Full> {
        let is_free = |state| waiting(state) == 0 && has_room(state, max);
        let step = |state| match state {
            free if is_free(free) => Some(free + 1),
            busy => (waiting(busy) < u64::from(queue_size)).then_some(busy + WAITER),
        };
        match self.state.fetch_update(Relaxed, Relaxed, step) {
            Ok(before) if is_free(before) => Ok(Arrival::Entered),
            Ok(_) => Ok(Arrival::Queued),
            Err(_) => Err(Full),
        }
    }

    /// The place in the queue stays counted until it is dropped; that only holds newcomers off a moment longer.
    fn enter_as_head(&self, max: u64) -> bool {
        let step = |state| has_room(state, max).then_some(state + 1);
        self.state.fetch_update(Relaxed, Relaxed, step).is_ok()
    }

    fn wake_head(&self, state: u64) {
        if waiting(state) > 0 {
            self.room.notify_one();
        }
    }
}

fn has_room(state: u64, max: u64) -> bool {
    // Half of the word counts them, so that is the end of it whatever `max` says.
    in_flight(state) < max.min(WAITER - 1)
}

fn in_flight(state: u64) -> u64 {
    state % WAITER
}

fn waiting(state: u64) -> u64 {
    state / WAITER
}
