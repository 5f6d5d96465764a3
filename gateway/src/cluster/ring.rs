//! Ketama for `ip_hash` and `consistent_hash`: a point of the ring belongs to a member whatever the others are.

use std::{
    collections::HashMap,
    net::{Ipv6Addr, SocketAddr},
};

use meta::id::Id;
use pingora_ketama::{Bucket, Continuum};

/// The ring of a cluster: all its members, 160 points for each unit of weight.
///
/// A bucket is the server's id, not its address: as ketama wants an address it gets the 128-bit FNV-1a of the
/// id dressed as an IPv6 one. So a ring is the same on every proxy, and a server that moves or resolves to
/// another address keeps its share.
///
/// Weights are halved together until they sum up to no more than 128 or twice the members, whichever is more:
/// memory is at most 12 bytes × 160 × that. Halving happens when the sum crosses a power of two of the bound,
/// and only then moves more than the share of the member that changed. Points that fall together (75 of
/// 800,000) belong to one of their members.
pub(super) struct Ring {
    members: Vec<(Id, u32)>,
    continuum: Continuum,
    points: Box<[u16]>,
}

impl Ring {
    pub(super) fn new(members: Vec<(Id, u32)>) -> Self {
        let halvings = halvings(&members);
        let units = |weight: u32| (weight >> halvings).max(1);
        let bucket = |(id, weight): &(Id, u32)| Bucket::new(disguised(id), units(*weight));
        let continuum = Continuum::new(&members.iter().map(bucket).collect::<Vec<_>>());
        let numbered = members.iter().enumerate();
        let places: HashMap<_, _> = numbered.map(|(i, (id, _))| (disguised(id), i as u16)).collect();
        let points = walk(&continuum).filter_map(|address| places.get(&address).copied());
        let points = points.collect();
        Self {
            members,
            continuum,
            points,
        }
    }

    /// Whether it was made for just these members and weights.
    pub(super) fn is_for(&self, members: &[(Id, u32)]) -> bool {
        self.members == members
    }

    /// The point that `hash` falls on, below the number of points.
    pub(super) fn point(&self, hash: u64) -> usize {
        self.continuum.node_idx(&hash.to_le_bytes())
    }

    /// For each point which candidate it means, if `candidate_of` says which members are candidates at all:
    /// one that is none leaves its points to the next candidate on the ring, and nobody else's move.
    pub(super) fn owners(&self, candidate_of: &[Option<u16>]) -> Box<[u16]> {
        let own = |point: usize| candidate_of[usize::from(self.points[point])];
        let mut owners = vec![0; self.points.len()];
        let Some(mut next) = (0..owners.len()).find_map(own) else {
            return Box::default();
        };
        for point in (0..owners.len()).rev() {
            next = own(point).unwrap_or(next);
            owners[point] = next;
        }
        owners.into()
    }
}

fn halvings(members: &[(Id, u32)]) -> u32 {
    let most = (2 * members.len() as u64).max(128);
    let sum = |halvings: u32| {
        members
            .iter()
            .map(|(_, weight)| u64::from((weight >> halvings).max(1)))
            .sum::<u64>()
    };
    (0..10).find(|&halvings| sum(halvings) <= most).unwrap_or(10)
}

/// The addresses of all points, once around.
fn walk(continuum: &Continuum) -> impl Iterator<Item = SocketAddr> {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let mut at = next?;
        let address = *continuum.get_addr(&mut at)?;
        next = (at != 0).then_some(at);
        Some(address)
    })
}

fn disguised(id: &Id) -> SocketAddr {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let step = |hash: u128, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
    let hash = id.as_str().as_bytes().iter().fold(BASIS, step);
    SocketAddr::from((Ipv6Addr::from(hash), 0))
}

/// A hash for [`Cluster::pick`](super::Cluster::pick) that is the same on every proxy and in every version:
/// FNV-1a, 64 bits.
pub fn hash_of(key: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    key.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn members(weights: &[u32]) -> Vec<(Id, u32)> {
        let member = |(i, weight): (usize, &u32)| (format!("server-{i}").parse().unwrap(), *weight);
        weights.iter().enumerate().map(member).collect()
    }

    fn owner(ring: &Ring, key: u32) -> Id {
        let everyone: Vec<_> = (0..ring.members.len()).map(|i| Some(i as u16)).collect();
        let point = ring.point(hash_of(&key.to_le_bytes()));
        ring.members[usize::from(ring.owners(&everyone)[point])].0.clone()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn a_member_that_goes_moves_only_its_own_share(count in 2usize..12, gone in 0usize..12, weight in 1u32..5) {
            let mut kept = members(&vec![weight; count]);
            let all = Ring::new(kept.clone());
            let (gone, _) = kept.remove(gone % count);
            let rest = Ring::new(kept);
            for key in 0..300 {
                let before = owner(&all, key);
                prop_assert!(before == gone || before == owner(&rest, key));
            }
        }

        #[test]
        fn the_order_of_members_does_not_matter(count in 2usize..12, key in any::<u32>()) {
            let there = members(&vec![1; count]);
            let back = there.iter().rev().cloned().collect();
            prop_assert_eq!(owner(&Ring::new(there), key), owner(&Ring::new(back), key));
        }
    }

    #[test]
    fn skipping_a_member_is_the_same_as_a_ring_without_it() {
        let mut all = members(&[1, 3, 2, 1]);
        let ring = Ring::new(all.clone());
        let owners = ring.owners(&[Some(0), None, Some(1), Some(2)]);
        all.remove(1);
        let without = Ring::new(all.clone());
        for key in 0..1000u32 {
            let point = ring.point(hash_of(&key.to_le_bytes()));
            assert_eq!(all[usize::from(owners[point])].0, owner(&without, key));
        }
    }

    #[test]
    fn points_are_bounded_and_follow_weights() {
        for (weights, most) in [
            (vec![1000; 3], 128),
            (vec![1000; 500], 1000),
            (vec![7, 1, 1], 128),
        ] {
            let ring = Ring::new(members(&weights));
            assert!(ring.points.len() <= 160 * most, "{} points", ring.points.len());
        }
        let ring = Ring::new(members(&[30, 10]));
        let heavy = ring.points.iter().filter(|&&member| member == 0).count();
        assert!((4770..=4800).contains(&heavy), "{heavy}");
    }

    #[test]
    fn nobody_on_the_ring_owns_nothing() {
        let ring = Ring::new(members(&[1, 1]));
        assert!(ring.owners(&[None, None]).is_empty());
        assert!(Ring::new(Vec::new()).owners(&[]).is_empty());
    }
}
