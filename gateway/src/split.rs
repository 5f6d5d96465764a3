//! Which target of a split a request goes to: by chance, or always the same for the same value.

use meta::model::Weight;

/// The targets of a route with their weights.
#[derive(Debug)]
pub(crate) struct Split<T> {
    targets: Box<[Part<T>]>,
    total: u32,
}

#[derive(Debug)]
struct Part<T> {
    target: T,
    weight: u32,
    /// Makes the target's hashes its own.
    seed: u64,
}

impl<T> Split<T> {
    /// A split over targets, each with a name that stays the same when weights change.
    pub(crate) fn new<'n>(targets: impl IntoIterator<Item = (T, &'n str, Weight)>) -> Self {
        let parts = targets.into_iter().map(|(target, name, weight)| Part {
            target,
            weight: weight.get(),
            seed: stable_hash(name.as_bytes()),
        });
        let targets: Box<[Part<T>]> = parts.collect();
        let total = targets.iter().map(|part| part.weight).sum();
        Self { targets, total }
    }

    /// Every target.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &T> {
        self.targets.iter().map(|part| &part.target)
    }

    /// A target; `None` if there is none.
    pub(crate) fn pick(&self, sticky: Option<u64>) -> Option<&T> {
        match (&*self.targets, sticky) {
            ([], _) => None,
            ([only], _) => Some(&only.target),
            (_, Some(key)) => self.highest(key),
            (_, None) => self.at(fastrand::u32(..self.total)),
        }
    }

    /// The target whose share of `0..total` holds `point`.
    fn at(&self, mut point: u32) -> Option<&T> {
        for part in &self.targets {
            match point.checked_sub(part.weight) {
                None => return Some(&part.target),
                Some(rest) => point = rest,
            }
        }
        None
    }

    /// Weighted rendezvous hashing (Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005): each target draws a score
    /// that depends on the key and on itself only, so a target that grows takes keys from the others, and none move elsewhere.
    fn highest(&self, key: u64) -> Option<&T> {
        let score = |part: &Part<T>| {
            // A number in (0, 1], uniform over keys.
            let uniform = ((mixed(key ^ part.seed) >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
            -f64::from(part.weight) / uniform.ln().min(-f64::MIN_POSITIVE)
        };
        self.targets
            .iter()
            .max_by(|one, other| score(one).total_cmp(&score(other)))
            .map(|part| &part.target)
    }
}

/// A hash that is the same on every proxy and in every version: FNV-1a (64 bit), then [`mixed`].
pub(crate) fn stable_hash(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mixed(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// Spreads every bit over all (the finaliser of MurmurHash3).
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn split(weights: &[(&'static str, u32)]) -> Split<&'static str> {
        Split::new(
            weights
                .iter()
                .map(|(name, weight)| (*name, *name, Weight::new(*weight).unwrap())),
        )
    }

    fn key(user: u32) -> Option<u64> {
        Some(stable_hash(&user.to_be_bytes()))
    }

    #[test]
    fn a_thousand_requests_at_thirty_percent_stay_within_the_binomial_bound() {
        let split = split(&[("a", 70), ("b", 30)]);
        fastrand::seed(7);
        for pick in [|_| None, key as fn(u32) -> Option<u64>] {
            let hits = (0..1000)
                .filter(|user| split.pick(pick(*user)) == Some(&"b"))
                .count();
            // 300 ± 5 standard deviations of 14.5.
            assert!((228..=372).contains(&hits), "{hits}");
        }
    }

    #[test]
    fn the_same_value_goes_to_the_same_target() {
        let split = split(&[("a", 1), ("b", 1), ("c", 1)]);
        for user in 0..100 {
            assert_eq!(split.pick(key(user)), split.pick(key(user)));
        }
    }

    #[test]
    fn growing_a_weight_only_moves_users_to_it() {
        let before = split(&[("a", 60), ("b", 30), ("c", 10)]);
        let after = split(&[("a", 60), ("b", 30), ("c", 40)]);
        let mut moved = 0;
        for user in 0..20_000 {
            let (was, is) = (before.pick(key(user)).unwrap(), after.pick(key(user)).unwrap());
            assert!(was == is || *is == "c", "user {user} went from {was} to {is}");
            moved += usize::from(was != is);
        }
        // From 10 % to 30.8 % of the users.
        assert!((3_700..=4_600).contains(&moved), "{moved}");
    }

    #[test]
    fn the_order_of_the_targets_does_not_matter_to_who_sticks_where() {
        let (one, other) = (split(&[("a", 3), ("b", 1)]), split(&[("b", 1), ("a", 3)]));
        assert!((0..1000).all(|user| one.pick(key(user)) == other.pick(key(user))));
    }

    #[test]
    fn one_target_takes_all_and_none_takes_nothing() {
        assert_eq!(split(&[("a", 5)]).pick(None), Some(&"a"));
        assert_eq!(split(&[]).pick(key(1)), None);
    }
}
