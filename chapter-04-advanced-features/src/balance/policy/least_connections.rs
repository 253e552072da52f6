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
//! **Cost**: reads the counters one after the other, each on a cache line that other CPU cores write, up to the first
//! idle backend: a few where most are idle. Where none is, it reads all: negligible for 3 or 30, near a microsecond for
//! 1,000. Unequal weights read all of them, and those that tie twice.
//!
//! Ties go round robin, because the search begins after the backend that was picked last; else the first would get all
//! of a light traffic.

use std::cell::LazyCell;

use super::{
    counters::{PickCounters, weyl_sequence},
    weighted_distribution::WeightedDistribution,
};

/// The index of the eligible candidate with the least load; ties go round robin.
pub fn pick(
    count: usize,
    load: impl Fn(usize) -> u32,
    eligible: impl Fn(usize) -> bool,
    counters: &PickCounters,
) -> Option<usize> {
    // A change of the candidates may have left the position beyond the last.
    counters.pick_after_last(|begin| least_loaded_from(begin.checked_rem(count)?, count, &load, &eligible))
}

fn least_loaded_from(
    begin: usize,
    count: usize,
    load: impl Fn(usize) -> u32,
    eligible: impl Fn(usize) -> bool,
) -> Option<usize> {
    let mut least: Option<(usize, u32)> = None;
    for index in (begin..count).chain(0..begin) {
        let load = load(index);
        // Whether one is eligible takes more cache lines than its load: asked only of those that would be picked.
        if least.is_none_or(|(_, lowest)| load < lowest) && eligible(index) {
            least = Some((index, load));
            if load == 0 {
                break;
            }
        }
    }
    least.map(|(index, _)| index)
}

/// The index of the eligible candidate with the least load relative to its weight; ties go round robin by weight, as in
/// nginx.
pub fn pick_weighted(
    distribution: &WeightedDistribution,
    load: impl Fn(usize) -> u32,
    eligible: impl Fn(usize) -> bool,
    counters: &PickCounters,
) -> Option<usize> {
    if distribution.is_uniform() {
        return pick(distribution.candidate_count(), load, eligible, counters);
    }
    let turn = LazyCell::new(|| counters.next_round_robin());
    // Nearly always the least loaded is eligible: so the loads alone decide, which is one cache line per backend.
    match pick_weighted_among(distribution, &load, |_| true, || *turn) {
        Some(index) if eligible(index) => Some(index),
        // With the same turn: taking two would give some of those that tie more than their share.
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
        let cases: [(&[u32], &[bool], &[usize]); 8] = [
            (&[3, 1, 2], &[true; 3], &[1, 1, 1, 1]),
            (&[0, 0, 0], &[true; 3], &[0, 1, 2, 0]),
            (&[5, 2, 2], &[true; 3], &[1, 2, 1, 2]),
            (&[3, 1, 2], &[true, false, true], &[2, 2, 2, 2]),
            (&[u32::MAX, u32::MAX], &[true; 2], &[0, 1, 0, 1]),
            (&[0, 0], &[false; 2], &[]),
            (&[], &[], &[]),
            // One busy backend between two idle ones: its neighbour gets no double share.
            (&[0, 1, 0], &[true; 3], &[0, 2, 0, 2]),
        ];
        for (loads, eligible, expected) in cases {
            let counters = PickCounters::default();
            let pick = |_| pick(loads.len(), |index| loads[index], |index| eligible[index], &counters);
            assert_eq!((0..4).filter_map(pick).collect::<Vec<_>>(), expected, "{loads:?}");
        }
    }

    #[test]
    fn eligible_candidates_take_turns_beside_one_that_is_idle_and_not_eligible() {
        let counters = PickCounters::default();
        let mut picks = [0; 3];
        for _ in 0..60 {
            picks[pick(3, |_| 0, |index| index != 0, &counters).unwrap()] += 1;
        }
        assert_eq!(picks, [0, 30, 30]);
        let distribution = WeightedDistribution::new([2, 1, 1]);
        pick_weighted(&distribution, |_| 0, |index| index != 0, &counters).unwrap();
        assert_eq!(counters.next_round_robin(), 1, "one turn per pick");
    }

    #[test]
    fn position_beyond_the_last_candidate_starts_over() {
        let counters = PickCounters::default();
        assert_eq!([9, 9, 2, 2].map(|count| pick(count, |_| 0, |_| true, &counters)), [0, 1, 0, 1].map(Some));
    }

    #[test]
    fn asks_few_whether_they_are_eligible_and_looks_no_further_than_an_idle_one() {
        let uniform = WeightedDistribution::new([1; 100]);
        let weighted = WeightedDistribution::new((0..100).map(|index| 1 + index % 2));
        for distribution in [uniform, weighted] {
            let counters = PickCounters::default();
            let (asked, read) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
            let eligible = |_| {
                asked.set(asked.get() + 1);
                true
            };
            let load = |index| {
                read.set(read.get() + 1);
                if index == 7 { 0 } else { 5 }
            };
            assert_eq!(pick_weighted(&distribution, load, eligible, &counters), Some(7));
            assert!(asked.get() <= 2, "asked {}", asked.get());
            assert_eq!(read.get(), if distribution.is_uniform() { 8 } else { 100 });
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
            let pick = pick_weighted(&distribution, |index| loads[index], |_| true, &PickCounters::default());
            // The fourth case is a tie of the last two, which the turn decides.
            assert_eq!(pick, Some(expected), "{loads:?} {weights:?}");
        }
        assert_eq!(pick_weighted(&WeightedDistribution::new([1]), |_| 0, |_| false, &PickCounters::default()), None);
    }

    #[test]
    fn idle_backends_are_picked_by_weight() {
        let distribution = WeightedDistribution::new([5, 1, 1]);
        let (mut counts, counters) = ([0_i32; 3], PickCounters::default());
        for _ in 0..700 {
            counts[pick_weighted(&distribution, |_| 0, |_| true, &counters).unwrap()] += 1;
        }
        assert!((counts[0] - 500).abs() <= 2 && (counts[1] - 100).abs() <= 2, "{counts:?}");
    }

    /// No request ever completes: the loads must grow in proportion to the weights.
    #[test]
    fn loads_settle_at_the_weights() {
        let distribution = WeightedDistribution::new([5, 2, 1]);
        let (mut loads, counters) = ([0_u32; 3], PickCounters::default());
        for _ in 0..800 {
            let index = pick_weighted(&distribution, |index| loads[index], |_| true, &counters).unwrap();
            loads[index] += 1;
        }
        assert_eq!(loads, [500, 200, 100]);
    }
}
