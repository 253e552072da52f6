//! Exercise 8.2: what a counter has grown by (an hour).
//!
//! **Contract.** [`increase`] returns by how much a counter has grown from the first of these scrapes to the last. Each
//! is the counter's value at that time.
//!
//! - The scrapes are in order of time. With fewer than two, nothing is known: `None`.
//! - A value that is less than the one before means that the process was started again, and that its counter has begun
//!   at 0: all of the new value is growth.
//! - What was counted between the last scrape before a restart and the restart is lost.

/// The growth of a counter.
pub fn increase(scrapes: &[f64]) -> Option<f64> {
    let (first, last) = (scrapes.first()?, scrapes.last()?);
    Some(last - first)
}
