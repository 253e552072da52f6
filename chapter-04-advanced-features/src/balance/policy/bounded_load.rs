//! Bounded load: a consistent hash that passes over a backend which has far more than its share.
//!
//! **Use it** with a consistent hash when keys are not equally popular: one video that all want would drown the
//! backend it hashes to. With a balance factor of 1.25 no backend takes a request while it holds more than a
//! quarter above the average; the next one by the same hash does, so that even the overflow of a key finds its
//! way to the same places (Mirrokni, Thorup, Zadimoghaddam 2018). HAProxy's `hash-balance-factor 125`, Envoy's
//! `hash_balance_factor`. Smaller is more even and moves more keys about; 1.25 to 2 is usual.
//!
//! **Cost**: every backend's counter is read at each pick, as in [`super::least_connections`].
//!
//! It never refuses: if none that may be picked is below its bound, the bound does not count.

use super::weighted_distribution::WeightedDistribution;

/// A hash that takes the next one when its first choice may not be picked: what can be bounded.
pub trait ConsistentHash {
    /// The usable slot that this key belongs to; `None` only if none is usable.
    fn pick(&self, key: u64, eligible: impl Fn(usize) -> bool) -> Option<usize>;
}

/// The factor, and the weights that shares are measured by.
#[derive(Clone, Debug)]
pub struct LoadBound {
    /// The factor for each unit of weight.
    factor_per_weight: f64,
    weights: Vec<u32>,
}

impl LoadBound {
    /// At most `factor` times the average, by weight. A factor below 1 could not be kept by all; it is taken as 1.
    #[expect(clippy::cast_precision_loss, reason = "a sum of weights beyond 2^53 may be rounded")]
    pub fn new(factor: f64, weights: Vec<u32>) -> Self {
        let total = WeightedDistribution::new(weights.iter().copied()).total_weight().max(1);
        Self { factor_per_weight: factor.max(1.0) / total as f64, weights }
    }

    /// The key's slot among those that have room; if none has, among all usable ones.
    pub fn pick(
        &self,
        table: &impl ConsistentHash,
        key: u64,
        load: impl Fn(usize) -> u32,
        eligible: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let room = self.below_bound(load);
        table.pick(key, |index| eligible(index) && room(index)).or_else(|| table.pick(key, &eligible))
    }

    /// Which slots have room, at the loads of this moment.
    pub fn below_bound(&self, load: impl Fn(usize) -> u32) -> impl Fn(usize) -> bool {
        let total_load: f64 = (0..self.weights.len()).map(|index| f64::from(load(index))).sum();
        // One above: with nothing in flight everybody has room for the first.
        let bound = move |slot: usize| {
            (self.factor_per_weight * total_load * f64::from(self.weights[slot].max(1)) + 1.0).ceil()
        };
        move |slot| f64::from(load(slot)) < bound(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_room_up_to_the_factor() {
        // factor, weights, loads, who has room
        let cases = [
            (1.25, vec![1, 1], vec![0, 0], [true, true]),
            // 1.25 x 1 + 1 = 2.25: up to 3.
            (1.25, vec![1, 1], vec![2, 0], [true, true]),
            // 1.25 x 1.5 + 1 = 2.875: up to 3, which it has.
            (1.25, vec![1, 1], vec![3, 0], [false, true]),
            (1.25, vec![1, 1], vec![10, 0], [false, true]),
            (2.0, vec![1, 1], vec![20, 0], [true, true]),
            // 1.25 x 12 x 5/6 + 1 = 13.5, and 3.5.
            (1.25, vec![5, 1], vec![10, 2], [true, true]),
            (1.25, vec![5, 1], vec![2, 10], [true, false]),
            (f64::NAN, vec![1, 1], vec![10, 0], [false, true]),
        ];
        for (factor, weights, loads, expected) in cases {
            let bound = LoadBound::new(factor, weights.clone());
            let room = bound.below_bound(|index| loads[index]);
            assert_eq!([room(0), room(1)], expected, "{factor} {weights:?} {loads:?}");
        }
    }
}
