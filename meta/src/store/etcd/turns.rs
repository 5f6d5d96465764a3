//! How soon a state is made of what has changed. Each is checked and compiled by every proxy, so changes that go on make few of them.

use std::time::{Duration, Instant};

/// What comes so soon after a change makes one state with it.
const TOGETHER: Duration = Duration::from_millis(2);
/// From one state to the next, on average, while changes go on.
const APART: Duration = Duration::from_millis(50);
/// How many states may follow each other at once after some quiet: a person's few edits do not wait for each other.
const AT_ONCE: u32 = 4;

/// Hands out the moments at which states are made: a token bucket, as the generic cell rate algorithm (ITU-T I.371) has it.
pub(super) struct Turns {
    /// When as many states will be due as have been made.
    due: Instant,
}

impl Turns {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now }
    }

    /// How long to gather changes from `now` on, when one came, before a state is made of them.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        let ahead = self.due.saturating_duration_since(now);
        self.due = self.due.max(now) + APART;
        ahead.saturating_sub(APART * (AT_ONCE - 1)).max(TOGETHER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_few_states_follow_each_other_at_once_and_more_come_in_turns() {
        let start = Instant::now();
        let mut turns = Turns::new(start);
        let mut now = start;
        let mut at = Vec::new();
        for _ in 0..8 {
            now += turns.wait(now);
            at.push((now - start).as_millis());
        }
        assert_eq!(at, [2, 4, 6, 8, 50, 100, 150, 200]);
        // After some quiet it begins anew.
        now += ms(250);
        assert_eq!([turns.wait(now), turns.wait(now)], [ms(2), ms(2)]);
    }

    #[test]
    fn changes_that_never_end_make_a_state_in_each_50_ms() {
        let start = Instant::now();
        let mut turns = Turns::new(start);
        let mut now = start;
        let states = std::iter::from_fn(|| {
            now += turns.wait(now);
            (now < start + ms(10_000)).then_some(())
        });
        assert!(matches!(states.count(), 200..=204));
    }
}
