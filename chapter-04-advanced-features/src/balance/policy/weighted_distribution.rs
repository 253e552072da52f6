//! A discrete distribution by weight: cumulative weights, sampled with a uniform number.
//!
//! Used by random, two choices and the source hash, and wherever a share is redistributed by weight. Cost: a division
//! to sample among candidates of equal weight, else a binary search, which misses the cache about ten times for 1,000;
//! two walks over all of them to sample among the eligible ones.

use super::hash::scale_to_range;

/// The candidates' weights as consecutive ranges of integers.
#[derive(Clone, Debug)]
pub struct WeightedDistribution(Ranges);

#[derive(Clone, Debug)]
enum Ranges {
    /// All of the same length, which is not 0.
    Uniform { count: usize, weight: u64 },
    /// Where each candidate's range ends. Strictly increasing.
    Cumulative(Vec<u64>),
}

impl WeightedDistribution {
    /// A range of length `weight` for each candidate; 0 is taken as 1.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let weights: Vec<_> = weights.into_iter().map(|weight| u64::from(weight.max(1))).collect();
        let first = weights.first().copied().unwrap_or(1);
        if weights.iter().all(|weight| *weight == first) {
            return Self(Ranges::Uniform { count: weights.len(), weight: first });
        }
        let end = |sum: &mut u64, weight: u64| {
            *sum += weight;
            Some(*sum)
        };
        Self(Ranges::Cumulative(weights.into_iter().scan(0, end).collect()))
    }

    /// Whether all weights are equal.
    pub fn is_uniform(&self) -> bool {
        matches!(self.0, Ranges::Uniform { .. })
    }

    /// The number of candidates.
    pub fn candidate_count(&self) -> usize {
        match &self.0 {
            Ranges::Uniform { count, .. } => *count,
            Ranges::Cumulative(ends) => ends.len(),
        }
    }

    /// The sum of all weights.
    pub fn total_weight(&self) -> u64 {
        match &self.0 {
            Ranges::Uniform { count, weight } => *count as u64 * weight,
            Ranges::Cumulative(ends) => ends.last().copied().unwrap_or(0),
        }
    }

    /// A candidate's weight.
    pub fn weight(&self, index: usize) -> u64 {
        match &self.0 {
            Ranges::Uniform { weight, .. } => *weight,
            Ranges::Cumulative(ends) => ends[index] - self.range_start(index),
        }
    }

    /// The candidate whose range contains `point`, which is below [`total_weight`](Self::total_weight).
    pub fn index_at(&self, point: u64) -> usize {
        match &self.0 {
            Ranges::Uniform { weight, .. } => usize::try_from(point / weight).unwrap_or(usize::MAX),
            Ranges::Cumulative(ends) => ends.partition_point(|end| *end <= point),
        }
    }

    /// Samples a candidate by weight, given a uniform number. There must be at least one candidate.
    pub fn sample(&self, uniform: u64) -> usize {
        self.index_at(scale_to_range(uniform, self.total_weight()))
    }

    /// Samples a candidate other than `first` by weight. There must be at least two.
    pub fn sample_excluding(&self, first: usize, uniform: u64) -> usize {
        // Sample the ranges without the first one's, then shift past it: no rejection and second try.
        let point = scale_to_range(uniform, self.total_weight() - self.weight(first));
        self.index_at(if point < self.range_start(first) { point } else { point + self.weight(first) })
    }

    /// Samples an eligible candidate by weight; `None` if there is none.
    pub fn sample_among(&self, uniform: u64, eligible: impl Fn(usize) -> bool) -> Option<usize> {
        let mut first = None;
        let mut total = 0;
        for index in (0..self.candidate_count()).filter(|index| eligible(*index)) {
            first = first.or(Some(index));
            total += self.weight(index);
        }
        let mut point = scale_to_range(uniform, total);
        let holds_point = |index: &usize| {
            let weight = self.weight(*index);
            let holds = point < weight;
            point = point.saturating_sub(weight);
            holds
        };
        // Another thread may have made one ineligible in between: then take the first that was eligible.
        (0..self.candidate_count()).filter(|index| eligible(*index)).find(holds_point).or(first)
    }

    fn range_start(&self, index: usize) -> u64 {
        match &self.0 {
            Ranges::Uniform { weight, .. } => index as u64 * weight,
            Ranges::Cumulative(ends) => index.checked_sub(1).map_or(0, |before| ends[before]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A uniform number from the middle of each of `parts` equal parts.
    fn parts(parts: u64) -> impl Iterator<Item = u64> {
        let part = u64::MAX / parts;
        (0..parts).map(move |i| i * part + part / 2)
    }

    #[test]
    fn samples_by_weight() {
        let distribution = WeightedDistribution::new([2, 1, 3]);
        let drawn: Vec<usize> = parts(6).map(|uniform| distribution.sample(uniform)).collect();
        assert_eq!(drawn, [0, 0, 1, 2, 2, 2]);
        assert_eq!((distribution.total_weight(), distribution.weight(0), distribution.weight(2)), (6, 2, 3));
    }

    #[test]
    fn equal_weights_are_sampled_as_others_are() {
        let uniform = WeightedDistribution::new([3; 4]);
        let cumulative = WeightedDistribution(Ranges::Cumulative(vec![3, 6, 9, 12]));
        assert!(uniform.is_uniform() && !cumulative.is_uniform());
        let facts = |of: &WeightedDistribution| (of.candidate_count(), of.total_weight(), of.weight(2));
        assert_eq!(facts(&uniform), facts(&cumulative));
        for sample in parts(24) {
            let samples = |of: &WeightedDistribution| {
                (of.sample(sample), of.sample_excluding(1, sample), of.sample_among(sample, |index| index != 2))
            };
            assert_eq!(samples(&uniform), samples(&cumulative));
        }
    }

    #[test]
    fn sample_excluding_never_returns_the_first() {
        let distribution = WeightedDistribution::new([2, 1, 3]);
        let others = |first| -> Vec<usize> {
            let rest = distribution.total_weight() - distribution.weight(first);
            parts(rest).map(|uniform| distribution.sample_excluding(first, uniform)).collect()
        };
        assert_eq!(others(0), [1, 2, 2, 2]);
        assert_eq!(others(1), [0, 0, 2, 2, 2]);
        assert_eq!(others(2), [0, 0, 1]);
    }

    #[test]
    fn sample_among_keeps_the_weights() {
        let distribution = WeightedDistribution::new([2, 1, 3]);
        let drawn: Vec<_> =
            parts(5).map(|uniform| distribution.sample_among(uniform, |index| index != 1).unwrap()).collect();
        assert_eq!(drawn, [0, 0, 2, 2, 2]);
        assert_eq!(distribution.sample_among(7, |_| false), None);
    }

    #[test]
    fn the_largest_weights_do_not_overflow() {
        let distribution = WeightedDistribution::new([u32::MAX; 4]);
        assert_eq!(distribution.sample(u64::MAX), 3);
        assert_eq!(distribution.sample_excluding(3, u64::MAX), 2);
    }
}
