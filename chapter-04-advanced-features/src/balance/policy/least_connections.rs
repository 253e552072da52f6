//! Least connections: to whom has the fewest requests in flight.
//!
//! **Use it** when requests differ in cost or backends in speed: a slow backend answers less, so holds more, so
//! gets less. With weights when you also know how they differ in size. What is counted is *requests* in flight,
//! not connections: an idle kept-alive connection is no load. nginx's `least_conn`, HAProxy's `leastconn`, Envoy's
//! `LEAST_REQUEST` over all.
//!
//! **Traps**: a backend that fails at once looks idle and draws everything: that is what ejection is for. Several
//! balancers that each see their own load only, or many at once that see the same least one, run in a herd:
//! [`super::power_of_two_choices`].
//!
//! **Cost**: reads every backend's counter, each on a cache line that other cores write: 3 or 30 are nothing, 300
//! are some hundred nanoseconds. Those equally loaded take turns; else the first would get all of a light traffic.

use super::{counters::weyl_sequence, weighted_distribution::WeightedDistribution};

/// The usable slot with the least load; of equals the one whose turn it is. `turn` is asked for only then.
pub fn pick(
    count: usize,
    load: impl Fn(usize) -> u32,
    eligible: impl Fn(usize) -> bool,
    sequence: impl FnOnce() -> usize,
) -> Option<usize> {
    let mut least: Option<(usize, u32)> = None;
    let mut ties = 0_usize;
    for slot in (0..count).filter(|slot| eligible(*slot)) {
        let load = load(slot);
        match least {
            Some((_, lower)) if lower < load => {}
            Some((_, same)) if same == load => ties += 1,
            _ => (least, ties) = (Some((slot, load)), 1),
        }
    }
    let (first, lowest) = least?;
    if ties == 1 {
        return Some(first);
    }
    let nth = sequence() % ties;
    // The loads may have changed since: then the first will do.
    (0..count).filter(|slot| eligible(*slot) && load(*slot) == lowest).nth(nth).or(Some(first))
}

/// The usable slot with the least load for its weight; equals take turns by weight, as nginx has it.
pub fn pick_weighted(
    shares: &WeightedDistribution,
    load: impl Fn(usize) -> u32,
    eligible: impl Fn(usize) -> bool,
    sequence: impl FnOnce() -> usize,
) -> Option<usize> {
    let mut least: Option<(usize, u64, u64)> = None;
    let mut ties = 0_usize;
    for slot in (0..shares.len()).filter(|slot| eligible(*slot)) {
        let (load, weight) = (u64::from(load(slot)), shares.weight(slot));
        // a / b < c / d without dividing: equal shares are exactly equal. 32-bit factors cannot overflow.
        match least {
            Some((_, lower, lowest_weight)) if lower * weight < load * lowest_weight => {}
            Some((_, same, its_weight)) if same * weight == load * its_weight => ties += 1,
            _ => (least, ties) = (Some((slot, load, weight)), 1),
        }
    }
    let (first, lowest, its_weight) = least?;
    if ties == 1 {
        return Some(first);
    }
    let is_equal = |slot| u64::from(load(slot)) * its_weight == lowest * shares.weight(slot);
    shares.sample_among(weyl_sequence(sequence()), |slot| eligible(slot) && is_equal(slot)).or(Some(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_loaded_and_equals_in_turn() {
        let cases: [(&[u32], &[bool], &[usize]); 6] = [
            (&[3, 1, 2], &[true; 3], &[1, 1, 1, 1]),
            (&[0, 0, 0], &[true; 3], &[0, 1, 2, 0]),
            (&[5, 2, 2], &[true; 3], &[1, 2, 1, 2]),
            (&[3, 1, 2], &[true, false, true], &[2, 2, 2, 2]),
            (&[u32::MAX, u32::MAX], &[true; 2], &[0, 1, 0, 1]),
            (&[0, 0], &[false; 2], &[]),
        ];
        for (loads, eligible, expected) in cases {
            let pick = |sequence| pick(loads.len(), |slot| loads[slot], |slot| eligible[slot], || sequence);
            assert_eq!((0..4).filter_map(pick).collect::<Vec<_>>(), expected, "{loads:?}");
        }
    }

    #[test]
    fn the_least_loaded_for_its_weight() {
        let cases: [(&[u32], &[u32], usize); 5] = [
            (&[4, 1], &[5, 1], 0),
            (&[6, 1], &[5, 1], 1),
            (&[1, 0], &[5, 1], 1),
            (&[9, 4, 1], &[8, 4, 1], 1),
            (&[u32::MAX, u32::MAX - 1], &[u32::MAX, u32::MAX], 1),
        ];
        for (loads, weights, expected) in cases {
            let shares = WeightedDistribution::new(weights.iter().copied());
            let pick = pick_weighted(&shares, |slot| loads[slot], |_| true, || 0);
            // The fourth case is a tie of the last two that the turn decides.
            assert_eq!(pick, Some(expected), "{loads:?} {weights:?}");
        }
        assert_eq!(pick_weighted(&WeightedDistribution::new([1]), |_| 0, |_| false, || 0), None);
    }

    #[test]
    fn the_idle_take_turns_by_weight() {
        let shares = WeightedDistribution::new([5, 1, 1]);
        let mut counts = [0_i32; 3];
        for sequence in 0..700 {
            counts[pick_weighted(&shares, |_| 0, |_| true, || sequence).unwrap()] += 1;
        }
        assert!((counts[0] - 500).abs() <= 2 && (counts[1] - 100).abs() <= 2, "{counts:?}");
    }

    /// Nothing is ever answered: the loads must grow as the weights are.
    #[test]
    fn loads_settle_at_the_weights() {
        let shares = WeightedDistribution::new([5, 2, 1]);
        let mut loads = [0_u32; 3];
        for sequence in 0..800 {
            let slot = pick_weighted(&shares, |slot| loads[slot], |_| true, || sequence).unwrap();
            loads[slot] += 1;
        }
        assert_eq!(loads, [500, 200, 100]);
    }
}
