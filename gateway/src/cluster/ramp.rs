//! Slow start: a member that joined or recovered gets its share little by little.

/// The share a growing member starts with, so that it gets something to warm up on.
const LEAST: f64 = 0.05;

/// Since when a member has been usable in its cluster; times are milliseconds of the cluster's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// There from the cluster's beginning, not usable so far: it will not have to grow.
    Founding,
    /// Came to a running cluster, not usable so far: it will have to grow.
    Joining,
    /// Usable from the cluster's beginning.
    Settled,
    /// Usable since then, after it joined or recovered.
    Since(u64),
    /// Was usable and is not.
    Away,
}

impl Presence {
    /// What it becomes when the member is found usable, or not, at `now`.
    pub(super) fn seen(self, usable: bool, now: u64) -> Self {
        match (self, usable) {
            (Self::Founding, true) => Self::Settled,
            (Self::Joining | Self::Away, true) => Self::Since(now),
            (Self::Settled | Self::Since(_), false) => Self::Away,
            (same, _) => same,
        }
    }

    /// When the member has its whole share, if growing takes `span`.
    pub(super) fn grown_at(self, span: u64) -> u64 {
        match self {
            Self::Since(then) => then + span,
            _ => 0,
        }
    }
}

/// The growing members of a cluster, if there are any.
pub(super) struct Ramp {
    span: u64,
    first_grown: u64,
    last_grown: u64,
}

impl Ramp {
    /// For members grown at `grown`, growing for `span`; `None` if nobody is growing at `now`.
    pub(super) fn new(span: u64, grown: impl Iterator<Item = u64> + Clone, now: u64) -> Option<Self> {
        let (first_grown, last_grown) = (grown.clone().min()?, grown.max()?);
        (last_grown > now).then_some(Self {
            span,
            first_grown,
            last_grown,
        })
    }

    /// Whether shares differ: some are growing and some are not. While all are growing they share evenly.
    pub(super) fn matters_at(&self, now: u64) -> bool {
        (self.first_grown..self.last_grown).contains(&now)
    }

    /// The part of its weight that a member grown at `grown` has: it grows linearly, from 5 % at least.
    pub(super) fn share(&self, grown: u64, now: u64) -> f64 {
        let left = grown.saturating_sub(now) as f64 / self.span as f64;
        (1.0 - left).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_who_joined_or_recovered_grows() {
        let usable = |presence: Presence| presence.seen(true, 7);
        assert_eq!(usable(Presence::Founding), Presence::Settled);
        assert_eq!(usable(Presence::Settled), Presence::Settled);
        assert_eq!(usable(Presence::Joining), Presence::Since(7));
        assert_eq!(usable(Presence::Away), Presence::Since(7));
        assert_eq!(usable(Presence::Since(3)), Presence::Since(3));
        assert_eq!(Presence::Founding.seen(false, 7), Presence::Founding);
        assert_eq!(Presence::Since(3).seen(false, 7), Presence::Away);
    }

    #[test]
    fn a_share_grows_linearly() {
        let ramp = Ramp::new(100, [0, 150].into_iter(), 50).unwrap();
        let percent = |now| (100.0 * ramp.share(150, now)).round();
        assert_eq!(
            [50, 60, 100, 140, 150, 200].map(percent),
            [5.0, 10.0, 50.0, 90.0, 100.0, 100.0]
        );
        assert!(ramp.matters_at(149) && !ramp.matters_at(150));
    }

    #[test]
    fn nothing_matters_while_all_grow_or_none() {
        let all = Ramp::new(100, [120, 150].into_iter(), 50).unwrap();
        assert!(!all.matters_at(50) && all.matters_at(120));
        assert!(Ramp::new(100, [0, 0].into_iter(), 50).is_none());
        assert!(Ramp::new(100, std::iter::empty(), 50).is_none());
    }
}
