//! Chance, by weight.
//!
//! **Use it** where many balancers share the backends and none may know of the others: chance needs no common
//! state and cannot run in step. Over many requests the shares are the weights; at any moment they are not: of 100
//! requests over 10 backends one backend typically gets 15. [`super::power_of_two_choices`] costs little more and does far
//! better. HAProxy's `random(1)`, Envoy's `RANDOM`.
//!
//! **Cost**: one `fetch_add`, a multiplication, a binary search over the weights.

use super::{hash::mix, weighted_distribution::WeightedDistribution};

/// A slot by chance; if it is not usable, a usable one by chance.
pub fn pick(shares: &WeightedDistribution, random: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
    let slot = shares.sample(random);
    if usable(slot) { Some(slot) } else { shares.sample_among(mix(random), usable) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::policy::counters::PickCounters;

    #[test]
    fn shares_come_near_the_weights() {
        let (turns, shares) = (PickCounters::with_seed(1), WeightedDistribution::new([3, 2, 1]));
        let count = |usable: [bool; 3]| {
            let mut counts = [0_i32; 3];
            for _ in 0..60_000 {
                counts[pick(&shares, turns.next_random(), |slot| usable[slot]).unwrap()] += 1;
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
        assert_eq!(pick(&shares, turns.next_random(), |_| false), None);
    }
}
