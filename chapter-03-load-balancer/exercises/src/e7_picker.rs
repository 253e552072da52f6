//! Exercise 3.7: a picker of your own in the balancer (an hour).
//!
//! **Contract.** [`picker`] returns round robin for chapter 3's balancer, which calls it through
//! [`Pick`].
//!
//! - Turns are exact, however many threads pick: of nine picks on nine threads, each of three backends gets three.
//! - A backend that is not usable is never picked, and its share goes to all others, not to its neighbour. `None` if no
//!   backend is usable.
//! - A backend that becomes unusable during a pick is no failure: another usable one is picked.
//! - A pick never waits for another: no lock is held while `is_usable` is called.
//! - The balancer passes the chapter's suites `balance` and `failover` with it.

use std::cell::Cell;

use load_balancer::pick::Pick;

thread_local! {
    /// Where the next pick begins. Each thread has its own, so that no thread waits for another.
    static NEXT: Cell<usize> = const { Cell::new(0) };
}

/// Round robin.
#[derive(Debug)]
struct RoundRobin;

/// The policy that the balancer runs with.
pub fn picker() -> Box<dyn Pick> {
    Box::new(RoundRobin)
}

impl Pick for RoundRobin {
    fn pick(&self, backends: usize, is_usable: &dyn Fn(usize) -> bool) -> Option<usize> {
        let next = NEXT.get();
        NEXT.set(next + 1);
        // Begins at the next backend, and moves on to the first that is usable.
        (next..next + backends).map(|index| index % backends).find(|index| is_usable(*index))
    }
}
