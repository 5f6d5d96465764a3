//! `access`: who may call, by the client's address.

use std::net::IpAddr;

use meta::{cidr::Cidr, filters};

use super::{Filter, FilterRequest, Verdict};
use crate::refusal::Refusal;

/// Denied wins; with an allow list everyone else is denied.
pub(super) struct Access {
    allow: Ranges,
    deny: Ranges,
}

impl Filter for Access {
    type Config = filters::Access;

    fn new(config: filters::Access) -> Self {
        Self {
            allow: Ranges::new(&config.allow),
            deny: Ranges::new(&config.deny),
        }
    }

    fn request(&self, request: &mut FilterRequest<'_>) -> Verdict {
        let client = request.client();
        let allowed = self.allow.0.is_empty() || self.allow.contains(client);
        if allowed && !self.deny.contains(client) {
            Verdict::GoOn
        } else {
            Verdict::Refuse(Refusal::AccessDenied)
        }
    }
}

/// Blocks as ranges that are sorted and do not touch, so that a long list costs a binary search.
struct Ranges(Vec<(IpAddr, IpAddr)>);

impl Ranges {
    fn new(blocks: &[Cidr]) -> Self {
        let mut ranges: Vec<(IpAddr, IpAddr)> = blocks.iter().map(Cidr::bounds).collect();
        ranges.sort_unstable();
        let mut joined: Vec<(IpAddr, IpAddr)> = Vec::with_capacity(ranges.len());
        for (low, high) in ranges {
            match joined.last_mut() {
                // Blocks nest or are apart: one that begins within another is within it as a whole.
                Some((_, end)) if low <= *end => *end = high.max(*end),
                _ => joined.push((low, high)),
            }
        }
        Self(joined)
    }

    fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let after = self.0.partition_point(|(low, _)| *low <= address);
        after.checked_sub(1).is_some_and(|at| address <= self.0[at].1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_hold_what_the_blocks_hold(
            blocks in proptest::collection::vec((any::<u32>(), 0_u8..=32), 0..20),
            addresses in proptest::collection::vec(any::<u32>(), 20),
        ) {
            let blocks: Vec<Cidr> = blocks
                .into_iter()
                .map(|(bits, length)| format!("{}/{length}", std::net::Ipv4Addr::from(bits)).parse().unwrap())
                .collect();
            let ranges = Ranges::new(&blocks);
            for address in addresses.into_iter().map(|bits| IpAddr::from(std::net::Ipv4Addr::from(bits))) {
                prop_assert_eq!(ranges.contains(address), blocks.iter().any(|block| block.contains(address)));
            }
        }
    }
}
