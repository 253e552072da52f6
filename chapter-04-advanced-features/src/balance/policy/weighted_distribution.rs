//! Weights laid end to end: a point on the line belongs to the slot whose stretch it falls in.
//!
//! Under chance, two choices and the source hash, and under whatever must hand on a share by weight. Cost: a
//! binary search for a draw among all; two walks over all slots for a draw among some.

use super::hash::scale_to_range;

/// The slots' weights as stretches of a line.
#[derive(Clone, Debug)]
pub struct WeightedDistribution {
    /// Where each slot's stretch ends. Strictly rising.
    cumulative_weights: Vec<u64>,
}

impl WeightedDistribution {
    /// A stretch of `weight` for each slot; 0 is taken as 1.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let end = |sum: &mut u64, weight: u32| {
            *sum += u64::from(weight.max(1));
            Some(*sum)
        };
        Self { cumulative_weights: weights.into_iter().scan(0, end).collect() }
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.cumulative_weights.len()
    }

    /// The length of the line: all weights together.
    pub fn total_weight(&self) -> u64 {
        self.cumulative_weights.last().copied().unwrap_or(0)
    }

    /// A slot's weight.
    pub fn weight(&self, slot: usize) -> u64 {
        self.cumulative_weights[slot] - self.range_start(slot)
    }

    /// The slot that a point below [`total`](Self::total) belongs to.
    pub fn index_at(&self, point: u64) -> usize {
        self.cumulative_weights.partition_point(|end| *end <= point)
    }

    /// A slot by an evenly spread number, each as often as its weight says. Not to be called without slots.
    pub fn sample(&self, uniform: u64) -> usize {
        self.index_at(scale_to_range(uniform, self.total_weight()))
    }

    /// A slot other than `first`, each of the others as often as its weight says. There must be two.
    pub fn sample_excluding(&self, first: usize, uniform: u64) -> usize {
        // Drawn from the line without the first one's stretch, then moved past it: never a second try.
        let point = scale_to_range(uniform, self.total_weight() - self.weight(first));
        self.index_at(if point < self.range_start(first) { point } else { point + self.weight(first) })
    }

    /// A usable slot, each of them as often as its weight says among these; `None` if there is none.
    pub fn sample_among(&self, uniform: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let mut first = None;
        let mut total = 0;
        for slot in (0..self.len()).filter(|slot| usable(*slot)) {
            first = first.or(Some(slot));
            total += self.weight(slot);
        }
        let mut point = scale_to_range(uniform, total);
        let holds_point = |slot: &usize| {
            let weight = self.weight(*slot);
            let holds = point < weight;
            point = point.saturating_sub(weight);
            holds
        };
        // Another thread may have made one unusable in between: then the first that was usable is taken.
        (0..self.len()).filter(|slot| usable(*slot)).find(holds_point).or(first)
    }

    fn range_start(&self, slot: usize) -> u64 {
        slot.checked_sub(1).map_or(0, |before| self.cumulative_weights[before])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An evenly spread number for each of `parts` equal parts, from the middle of each.
    fn parts(parts: u64) -> impl Iterator<Item = u64> {
        let part = u64::MAX / parts;
        (0..parts).map(move |i| i * part + part / 2)
    }

    #[test]
    fn each_point_belongs_to_a_weight() {
        let shares = WeightedDistribution::new([2, 1, 3]);
        let drawn: Vec<usize> = parts(6).map(|uniform| shares.sample(uniform)).collect();
        assert_eq!(drawn, [0, 0, 1, 2, 2, 2]);
        assert_eq!((shares.total_weight(), shares.weight(0), shares.weight(2)), (6, 2, 3));
    }

    #[test]
    fn the_second_of_two_is_another() {
        let shares = WeightedDistribution::new([2, 1, 3]);
        let others = |first| -> Vec<usize> {
            let left = shares.total_weight() - shares.weight(first);
            parts(left).map(|uniform| shares.sample_excluding(first, uniform)).collect()
        };
        assert_eq!(others(0), [1, 2, 2, 2]);
        assert_eq!(others(1), [0, 0, 2, 2, 2]);
        assert_eq!(others(2), [0, 0, 1]);
    }

    #[test]
    fn among_some_each_keeps_its_weight() {
        let shares = WeightedDistribution::new([2, 1, 3]);
        let drawn: Vec<_> = parts(5).map(|uniform| shares.sample_among(uniform, |slot| slot != 1).unwrap()).collect();
        assert_eq!(drawn, [0, 0, 2, 2, 2]);
        assert_eq!(shares.sample_among(7, |_| false), None);
    }

    #[test]
    fn the_largest_weights_do_not_overflow() {
        let shares = WeightedDistribution::new([u32::MAX; 4]);
        assert_eq!(shares.sample(u64::MAX), 3);
        assert_eq!(shares.sample_excluding(3, u64::MAX), 2);
    }
}
