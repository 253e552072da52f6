//! Random, by weight.
//!
//! **Use it** where many balancers share the backends without knowing of each other: random picks need no shared state
//! and do not synchronize. Over many requests the shares converge to the weights; at any moment they differ: of 100
//! requests over 10 backends one backend typically gets 15. [`super::power_of_two_choices`] costs little more and
//! balances far better. HAProxy's `random(1)`, Envoy's `RANDOM`.
//!
//! **Cost**: one `fetch_add`, a multiplication, a binary search over the weights.

use super::{hash::mix, weighted_distribution::WeightedDistribution};

/// The index of a random candidate; if it is not eligible, of a random eligible one.
pub fn pick(distribution: &WeightedDistribution, random: u64, eligible: impl Fn(usize) -> bool) -> Option<usize> {
    let index = distribution.sample(random);
    if eligible(index) { Some(index) } else { distribution.sample_among(mix(random), eligible) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::policy::counters::PickCounters;

    #[test]
    fn shares_converge_to_the_weights() {
        let (counters, distribution) = (PickCounters::with_seed(1), WeightedDistribution::new([3, 2, 1]));
        let count = |eligible: [bool; 3]| {
            let mut counts = [0_i32; 3];
            for _ in 0..60_000 {
                counts[pick(&distribution, counters.next_random(), |index| eligible[index]).unwrap()] += 1;
            }
            counts
        };
        for (counts, fair) in [
            (count([true; 3]), [30_000, 20_000, 10_000]),
            (count([false, true, true]), [0, 40_000, 20_000]),
            (count([false, false, true]), [0, 0, 60_000]),
        ] {
            assert!(counts.iter().zip(fair).all(|(count, fair)| (count - fair).abs() < 600), "{counts:?}");
        }
        assert_eq!(pick(&distribution, counters.next_random(), |_| false), None);
    }
}
