//! How much all aggregations of a proxy may hold at a time: calls under way and bytes of answers. Whatever clients ask for and servers
//! send, the memory of aggregations stays within it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The room that there is, and how much of it is taken.
#[derive(Debug)]
pub(crate) struct Room {
    calls: AtomicUsize,
    most_calls: AtomicUsize,
    bytes: AtomicUsize,
    most_bytes: AtomicUsize,
}

/// There is no room left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Room {
    pub(crate) fn new(most_calls: usize, most_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            calls: AtomicUsize::new(0),
            most_calls: AtomicUsize::new(most_calls),
            bytes: AtomicUsize::new(0),
            most_bytes: AtomicUsize::new(most_bytes),
        })
    }

    /// Makes the room larger or smaller; who is in it stays, and in one that shrank nobody enters before enough have left.
    pub(crate) fn resize(&self, most_calls: usize, most_bytes: usize) {
        self.most_calls.store(most_calls, Relaxed);
        self.most_bytes.store(most_bytes, Relaxed);
    }

    /// A place for a call, which holds no bytes yet.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Place, Full> {
        if self.calls.fetch_add(1, Relaxed) >= self.most_calls.load(Relaxed) {
            self.calls.fetch_sub(1, Relaxed);
            return Err(Full);
        }
        Ok(Place { bytes: self.hold() })
    }

    /// Bytes to be held, none yet.
    pub(crate) fn hold(self: &Arc<Self>) -> Held {
        Held {
            room: Arc::clone(self),
            bytes: 0,
        }
    }

    /// Calls under way and bytes held.
    pub(crate) fn taken(&self) -> (usize, usize) {
        (self.calls.load(Relaxed), self.bytes.load(Relaxed))
    }
}

/// A call under way and the bytes that came of it so far; given back when dropped.
#[derive(Debug)]
#[must_use = "dropped at once it would hold nothing"]
pub(crate) struct Place {
    bytes: Held,
}

impl Place {
    /// The bytes, which may be held longer than the call takes.
    pub(crate) fn bytes(&mut self) -> &mut Held {
        &mut self.bytes
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.bytes.room.calls.fetch_sub(1, Relaxed);
    }
}

/// Bytes that are held; given back when dropped.
#[derive(Debug)]
#[must_use = "dropped at once it would hold nothing"]
pub(crate) struct Held {
    room: Arc<Room>,
    bytes: usize,
}

impl Held {
    /// Makes it `bytes` in all.
    pub(crate) fn set(&mut self, bytes: usize) -> Result<(), Full> {
        if bytes > self.bytes {
            let more = bytes - self.bytes;
            if self.room.bytes.fetch_add(more, Relaxed) + more > self.room.most_bytes.load(Relaxed) {
                self.room.bytes.fetch_sub(more, Relaxed);
                return Err(Full);
            }
        } else {
            self.room.bytes.fetch_sub(self.bytes - bytes, Relaxed);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Hands the bytes over; nothing is held here any more.
    pub(crate) fn take(&mut self) -> Held {
        Held {
            room: Arc::clone(&self.room),
            bytes: std::mem::take(&mut self.bytes),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.bytes.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn calls_and_bytes_are_bounded_and_given_back() {
        let room = Room::new(2, 100);
        let mut first = room.enter().unwrap();
        let second = room.enter().unwrap();
        assert_eq!(room.enter().unwrap_err(), Full);
        first.bytes().set(60).unwrap();
        assert_eq!(first.bytes().set(101), Err(Full));
        assert_eq!(room.taken(), (2, 60));
        first.bytes().set(100).unwrap();
        first.bytes().set(40).unwrap();
        drop(second);
        assert_eq!(room.taken(), (1, 40));
        let kept = first.bytes().take();
        drop(first);
        assert_eq!(room.taken(), (0, 40));
        drop(kept);
        assert_eq!(room.taken(), (0, 0));
    }

    #[test]
    fn a_room_that_shrinks_lets_nobody_in_before_enough_have_left() {
        let room = Room::new(2, 100);
        let (mut first, second) = (room.enter().unwrap(), room.enter().unwrap());
        first.bytes().set(80).unwrap();
        room.resize(1, 50);
        assert_eq!(room.enter().unwrap_err(), Full);
        assert_eq!(first.bytes().set(81), Err(Full));
        drop((first, second));
        let mut third = room.enter().unwrap();
        third.bytes().set(50).unwrap();
        assert_eq!(third.bytes().set(51), Err(Full));
    }
}
