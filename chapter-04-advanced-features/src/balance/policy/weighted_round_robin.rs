//! Smooth weighted round robin: turns by weight, evenly mixed.
//!
//! **Use it** when the backends differ in size and you know by how much. Weights 5:1:1 give `a a b a c a a`, not
//! `a a a a a b c`: no backend gets its turns in one burst. nginx's default (Igor Sysoev's rule, 2012), HAProxy's
//! `roundrobin`. It knows nothing of load.
//!
//! **Cost**: one `fetch_add` and one look into a table. nginx keeps a running number for each backend and walks
//! all of them at each pick, under a lock when workers share them. The sequence repeats after as many turns as the
//! weights' sum, so here it is written down once and only the index moves. To write it down takes backends × turns
//! steps, a few milliseconds at worst.
//!
//! The cycle has at most [`MAX_CYCLE`] turns. Weights that reach no common measure below it are rounded to it, each
//! to one turn at least: a share is then off by less than one turn in that many for each backend.

use super::{counters::weyl_sequence, weighted_distribution::WeightedDistribution};

/// The longest cycle before weights are rounded: whoever has a weight gets a turn within about as many.
pub const MAX_CYCLE_LEN: u64 = 8_192;

/// The sequence of turns, and the weights for those who inherit one.
#[derive(Clone, Debug)]
pub struct WeightedCycle {
    schedule: Vec<u32>,
    distribution: WeightedDistribution,
}

impl WeightedCycle {
    /// The cycle of these weights; 0 is taken as 1.
    pub fn new(weights: &[u32]) -> Self {
        Self {
            schedule: smooth_schedule(&reduce_weights(weights)),
            distribution: WeightedDistribution::new(weights.iter().copied()),
        }
    }

    // ANCHOR: turn
    /// The slot of this turn; if it is not usable, a usable one by weight.
    pub fn pick(&self, sequence: usize, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let slot = self.schedule[sequence.checked_rem(self.schedule.len())?] as usize;
        if usable(slot) { Some(slot) } else { self.distribution.sample_among(weyl_sequence(sequence), usable) }
    }
    // ANCHOR_END: turn
}

/// The same shares in the smallest numbers, or rounded to [`MAX_CYCLE`] in all.
fn reduce_weights(weights: &[u32]) -> Vec<i64> {
    let weights: Vec<u64> = weights.iter().map(|weight| u64::from((*weight).max(1))).collect();
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let total = weights.iter().sum::<u64>() / divisor;
    let turns = |weight: u64| match weight / divisor {
        turns if total <= MAX_CYCLE_LEN => turns,
        turns => (turns * MAX_CYCLE_LEN / total).max(1),
    };
    weights.into_iter().map(|weight| turns(weight).cast_signed()).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

// ANCHOR: smooth
/// nginx's rule: each turn everyone gains their weight, the richest goes, and pays what all have gained.
fn smooth_schedule(weights: &[i64]) -> Vec<u32> {
    let total: i64 = weights.iter().sum();
    let mut current_weights = vec![0; weights.len()];
    let mut sequence = |_| {
        let mut best = 0;
        for slot in 0..current_weights.len() {
            current_weights[slot] += weights[slot];
            // The first of equals goes.
            if current_weights[slot] > current_weights[best] {
                best = slot;
            }
        }
        current_weights[best] -= total;
        u32::try_from(best).expect("a group has fewer than 2^32 backends")
    };
    (0..total).map(&mut sequence).collect()
}
// ANCHOR_END: smooth

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_the_turns() {
        let cases: [(&[u32], &[u32]); 6] = [
            (&[5, 1, 1], &[0, 0, 1, 0, 2, 0, 0]),
            (&[50, 10, 10], &[0, 0, 1, 0, 2, 0, 0]),
            (&[1, 1, 1], &[0, 1, 2]),
            (&[2, 3], &[1, 0, 1, 0, 1]),
            (&[7], &[0]),
            (&[], &[]),
        ];
        for (weights, turns) in cases {
            assert_eq!(WeightedCycle::new(weights).schedule, turns, "{weights:?}");
        }
    }

    #[test]
    fn rounds_what_has_no_short_cycle() {
        let cycle = WeightedCycle::new(&[1_000_000, 500_001, 1, u32::MAX]);
        assert!((8_000..=8_200).contains(&cycle.schedule.len()), "{}", cycle.schedule.len());
        for slot in 0..4 {
            assert!(cycle.schedule.contains(&slot), "{slot} has no turn");
        }
    }

    #[test]
    fn lost_turns_are_inherited_by_weight() {
        let cycle = WeightedCycle::new(&[4, 2, 1]);
        let mut counts = [0_i32; 3];
        for sequence in 0..7_000 {
            counts[cycle.pick(sequence, |slot| slot != 0).unwrap()] += 1;
        }
        // 2,000 and 1,000 of their own, and 4,000 inherited at 2:1.
        assert_eq!(counts[0], 0);
        assert!((counts[1] - 4_667).abs() < 20 && (counts[2] - 2_333).abs() < 20, "{counts:?}");
        assert_eq!(cycle.pick(0, |_| false), None);
    }
}
