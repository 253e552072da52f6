//! Smooth weighted round robin: in turn by weight, evenly interleaved.
//!
//! **Use it** when the backends differ in size and you know by how much. Weights 5:1:1 give `a a b a c a a`, not
//! `a a a a a b c`: no backend gets its picks in one burst. nginx's default (Igor Sysoev's rule, 2012), HAProxy's
//! `roundrobin`. It ignores load.
//!
//! **Cost**: one `fetch_add` and one table lookup. nginx keeps a current weight for each backend and walks all of them
//! at each pick, under a lock when workers share them. The sequence repeats after as many picks as the sum of the
//! weights, so here it is computed once and only the index moves. Computing it takes backends × picks steps, a few
//! milliseconds at worst.
//!
//! The cycle has at most [`MAX_CYCLE_LEN`] picks. Weights whose reduced sum is larger are rounded to it, each to at
//! least one pick: a share is then off by less than one pick per cycle and backend.

use super::{counters::weyl_sequence, weighted_distribution::WeightedDistribution};

/// The longest cycle before weights are rounded: every backend gets a pick within about as many.
pub const MAX_CYCLE_LEN: u64 = 8_192;

/// The precomputed sequence of picks, and the weights by which the share of an ineligible backend is divided.
#[derive(Clone, Debug)]
pub struct WeightedCycle {
    schedule: Vec<u32>,
    distribution: WeightedDistribution,
}

impl WeightedCycle {
    /// Computes the cycle of these weights; 0 is taken as 1.
    pub fn new(weights: &[u32]) -> Self {
        Self {
            schedule: smooth_schedule(&reduce_weights(weights)),
            distribution: WeightedDistribution::new(weights.iter().copied()),
        }
    }

    // ANCHOR: pick
    /// The index that is next in the cycle; if it is not eligible, an eligible one by weight.
    pub fn pick(&self, sequence: usize, eligible: impl Fn(usize) -> bool) -> Option<usize> {
        let index = self.schedule[sequence.checked_rem(self.schedule.len())?] as usize;
        if eligible(index) { Some(index) } else { self.distribution.sample_among(weyl_sequence(sequence), eligible) }
    }
    // ANCHOR_END: pick
}

/// The same ratios in the smallest integers, or rounded so that the sum is about [`MAX_CYCLE_LEN`].
fn reduce_weights(weights: &[u32]) -> Vec<i64> {
    let weights: Vec<u64> = weights.iter().map(|weight| u64::from((*weight).max(1))).collect();
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let total = weights.iter().sum::<u64>() / divisor;
    let picks = |weight: u64| match weight / divisor {
        picks if total <= MAX_CYCLE_LEN => picks,
        picks => (picks * MAX_CYCLE_LEN / total).max(1),
    };
    weights.into_iter().map(|weight| picks(weight).cast_signed()).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

// ANCHOR: smooth
/// nginx's rule: at each pick, every current weight grows by the backend's weight; the largest is picked, and the sum
/// of all weights is subtracted from it.
fn smooth_schedule(weights: &[i64]) -> Vec<u32> {
    let total: i64 = weights.iter().sum();
    let mut current_weights = vec![0; weights.len()];
    let mut next_pick = |_| {
        let mut best = 0;
        for index in 0..current_weights.len() {
            current_weights[index] += weights[index];
            // Ties go to the first.
            if current_weights[index] > current_weights[best] {
                best = index;
            }
        }
        current_weights[best] -= total;
        u32::try_from(best).expect("a group has fewer than 2^32 backends")
    };
    (0..total).map(&mut next_pick).collect()
}
// ANCHOR_END: smooth

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaves_the_picks() {
        let cases: [(&[u32], &[u32]); 6] = [
            (&[5, 1, 1], &[0, 0, 1, 0, 2, 0, 0]),
            (&[50, 10, 10], &[0, 0, 1, 0, 2, 0, 0]),
            (&[1, 1, 1], &[0, 1, 2]),
            (&[2, 3], &[1, 0, 1, 0, 1]),
            (&[7], &[0]),
            (&[], &[]),
        ];
        for (weights, picks) in cases {
            assert_eq!(WeightedCycle::new(weights).schedule, picks, "{weights:?}");
        }
    }

    #[test]
    fn rounds_weights_without_a_short_cycle() {
        let cycle = WeightedCycle::new(&[1_000_000, 500_001, 1, u32::MAX]);
        assert!((8_000..=8_200).contains(&cycle.schedule.len()), "{}", cycle.schedule.len());
        for index in 0..4 {
            assert!(cycle.schedule.contains(&index), "{index} has no pick");
        }
    }

    #[test]
    fn share_of_an_ineligible_backend_is_divided_by_weight() {
        let cycle = WeightedCycle::new(&[4, 2, 1]);
        let mut counts = [0_i32; 3];
        for sequence in 0..7_000 {
            counts[cycle.pick(sequence, |index| index != 0).unwrap()] += 1;
        }
        // 2,000 and 1,000 of their own, and 4,000 inherited at 2:1.
        assert_eq!(counts[0], 0);
        assert!((counts[1] - 4_667).abs() < 20 && (counts[2] - 2_333).abs() < 20, "{counts:?}");
        assert_eq!(cycle.pick(0, |_| false), None);
    }
}
