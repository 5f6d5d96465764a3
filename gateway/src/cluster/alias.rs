//! Weighted random choice in constant time: Walker's alias method as built by Vose (IEEE TSE 17(9), 1991).

/// Draws indices in proportion to weights, each draw one random number and one look-up.
///
/// Weights are rounded to 2⁻³² of the total, so a share is off by less than that.
pub(super) struct Alias(Box<[Column]>);

#[derive(Clone, Copy)]
struct Column {
    /// Of 2³², how often this column means its own index.
    own: u32,
    /// Whom it means else.
    other: u32,
}

impl Alias {
    /// For at least one weight, all of them at least 1.
    pub(super) fn new(weights: &[u32]) -> Self {
        let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        let count = weights.len() as u64;
        // Scaled so that the average column is `total` high; at most 65,535 · 1,000 each, so nothing overflows.
        let mut heights: Vec<u64> = weights.iter().map(|&weight| u64::from(weight) * count).collect();
        let (mut low, mut high): (Vec<usize>, Vec<usize>) =
            (0..weights.len()).partition(|&i| heights[i] < total);
        let full = |i: usize| Column {
            own: u32::MAX,
            other: i as u32,
        };
        let mut columns: Vec<Column> = (0..weights.len()).map(full).collect();
        while let (Some(&giver), Some(taker)) = (high.last(), low.pop()) {
            let own = ((heights[taker] << 32) / total) as u32;
            columns[taker] = Column {
                own,
                other: giver as u32,
            };
            heights[giver] -= total - heights[taker];
            if heights[giver] < total {
                high.pop();
                low.push(giver);
            }
        }
        Self(columns.into())
    }

    /// One index.
    pub(super) fn draw(&self) -> usize {
        let random = fastrand::u64(..);
        let index = (((random >> 32) * self.0.len() as u64) >> 32) as usize;
        let column = self.0[index];
        if (random as u32) <= column.own {
            index
        } else {
            column.other as usize
        }
    }

    /// Two indices, different if there are two. The first has its weight's share; the second is drawn again while it
    /// is the first, four times at most, and then is the neighbour.
    pub(super) fn draw_two(&self) -> (usize, usize) {
        let first = self.draw();
        let again = (0..4).map(|_| self.draw()).find(|&second| second != first);
        (first, again.unwrap_or((first + 1) % self.0.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of `draws` draws must stay within five standard deviations of the binomial distribution.
    #[test]
    fn shares_follow_weights_within_the_binomial_bound() {
        fastrand::seed(7);
        for weights in [
            vec![1],
            vec![5, 1, 1],
            vec![1000, 1],
            vec![3; 100],
            (1..=50).collect(),
        ] {
            let (alias, draws) = (Alias::new(&weights), 200_000);
            let mut counts = vec![0.0; weights.len()];
            (0..draws).for_each(|_| counts[alias.draw()] += 1.0);
            let total: u32 = weights.iter().sum();
            for (count, weight) in counts.into_iter().zip(&weights) {
                let share = f64::from(*weight) / f64::from(total);
                let expected: f64 = share * f64::from(draws);
                let bound = 5.0 * (expected * (1.0 - share)).sqrt();
                assert!(
                    (count - expected).abs() <= bound,
                    "{weights:?}: {count} of {expected} ± {bound}"
                );
            }
        }
    }

    #[test]
    fn two_draws_differ_whenever_they_can() {
        fastrand::seed(7);
        let lopsided = Alias::new(&[1000, 1]);
        assert!((0..10_000).map(|_| lopsided.draw_two()).all(|(a, b)| a != b));
        assert_eq!(Alias::new(&[3]).draw_two(), (0, 0));
    }
}
