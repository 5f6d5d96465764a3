//! What an adaptive limit is doing, and since when.

use crate::sync::{AtomicU64, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Between probes: windows move the limit.
    Running,
    /// The limit was halved, and the queue of before is still there.
    Draining,
    /// Requests that started since then measure the base.
    Measuring,
    /// A caller is ending one of the others. What is answered meanwhile is not recorded.
    Turning,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Phase {
    pub(super) kind: Kind,
    pub(super) since_ms: u64,
}

/// A phase in one word: the caller that seizes it is the one that acts on its end.
///
/// `Release` when it is done and `Acquire` by the next, so that each finds what the one before has left.
#[derive(Debug, Default)]
pub(super) struct PhaseCell(AtomicU64);

impl PhaseCell {
    pub(super) fn load(&self) -> Phase {
        unpack(self.0.load(Ordering::Acquire))
    }

    /// Takes a phase that nobody else has taken; who does must [`set`](Self::set) the next.
    pub(super) fn seize(&self, current: Phase) -> bool {
        let turning = Phase {
            kind: Kind::Turning,
            ..current
        };
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        self.0
            .compare_exchange(pack(current), pack(turning), acquire, relaxed)
            .is_ok()
    }

    pub(super) fn set(&self, kind: Kind, since_ms: u64) {
        self.0.store(pack(Phase { kind, since_ms }), Ordering::Release);
    }
}

fn pack(phase: Phase) -> u64 {
    phase.since_ms << 2 | phase.kind as u64
}

fn unpack(word: u64) -> Phase {
    let kind = match word & 3 {
        1 => Kind::Draining,
        2 => Kind::Measuring,
        3 => Kind::Turning,
        _ => Kind::Running,
    };
    Phase {
        kind,
        since_ms: word >> 2,
    }
}
