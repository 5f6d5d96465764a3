//! The order of turns of `round_robin`, computed beforehand so that a turn costs one look-up.

/// How many turns a schedule holds at most, as long as it has fewer members than that.
const LONGEST: u64 = 65_536;

/// The turns of smooth weighted round robin as nginx takes them (`ngx_http_upstream_get_peer`): each step
/// every member gains its weight, the one with most (the first of them) has the turn and loses the total.
///
/// Weights are divided by their greatest common divisor. If they still sum up to more than 65,536 they are
/// scaled down to that and rounded, to 1 at least: a share is then off by at most half a turn in 65,536
/// (absolute), except that a member whose exact share is below one turn gets one.
///
/// Cost: turns × distinct weights, since of equal weights the one that waited longest is always next.
pub(super) fn turns(weights: &[u32]) -> Box<[u16]> {
    let weights = shortened(weights);
    let total: i64 = weights.iter().map(|&weight| i64::from(weight)).sum();
    let mut ranks = ranks(&weights);
    let mut turns = Vec::with_capacity(total as usize);
    for step in 1..=total {
        let gained = |rank: &Rank| rank.weight * step - rank.rounds * total;
        let best = (ranks.iter_mut()).reduce(|best, rank| {
            let (old, new) = (gained(best), gained(rank));
            let first = new == old && rank.members[rank.next] < best.members[best.next];
            if new > old || first { rank } else { best }
        });
        let Some(best) = best else { break };
        turns.push(best.members[best.next]);
        best.take_turn();
    }
    turns.into()
}

/// The members of one weight. They have their turns in order, so all of them had `rounds` turns, those before
/// `next` one more.
struct Rank {
    weight: i64,
    members: Vec<u16>,
    next: usize,
    rounds: i64,
}

impl Rank {
    fn take_turn(&mut self) {
        self.next += 1;
        if self.next == self.members.len() {
            self.next = 0;
            self.rounds += 1;
        }
    }
}

fn ranks(weights: &[u32]) -> Vec<Rank> {
    let mut order: Vec<u16> = (0..weights.len()).map(|i| i as u16).collect();
    order.sort_by_key(|&i| weights[usize::from(i)]);
    let same = |a: &u16, b: &u16| weights[usize::from(*a)] == weights[usize::from(*b)];
    let rank = |members: &[u16]| Rank {
        weight: i64::from(weights[usize::from(members[0])]),
        members: members.to_vec(),
        next: 0,
        rounds: 0,
    };
    order.chunk_by(same).map(rank).collect()
}

fn shortened(weights: &[u32]) -> Vec<u32> {
    let divided = divided(weights);
    let total: u64 = divided.iter().map(|&weight| u64::from(weight)).sum();
    if total <= LONGEST {
        return divided;
    }
    let scale = |&weight: &u32| ((u64::from(weight) * LONGEST + total / 2) / total).max(1) as u32;
    self::divided(&divided.iter().map(scale).collect::<Vec<_>>())
}

fn divided(weights: &[u32]) -> Vec<u32> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
    weights.iter().map(|weight| weight / divisor).collect()
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn letters(weights: &[u32]) -> String {
        turns(weights)
            .iter()
            .map(|&i| char::from(b'a' + i as u8))
            .collect()
    }

    /// What nginx does, word for word.
    fn nginx(weights: &[u32]) -> Vec<u16> {
        let total: i64 = weights.iter().map(|&weight| i64::from(weight)).sum();
        let mut current = vec![0; weights.len()];
        let mut step = || {
            let mut best = 0;
            for i in 0..weights.len() {
                current[i] += i64::from(weights[i]);
                if current[i] > current[best] {
                    best = i;
                }
            }
            current[best] -= total;
            best as u16
        };
        (0..total).map(|_| step()).collect()
    }

    #[test]
    fn weights_five_one_one_interleave() {
        assert_eq!(letters(&[5, 1, 1]), "aabacaa");
        assert_eq!(letters(&[10, 2, 2]), "aabacaa");
        assert_eq!(letters(&[1, 1, 1]), "abc");
        assert_eq!(letters(&[7]), "a");
        assert_eq!(letters(&[]), "");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn turns_are_those_of_nginx(weights in prop::collection::vec(1u32..40, 1..20)) {
            prop_assert_eq!(turns(&weights).to_vec(), nginx(&divided(&weights)));
        }

        #[test]
        fn a_schedule_is_bounded_and_names_everyone(weights in prop::collection::vec(1u32..=1000, 1..150)) {
            let turns = turns(&weights);
            prop_assert!(turns.len() as u64 <= LONGEST + weights.len() as u64);
            let total: u32 = weights.iter().sum();
            let mut counts = vec![0u32; weights.len()];
            turns.iter().for_each(|&i| counts[usize::from(i)] += 1);
            for (count, weight) in counts.iter().zip(&weights) {
                let exact = f64::from(*weight) / f64::from(total);
                let share = f64::from(*count) / turns.len() as f64;
                prop_assert!(*count > 0 && (share - exact).abs() <= 0.0001, "{share} instead of {exact}");
            }
        }
    }
}
