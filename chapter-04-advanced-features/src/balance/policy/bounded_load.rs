//! Bounded load: a consistent hash that skips a backend which holds far more than its share.
//!
//! **Use it** with a consistent hash when keys are not equally popular: one popular video would overload the backend it
//! hashes to. With a balance factor of 1.25 no backend takes a request while it holds more than a quarter above the
//! average; the next one by the same hash does, so the overflow of a key also goes to the same backends (Mirrokni,
//! Thorup, Zadimoghaddam 2018). HAProxy's `hash-balance-factor 125`, Envoy's `hash_balance_factor`. A smaller factor is
//! more even and moves more keys; 1.25 to 2 is usual.
//!
//! **Cost**: every backend's counter is read at each pick, as in [`super::least_connections`].
//!
//! It never rejects a request: if no eligible backend is below its bound, the bound is ignored.

use super::weighted_distribution::WeightedDistribution;

/// A consistent hash with a next choice when the first is not eligible: what bounded load needs.
pub trait ConsistentHash {
    /// The index of the eligible candidate that this key maps to; `None` only if none is eligible.
    fn pick(&self, key: u64, eligible: impl Fn(usize) -> bool) -> Option<usize>;
}

/// The balance factor, and the weights that define each candidate's share.
#[derive(Clone, Debug)]
pub struct LoadBound {
    /// The factor for each unit of weight.
    factor_per_weight: f64,
    weights: Vec<u32>,
}

impl LoadBound {
    /// At most `factor` times the average, by weight. A factor below 1 cannot hold for all; it is taken as 1.
    #[expect(clippy::cast_precision_loss, reason = "a sum of weights beyond 2^53 may be rounded")]
    pub fn new(factor: f64, weights: Vec<u32>) -> Self {
        let total = WeightedDistribution::new(weights.iter().copied()).total_weight().max(1);
        Self { factor_per_weight: factor.max(1.0) / total as f64, weights }
    }

    /// The key's candidate among the eligible ones below their bound; if there is none, among all eligible ones.
    pub fn pick(
        &self,
        table: &impl ConsistentHash,
        key: u64,
        load: impl Fn(usize) -> u32,
        eligible: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let below_bound = self.below_bound(load);
        table.pick(key, |index| eligible(index) && below_bound(index)).or_else(|| table.pick(key, &eligible))
    }

    /// Which candidates are below their bound, at the current loads.
    pub fn below_bound(&self, load: impl Fn(usize) -> u32) -> impl Fn(usize) -> bool {
        let total_load: f64 = (0..self.weights.len()).map(|index| f64::from(load(index))).sum();
        // Plus one: with nothing in flight, every candidate may take the first request.
        let bound = move |index: usize| {
            (self.factor_per_weight * total_load * f64::from(self.weights[index].max(1)) + 1.0).ceil()
        };
        move |index| f64::from(load(index)) < bound(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_below_the_bound_up_to_the_factor() {
        // factor, weights, loads, which candidates are below their bound
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
            let below = bound.below_bound(|index| loads[index]);
            assert_eq!([below(0), below(1)], expected, "{factor} {weights:?} {loads:?}");
        }
    }
}
