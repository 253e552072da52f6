//! Least connections: picks the backend with the fewest requests in flight.
//!
//! **Use it** when requests differ in cost or backends in speed: a slow backend completes fewer requests, so it holds
//! more, so it gets fewer. Use weights when you also know how the backends differ in size. What is counted is
//! *requests* in flight, not connections: an idle keep-alive connection is no load. nginx's `least_conn`, HAProxy's
//! `leastconn`, Envoy's `LEAST_REQUEST` over all.
//!
//! **Traps**: a backend that fails fast looks idle and attracts all traffic: ejection is the remedy. Several balancers
//! that each see only their own load, or many requests at once that see the same least loaded backend, herd to it:
//! [`super::power_of_two_choices`].
//!
//! **Cost**: reads every backend's counter, each on a cache line that other CPU cores write: negligible for 3 or 30,
//! some hundred nanoseconds for 300; where some of them tie, some are read twice. Whether a backend is eligible is read
//! for the least loaded only, unless it is not. Ties go round robin; else the first would get all of a light traffic.

use std::cell::LazyCell;

use super::{counters::weyl_sequence, weighted_distribution::WeightedDistribution};

/// The index of the eligible candidate with the least load; ties go round robin. `sequence` is called only for a tie.
pub fn pick(
    count: usize,
    load: impl Fn(usize) -> u32,
    eligible: impl Fn(usize) -> bool,
    sequence: impl FnOnce() -> usize,
) -> Option<usize> {
    let turn = LazyCell::new(sequence);
    // Nearly always the least loaded is eligible: so the loads alone decide, which is one cache line per backend.
    match pick_among(count, &load, |_| true, || *turn) {
        Some(index) if eligible(index) => Some(index),
        // With the same turn: taking two would give some of those that tie more than their share.
        _ => pick_among(count, &load, eligible, || *turn),
    }
}

fn pick_among(
    count: usize,
    load: impl Fn(usize) -> u32,
    eligible: impl Fn(usize) -> bool,
    sequence: impl FnOnce() -> usize,
) -> Option<usize> {
    let (mut lowest, mut ties, mut first) = (u32::MAX, 0_usize, None);
    for index in (0..count).filter(|index| eligible(*index)) {
        let load = load(index);
        if load < lowest || first.is_none() {
            (lowest, ties, first) = (load, 0, Some(index));
        }
        ties += usize::from(load == lowest);
    }
    if ties <= 1 {
        return first;
    }
    let nth = sequence() % ties;
    if ties == count {
        return Some(nth);
    }
    // The loads may have changed in between: then take the first.
    (0..count).filter(|index| load(*index) == lowest && eligible(*index)).nth(nth).or(first)
}

/// The index of the eligible candidate with the least load relative to its weight; ties go round robin by weight, as in
/// nginx.
pub fn pick_weighted(
    distribution: &WeightedDistribution,
    load: impl Fn(usize) -> u32,
    eligible: impl Fn(usize) -> bool,
    sequence: impl FnOnce() -> usize,
) -> Option<usize> {
    let turn = LazyCell::new(sequence);
    match pick_weighted_among(distribution, &load, |_| true, || *turn) {
        Some(index) if eligible(index) => Some(index),
        _ => pick_weighted_among(distribution, &load, eligible, || *turn),
    }
}

fn pick_weighted_among(
    distribution: &WeightedDistribution,
    load: impl Fn(usize) -> u32,
    eligible: impl Fn(usize) -> bool,
    sequence: impl FnOnce() -> usize,
) -> Option<usize> {
    let mut least: Option<(usize, u64, u64)> = None;
    let mut ties = 0_usize;
    for index in (0..distribution.candidate_count()).filter(|index| eligible(*index)) {
        let (load, weight) = (u64::from(load(index)), distribution.weight(index));
        // a / b < c / d without division, so equal ratios are exactly equal. 32-bit factors cannot overflow.
        match least {
            Some((_, lower, lowest_weight)) if lower * weight < load * lowest_weight => {}
            Some((_, same, lowest_weight)) if same * weight == load * lowest_weight => ties += 1,
            _ => (least, ties) = (Some((index, load, weight)), 1),
        }
    }
    let (first, lowest, lowest_weight) = least?;
    if ties == 1 {
        return Some(first);
    }
    let is_equal = |index| u64::from(load(index)) * lowest_weight == lowest * distribution.weight(index);
    let uniform = weyl_sequence(sequence());
    if ties == distribution.candidate_count() {
        return Some(distribution.sample(uniform));
    }
    distribution.sample_among(uniform, |index| is_equal(index) && eligible(index)).or(Some(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_least_loaded_and_ties_round_robin() {
        let cases: [(&[u32], &[bool], &[usize]); 6] = [
            (&[3, 1, 2], &[true; 3], &[1, 1, 1, 1]),
            (&[0, 0, 0], &[true; 3], &[0, 1, 2, 0]),
            (&[5, 2, 2], &[true; 3], &[1, 2, 1, 2]),
            (&[3, 1, 2], &[true, false, true], &[2, 2, 2, 2]),
            (&[u32::MAX, u32::MAX], &[true; 2], &[0, 1, 0, 1]),
            (&[0, 0], &[false; 2], &[]),
        ];
        for (loads, eligible, expected) in cases {
            let pick = |sequence| pick(loads.len(), |index| loads[index], |index| eligible[index], || sequence);
            assert_eq!((0..4).filter_map(pick).collect::<Vec<_>>(), expected, "{loads:?}");
        }
    }

    #[test]
    fn eligible_candidates_take_turns_beside_one_that_is_idle_and_not_eligible() {
        let distribution = WeightedDistribution::new([1; 3]);
        let turns = std::cell::Cell::new(0);
        let draw = || turns.replace(turns.get() + 1);
        let mut picks = [0; 3];
        for _ in 0..60 {
            picks[pick(3, |_| 0, |index| index != 0, draw).unwrap()] += 1;
        }
        assert_eq!((picks, turns.get()), ([0, 30, 30], 60), "one draw per pick");
        pick_weighted(&distribution, |_| 0, |index| index != 0, draw).unwrap();
        assert_eq!(turns.get(), 61);
    }

    #[test]
    fn asks_the_least_loaded_only_whether_it_is_eligible() {
        let distribution = WeightedDistribution::new([1; 100]);
        for loads in [[0; 100], std::array::from_fn(|index| u32::try_from(index % 7).unwrap())] {
            let asked = std::cell::Cell::new(0);
            let eligible = |_| {
                asked.set(asked.get() + 1);
                true
            };
            pick(100, |index| loads[index], eligible, || 3).unwrap();
            pick_weighted(&distribution, |index| loads[index], eligible, || 3).unwrap();
            assert_eq!(asked.get(), 2, "one of each pick");
        }
    }

    #[test]
    fn picks_least_loaded_relative_to_weight() {
        let cases: [(&[u32], &[u32], usize); 5] = [
            (&[4, 1], &[5, 1], 0),
            (&[6, 1], &[5, 1], 1),
            (&[1, 0], &[5, 1], 1),
            (&[9, 4, 1], &[8, 4, 1], 1),
            (&[u32::MAX, u32::MAX - 1], &[u32::MAX, u32::MAX], 1),
        ];
        for (loads, weights, expected) in cases {
            let distribution = WeightedDistribution::new(weights.iter().copied());
            let pick = pick_weighted(&distribution, |index| loads[index], |_| true, || 0);
            // The fourth case is a tie of the last two, which the sequence decides.
            assert_eq!(pick, Some(expected), "{loads:?} {weights:?}");
        }
        assert_eq!(pick_weighted(&WeightedDistribution::new([1]), |_| 0, |_| false, || 0), None);
    }

    #[test]
    fn idle_backends_are_picked_by_weight() {
        let distribution = WeightedDistribution::new([5, 1, 1]);
        let mut counts = [0_i32; 3];
        for sequence in 0..700 {
            counts[pick_weighted(&distribution, |_| 0, |_| true, || sequence).unwrap()] += 1;
        }
        assert!((counts[0] - 500).abs() <= 2 && (counts[1] - 100).abs() <= 2, "{counts:?}");
    }

    /// No request ever completes: the loads must grow in proportion to the weights.
    #[test]
    fn loads_settle_at_the_weights() {
        let distribution = WeightedDistribution::new([5, 2, 1]);
        let mut loads = [0_u32; 3];
        for sequence in 0..800 {
            let index = pick_weighted(&distribution, |index| loads[index], |_| true, || sequence).unwrap();
            loads[index] += 1;
        }
        assert_eq!(loads, [500, 200, 100]);
    }
}
