//! Power of two choices: draws two backends at random and picks the less loaded one.
//!
//! **Use it** when in doubt. It sees load as least connections does, yet reads two counters however many backends
//! there are, and many balancers do not herd, because each compares a different pair. The gain of the second choice is
//! exponential: with n requests on n backends the most loaded holds about log log n instead of log n / log log n (Azar
//! and others 1994; Mitzenmacher 2001). HAProxy's `random(2)`, nginx's `random two least_conn`, Envoy's
//! `LEAST_REQUEST`, Caddy's `random_choose 2`.
//!
//! **Cost**: one `fetch_add`, two searches, two counters read.
//!
//! The two are drawn by weight and are never the same; ties go to the one drawn first, so that idle backends get shares
//! by weight.

use super::{hash::mix, weighted_distribution::WeightedDistribution};

// ANCHOR: pick
/// Draws two candidates and returns the index of the cheaper eligible one; if neither is eligible, a random eligible
/// one.
pub fn pick(
    distribution: &WeightedDistribution,
    random: u64,
    cost: impl Fn(usize) -> f64,
    eligible: impl Fn(usize) -> bool,
) -> Option<usize> {
    // One number from the shared random state; the others are derived from it.
    let (second_random, fallback_random) = (mix(random), mix(mix(random)));
    let first = distribution.sample(random);
    let second = distribution.sample_excluding(first, second_random);
    match (eligible(first), eligible(second)) {
        (true, true) if cost(second) < cost(first) => Some(second),
        (true, _) => Some(first),
        (false, true) => Some(second),
        (false, false) => distribution.sample_among(fallback_random, eligible),
    }
}
// ANCHOR_END: pick

/// The cost of a request on a backend: its load relative to its weight.
pub fn load_per_weight(in_flight: u32, weight: u32) -> f64 {
    f64::from(in_flight) / f64::from(weight.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::policy::counters::PickCounters;

    #[test]
    fn picks_the_less_loaded_of_two() {
        let (counters, distribution) = (PickCounters::with_seed(1), WeightedDistribution::new([1, 1]));
        for (loads, expected) in [([3, 2], 1), ([2, 3], 0)] {
            for _ in 0..100 {
                let picked =
                    pick(&distribution, counters.next_random(), |index| load_per_weight(loads[index], 1), |_| true);
                assert_eq!(picked, Some(expected));
            }
        }
    }

    #[test]
    fn most_loaded_and_ineligible_backends_get_nothing() {
        let (counters, distribution) = (PickCounters::with_seed(1), WeightedDistribution::new([1; 4]));
        let mut counts = [0; 4];
        for _ in 0..4_000 {
            let loads = [0, 1, 2, 3];
            counts[pick(&distribution, counters.next_random(), |index| load_per_weight(loads[index], 1), |_| true)
                .unwrap()] += 1;
        }
        // The least loaded wins whenever it is drawn: half of the time.
        assert!((1_900..2_100).contains(&counts[0]) && counts[3] == 0, "{counts:?}");
        for _ in 0..1_000 {
            assert_eq!(pick(&distribution, counters.next_random(), |_| 0.0, |index| index == 2), Some(2));
        }
        assert_eq!(pick(&distribution, counters.next_random(), |_| 0.0, |_| false), None);
    }

    /// No request ever completes: the loads must grow in proportion to the weights.
    #[test]
    fn loads_settle_at_the_weights() {
        let (counters, weights) = (PickCounters::with_seed(1), [4, 2, 1, 1]);
        let distribution = WeightedDistribution::new(weights);
        let mut loads = [0_u32; 4];
        for _ in 0..8_000 {
            let cost = |index: usize| load_per_weight(loads[index], weights[index]);
            let index = pick(&distribution, counters.next_random(), cost, |_| true).unwrap();
            loads[index] += 1;
        }
        for (load, weight) in loads.into_iter().zip(weights) {
            assert!((weight * 990..=weight * 1_010).contains(&load), "{loads:?}");
        }
    }
}
