//! Exercise 4.2, solved.
//!
//! The backends share a circle in equal arcs, and so do the balancers. A balancer takes its own arc and those of the
//! balancers that follow, as many as it takes to reach enough backends. So each point of the circle is taken by the
//! same number of balancers, and each backend, whose arcs are equally long, by the same traffic. A weight is the length
//! that is in common. With the circle `n × balancers` long, all of these are whole numbers. This is the deterministic
//! aperture of Twitter's Finagle.

use crate::contracts::{Share, scatter};

/// The part of balancer `place`, which is below `balancers`.
///
/// # Panics
/// If there are 2^32 balancers.
pub fn aperture(names: &[&str], place: usize, balancers: usize, at_least: usize) -> Vec<Share> {
    let count = names.len();
    if count == 0 {
        return Vec::new();
    }
    let mut circle: Vec<usize> = (0..count).collect();
    circle.sort_by_key(|backend| (scatter(names[*backend]), names[*backend]));
    // The arcs of this many balancers reach `at_least` backends; never more than there are balancers.
    let arcs = (at_least.clamp(1, count) * balancers).div_ceil(count);
    let (from, to) = (place * count, (place + arcs) * count);
    let mut weights = vec![0; count];
    // A backend's arc is `balancers` long. The last one may be the first again, from its other side.
    for arc in from / balancers..to.div_ceil(balancers) {
        let common = to.min((arc + 1) * balancers) - from.max(arc * balancers);
        weights[circle[arc % count]] += u32::try_from(common).expect("fewer than 2^32 balancers");
    }
    let shares = weights.into_iter().enumerate().map(|(backend, weight)| Share { backend, weight });
    shares.filter(|share| share.weight > 0).collect()
}
