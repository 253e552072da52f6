//! Exercise 4.2: a part for each balancer (an hour).
//!
//! **Contract.** [`aperture`] says which backends a balancer uses, one of `balancers` that stand side by side, numbered
//! from 0, and with which weights. Each computes its own part, and no balancer asks another one.
//!
//! - All have the same backends in their lists, each name once, but each list in an order of its own. The part of a
//!   balancer, by names, does not depend on the order.
//! - A part has `at_least` backends (one, if that is 0; all, if there are no more), each once. It has at most
//!   `at_least + n / balancers + 1` of the *n*, the quotient rounded up.
//! - If all balancers have the same traffic and divide it by these weights, all backends have the same traffic,
//!   exactly, whatever the three numbers are.
//! - One backend more or less, or one balancer more or less, changes a part a little: at most `2 n / balancers + 2`
//!   names are new in it, the quotient rounded up.
//! - Similar names are not neighbours: no part lies in one rack only because its names begin alike.
//!   [`scatter`](crate::contracts::scatter) helps.

use crate::contracts::Share;

/// The part of balancer `place`, which is below `balancers`.
pub fn aperture(names: &[&str], place: usize, balancers: usize, at_least: usize) -> Vec<Share> {
    debug_assert!(place < balancers);
    // The next few, from where the balancer before us has stopped.
    let count = at_least.max(1).min(names.len());
    (0..count).map(|step| Share { backend: (place * count + step) % names.len(), weight: 1 }).collect()
}
