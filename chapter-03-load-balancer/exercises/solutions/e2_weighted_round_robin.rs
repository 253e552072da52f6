//! Exercise 3.2, solved.
//!
//! Each backend has a credit (nginx: `current_weight`). A pick adds its weight to the credit of each candidate, chooses
//! the highest credit, and subtracts the total weight from it: nginx's algorithm since 1.3.1. When backends go up or
//! down, the total weight changes, and all credits are scaled, so that each is still worth the same number of *picks*.
//! The credit of a backend that is down is only scaled. Then no backend deviates from its share by more than a few
//! picks, a bound that depends only on the number of backends: this is the carpool problem of Fagin and Williams
//! (1983).

use crate::contracts::WeightedRoundRobin;

/// Fractional bits of a credit: rounding when the total weight changes loses at most a millionth of a pick.
const FRACTION_BITS: u32 = 20;

/// Smooth weighted round robin.
#[derive(Debug)]
pub struct Wrr {
    backends: Vec<Backend>,
    /// The unit of the credits: the sum of the weights of the candidates of the last pick.
    total_weight: i128,
}

#[derive(Debug)]
struct Backend {
    weight: u32,
    /// `i128`, because it reaches plus or minus the sum of all weights, and is multiplied by such a sum.
    credit: i128,
}

/// Weighted round robin over backends with these weights.
pub fn weighted_round_robin(weights: &[u32]) -> Wrr {
    let backends = weights.iter().map(|weight| Backend { weight: *weight, credit: 0 }).collect();
    Wrr { backends, total_weight: 1 }
}

impl WeightedRoundRobin for Wrr {
    fn next(&mut self, up: &[bool]) -> Option<usize> {
        // A backend of weight 0 would be picked while the credits of all others are negative.
        let is_candidate = |backend: usize, entry: &Backend| up[backend] && entry.weight > 0;
        let all = self.backends.iter().enumerate();
        let candidates = all.filter(|(backend, entry)| is_candidate(*backend, entry));
        let total_weight = candidates.map(|(_, entry)| i128::from(entry.weight)).sum();
        if total_weight == 0 {
            return None;
        }
        self.rescale(total_weight);
        let mut highest: Option<(usize, i128)> = None;
        for (backend, entry) in self.backends.iter_mut().enumerate() {
            if !is_candidate(backend, entry) {
                continue;
            }
            entry.credit += i128::from(entry.weight) << FRACTION_BITS;
            if highest.is_none_or(|(_, credit)| entry.credit > credit) {
                highest = Some((backend, entry.credit));
            }
        }
        let (chosen, _) = highest?;
        self.backends[chosen].credit -= total_weight << FRACTION_BITS;
        Some(chosen)
    }
}

impl Wrr {
    /// Scales all credits, including those of backends that are down, so that each is worth as many picks as before.
    fn rescale(&mut self, total_weight: i128) {
        // While the total weight is unchanged, nothing is rounded, so cycles are exact.
        if total_weight != self.total_weight {
            for entry in &mut self.backends {
                entry.credit = entry.credit * total_weight / self.total_weight;
            }
            self.total_weight = total_weight;
        }
    }
}
