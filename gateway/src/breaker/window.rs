//! Counts outcomes over a sliding window, without locks.
//!
//! Ten slots of a tenth of the window each. A count and the start of its slot share one atomic word, so
//! counting and emptying a slot for its next turn are one step: threads that enter a slot together neither
//! lose an outcome nor count one twice. What is inexact:
//!
//! - The oldest slot leaves as a whole, so what is looked at are the last 90 to 100 % of the window, in slots
//!   of whole milliseconds: a window is rounded up to a multiple of 10 ms, and the first slot of all is a
//!   millisecond longer.
//! - A sum reads word after word, so it may lack outcomes that others are just counting, one a thread. On
//!   machines that reorder an atomic addition with a later load (x86 does not) two reports at the same moment
//!   may lack each other's; the next outcome's sum has both.
//! - After 16,777,215 outcomes of a kind in one slot (560,000 a second in the longest window) it stops
//!   counting them.
//! - When the length changes, former slots may be given up early where the turns of both meet, so for one
//!   window fewer outcomes may be counted than there were. Never is one counted that is older than the
//!   window.
//!
//! Slots are laid from the moment the breaker came to pass. Those of before start before it, and do not
//! count. (Unless it came to pass twice within one millisecond, which takes an operator or a change of rules
//! as fast: then what was counted in that millisecond stays.)

use std::array;

use crate::sync::{AtomicU64, Ordering::Relaxed};

use super::{packed::LAST_MS, words::Outcome};

const SLOTS: u64 = 10;
const COUNT_BITS: u32 = 24;
const MOST: u64 = (1 << COUNT_BITS) - 1;

/// The outcomes of late. Its words say themselves what they belong to, so no order among them is needed: all
/// is `Relaxed`.
#[derive(Debug, Default)]
pub(super) struct Window {
    slots: [Slot; SLOTS as usize],
    /// When the last failure or slow call came.
    trouble: AtomicU64,
    /// The start of the last slot in which successes change nothing.
    settled: AtomicU64,
}

/// The outcomes of a tenth of the window.
#[derive(Debug, Default)]
struct Slot {
    successes: Count,
    slow: Count,
    failures: Count,
    /// Failures after the slot's last success of either kind.
    unbroken: Count,
}

/// A number and when its slot starts: milliseconds in the high 40 bits.
#[derive(Debug, Default)]
struct Count(AtomicU64);

/// The part of time that a breaker looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    since: u64,
    now: u64,
    width: u64,
}

/// What the window holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) total: u64,
    pub(super) slow: u64,
    pub(super) failures: u64,
    pub(super) failures_in_a_row: u64,
}

impl Window {
    pub(super) fn count(&self, outcome: Outcome, span: Span) {
        let slot = &self.slots[span.slot()];
        match outcome {
            Outcome::Success => slot.succeed(&slot.successes, span),
            Outcome::Slow => slot.succeed(&slot.slow, span),
            Outcome::Failure => {
                slot.failures.add(span);
                slot.unbroken.add(span);
            }
        }
        if outcome != Outcome::Success {
            self.trouble.fetch_max(span.now, Relaxed);
        }
    }

    /// Whether what was just counted can be a reason to trip. Spares the sum, which costs ten times as much
    /// as counting, to almost every success, also to those of a server that fails now and then.
    pub(super) fn may_matter(&self, outcome: Outcome, span: Span) -> bool {
        outcome != Outcome::Success
            || span.covers(self.trouble.load(Relaxed)) && self.settled.load(Relaxed) != span.start()
    }

    /// Remembers that enough requests ran to judge the server by, and that they did not speak against it.
    /// From here on a success can but lower the shares of failures and slow calls, until the next of those,
    /// or until a slot leaves the window.
    pub(super) fn settle(&self, span: Span) {
        self.settled.store(span.start(), Relaxed);
    }

    /// Takes that back: there is a reason to trip, and should that be refused, it will be one at the next
    /// outcome too. Another thread may settle after it on an earlier sum; then the next outcome that matters
    /// asks.
    pub(super) fn unsettle(&self) {
        self.settled.store(0, Relaxed);
    }

    pub(super) fn sum(&self, span: Span) -> Sum {
        let read = |kind: fn(&Slot) -> &Count| -> [(u64, u64); SLOTS as usize] {
            array::from_fn(|slot| kind(&self.slots[slot]).read(span))
        };
        let total = |counts: &[(u64, u64)]| counts.iter().map(|&(_, count)| count).sum::<u64>();
        let (successes, slow) = (read(|slot| &slot.successes), read(|slot| &slot.slow));
        let failures = total(&read(|slot| &slot.failures));
        let last_success = successes
            .iter()
            .chain(&slow)
            .filter(|&&(_, count)| count > 0)
            .map(|&(start, _)| start)
            .max();
        let unbroken = read(|slot| &slot.unbroken);
        let in_a_row = unbroken
            .iter()
            .filter(|&&(start, _)| last_success.is_none_or(|last| start >= last));
        Sum {
            total: total(&successes) + total(&slow) + failures,
            slow: total(&slow),
            failures,
            failures_in_a_row: in_a_row.map(|&(_, count)| count).sum(),
        }
    }
}

impl Slot {
    fn succeed(&self, kind: &Count, span: Span) {
        kind.add(span);
        self.unbroken.clear(span);
    }
}

impl Count {
    /// Adds one to what the slot holds, if it is of this turn; else begins with one.
    ///
    /// A caller so late that the slot is already in a later turn or life counts nothing.
    fn add(&self, span: Span) {
        let added = |word| match unpacked(word) {
            (start, _) if start > span.now => None,
            (start, count) if start >= span.start() => Some(packed(start, (count + 1).min(MOST))),
            _ => Some(packed(span.start(), 1)),
        };
        // Refused only to the late caller.
        let _ = self.0.fetch_update(Relaxed, Relaxed, added);
    }

    fn clear(&self, span: Span) {
        let cleared = |word| match unpacked(word) {
            (start, count) if start <= span.now && count > 0 => Some(packed(start, 0)),
            _ => None,
        };
        // Refused if there is nothing to clear.
        let _ = self.0.fetch_update(Relaxed, Relaxed, cleared);
    }

    /// The start of the slot and what it holds, nothing if that is outside `span`.
    fn read(&self, span: Span) -> (u64, u64) {
        let (start, count) = unpacked(self.0.load(Relaxed));
        (start, if span.covers(start) { count } else { 0 })
    }
}

impl Span {
    /// The last `length` ms up to `now` of a breaker that passes since `since`; `length` is rounded up to ten
    /// whole slots, so that a slot leaves when another begins.
    pub(super) fn new(since: u64, now: u64, length: u64) -> Self {
        let now = now.clamp(since, LAST_MS.max(since));
        let width = length.div_ceil(SLOTS).max(1);
        Self { since, now, width }
    }

    fn covers(self, moment: u64) -> bool {
        moment >= self.since && moment.saturating_add(SLOTS.saturating_mul(self.width)) > self.now
    }

    /// How many slots have begun before the one that `now` is in.
    fn turn(self) -> u64 {
        (self.now - self.since) / self.width
    }

    fn slot(self) -> usize {
        (self.turn() % SLOTS) as usize
    }

    fn start(self) -> u64 {
        self.since + self.turn() * self.width
    }
}

fn packed(start: u64, count: u64) -> u64 {
    start << COUNT_BITS | count
}

fn unpacked(word: u64) -> (u64, u64) {
    (word >> COUNT_BITS, word & MOST)
}
