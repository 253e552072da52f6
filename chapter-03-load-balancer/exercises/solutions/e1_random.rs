//! Exercise 3.1, solved.
//!
//! The draw has to be among the candidates, not among all. To draw a place and walk on gives each backend its own
//! places and those of the dead ones before it: its neighbour's death doubles its load. `%` itself is harmless here: of
//! 2^64 numbers at most one in 2^64 / candidates is drawn too often.

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
