//! Exercise 4.2: deterministic aperture (an hour).
//!
//! **Contract.** [`aperture`] returns the subset of backends, with weights, for one of `balancers` balancers that run
//! side by side, numbered from 0. Each computes its own subset, and no balancer talks to another one.
//!
//! - All lists have the same backends, each name once, but each list in an order of its own. The subset of a balancer,
//!   by names, does not depend on the order.
//! - A subset has at least `at_least` backends (one, if that is 0; all, if there are no more), each once. It has at
//!   most `at_least + n / balancers + 1` of the *n*, the quotient rounded up.
//! - If all balancers have the same traffic and divide it by these weights, all backends have the same traffic,
//!   exactly, whatever the three numbers are.
//! - One backend more or less, or one balancer more or less, changes a subset a little: at most `2 n / balancers + 2`
//!   names are new in it, the quotient rounded up.
//! - Similar names are not neighbours: no subset lies in one rack only because its names begin alike.
//!   [`stable_hash`](crate::contracts::stable_hash) helps.

use crate::contracts::WeightedBackend;

/// The subset of the balancer with this `index`, which is below `balancers`.
pub fn aperture(names: &[&str], index: usize, balancers: usize, at_least: usize) -> Vec<WeightedBackend> {
    debug_assert!(index < balancers);
    // The next few, from where the previous balancer's subset ends.
    let count = at_least.max(1).min(names.len());
    (0..count).map(|step| WeightedBackend { backend: (index * count + step) % names.len(), weight: 1 }).collect()
}
