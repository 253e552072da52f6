//! Exercise 3.1, solved.
//!
//! The random number must select among the candidates, not among all. Selecting an index among all and moving on gives
//! a backend its own indexes and those of the dead backends before it: when its neighbour dies, its load doubles. The
//! bias of `%` is negligible here: of 2^64 numbers, at most one in 2^64 / candidates is picked too often.

/// The backend for a request, from a number in which all 64 bits are random.
pub fn pick(up: &[bool], random: u64) -> Option<usize> {
    let candidates = || (0..up.len()).filter(|backend| up[*backend]);
    let count = candidates().count();
    if count == 0 {
        return None;
    }
    candidates().nth(below(random, count))
}

/// A number below `bound`, which must not be 0.
fn below(random: u64, bound: usize) -> usize {
    usize::try_from(random % bound as u64).expect("less than a usize")
}
