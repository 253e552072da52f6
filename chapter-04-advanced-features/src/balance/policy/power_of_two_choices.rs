//! Power of two choices: two drawn at random, the better one gets it.
//!
//! **Use it** when in doubt. It sees load as least connections does, yet reads two counters however many backends
//! there are, and many balancers do not herd, for each compares another two. The gain of the second choice over
//! none is exponential: with n requests on n backends the fullest holds about log log n instead of
//! log n / log log n (Azar and others 1994; Mitzenmacher 2001). HAProxy's `random(2)`, nginx's `random two
//! least_conn`, Envoy's `LEAST_REQUEST`, Caddy's `random_choose 2`.
//!
//! **Cost**: one `fetch_add`, two searches, two counters read.
//!
//! The two are drawn by weight and are never the same one; equals go to the one drawn first, so that the idle keep
//! the weights' shares.

use super::{hash::mix, weighted_distribution::WeightedDistribution};

// ANCHOR: pick
/// The usable one of two drawn slots that costs less; if neither is usable, one of the usable by chance.
pub fn pick(
    shares: &WeightedDistribution,
    random: u64,
    cost: impl Fn(usize) -> f64,
    usable: impl Fn(usize) -> bool,
) -> Option<usize> {
    // One number from the source, which all cores share, and the others from it.
    let (second_random, fallback_random) = (mix(random), mix(mix(random)));
    let first = shares.sample(random);
    let second = shares.sample_excluding(first, second_random);
    match (usable(first), usable(second)) {
        (true, true) if cost(second) < cost(first) => Some(second),
        (true, _) => Some(first),
        (false, true) => Some(second),
        (false, false) => shares.sample_among(fallback_random, usable),
    }
}
// ANCHOR_END: pick

/// What a request costs on a backend with so much to do: its load for its weight.
pub fn load_per_weight(in_flight: u32, weight: u32) -> f64 {
    f64::from(in_flight) / f64::from(weight.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::policy::counters::PickCounters;

    #[test]
    fn of_two_the_less_loaded_always() {
        let (turns, shares) = (PickCounters::with_seed(1), WeightedDistribution::new([1, 1]));
        for (loads, expected) in [([3, 2], 1), ([2, 3], 0)] {
            for _ in 0..100 {
                let picked = pick(&shares, turns.next_random(), |slot| load_per_weight(loads[slot], 1), |_| true);
                assert_eq!(picked, Some(expected));
            }
        }
    }

    #[test]
    fn the_most_loaded_gets_nothing_and_the_unusable_neither() {
        let (turns, shares) = (PickCounters::with_seed(1), WeightedDistribution::new([1; 4]));
        let mut counts = [0; 4];
        for _ in 0..4_000 {
            let loads = [0, 1, 2, 3];
            counts[pick(&shares, turns.next_random(), |slot| load_per_weight(loads[slot], 1), |_| true).unwrap()] += 1;
        }
        // The least loaded wins whenever it is drawn: half of the time.
        assert!((1_900..2_100).contains(&counts[0]) && counts[3] == 0, "{counts:?}");
        for _ in 0..1_000 {
            assert_eq!(pick(&shares, turns.next_random(), |_| 0.0, |slot| slot == 2), Some(2));
        }
        assert_eq!(pick(&shares, turns.next_random(), |_| 0.0, |_| false), None);
    }

    /// Nothing is ever answered: the loads must grow as the weights are.
    #[test]
    fn loads_settle_at_the_weights() {
        let (turns, weights) = (PickCounters::with_seed(1), [4, 2, 1, 1]);
        let shares = WeightedDistribution::new(weights);
        let mut loads = [0_u32; 4];
        for _ in 0..8_000 {
            let cost = |slot: usize| load_per_weight(loads[slot], weights[slot]);
            let slot = pick(&shares, turns.next_random(), cost, |_| true).unwrap();
            loads[slot] += 1;
        }
        for (load, weight) in loads.into_iter().zip(weights) {
            assert!((weight * 990..=weight * 1_010).contains(&load), "{loads:?}");
        }
    }
}
