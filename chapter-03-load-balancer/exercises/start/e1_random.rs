//! Exercise 3.1: random balancing (warm-up).
//!
//! **Contract.** [`pick`] chooses among the backends that are up, all equally likely, whichever others are down. The
//! random number comes from the caller: the same number and the same backends give the same choice. A backend that is
//! down is never chosen; `None` if none is up. No number makes it panic.

/// The backend for a request, from a number in which all 64 bits are random.
pub fn pick(up: &[bool], random: u64) -> Option<usize> {
    if up.is_empty() {
        return None;
    }
    // Starts at a random index, and moves on to the next backend that is up.
    let first = below(random, up.len());
    (first..up.len()).chain(0..first).find(|backend| up[*backend])
}

/// A number below `bound`, which must not be 0.
fn below(random: u64, bound: usize) -> usize {
    usize::try_from(random % bound as u64).expect("less than a usize")
}
