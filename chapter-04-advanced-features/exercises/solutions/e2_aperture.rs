//! Exercise 4.2, solved.
//!
//! The backends divide a circle into equal arcs, and so do the balancers. A balancer takes its own arc and those of the
//! balancers that follow, as many as it needs to reach enough backends. So each point of the circle is covered by the
//! same number of balancers, and each backend, whose arcs are equally long, gets the same traffic. A weight is the
//! length of the overlap. With the circle `n × balancers` long, all of these are integers. This is the deterministic
//! aperture of Twitter's Finagle.

use crate::contracts::{WeightedBackend, stable_hash};

/// The subset of the balancer with this `index`, which is below `balancers`.
///
/// # Panics
/// If there are 2^32 balancers.
pub fn aperture(names: &[&str], index: usize, balancers: usize, at_least: usize) -> Vec<WeightedBackend> {
    let count = names.len();
    if count == 0 {
        return Vec::new();
    }
    let mut circle: Vec<usize> = (0..count).collect();
    circle.sort_by_key(|backend| (stable_hash(names[*backend]), names[*backend]));
    // The arcs of this many balancers reach `at_least` backends; never more than there are balancers.
    let arcs = (at_least.clamp(1, count) * balancers).div_ceil(count);
    let (from, to) = (index * count, (index + arcs) * count);
    let mut weights = vec![0; count];
    // A backend's arc is `balancers` long. The range may wrap around to the backend that it started in.
    for arc in from / balancers..to.div_ceil(balancers) {
        let common = to.min((arc + 1) * balancers) - from.max(arc * balancers);
        weights[circle[arc % count]] += u32::try_from(common).expect("fewer than 2^32 balancers");
    }
    let shares = weights.into_iter().enumerate().map(|(backend, weight)| WeightedBackend { backend, weight });
    shares.filter(|share| share.weight > 0).collect()
}
