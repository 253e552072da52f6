//! Exercise 3.7, solved.
//!
//! One counter for all threads, advanced in one atomic step: no two picks get the same number. It selects among the
//! *usable* backends, which have to be counted first, so the share of one that is down goes to all others. Between the
//! counting and the picking another thread may mark a backend down. Then there are fewer candidates than were counted,
//! and the first of those is as good as any.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use load_balancer::pick::Pick;

/// Round robin.
#[derive(Debug, Default)]
struct RoundRobin {
    counter: AtomicUsize,
}

/// The policy that the balancer runs with.
pub fn picker() -> Box<dyn Pick> {
    Box::<RoundRobin>::default()
}

impl Pick for RoundRobin {
    fn pick(&self, backends: usize, is_usable: &dyn Fn(usize) -> bool) -> Option<usize> {
        let usable = || (0..backends).filter(|index| is_usable(*index));
        let count = usable().count();
        if count == 0 {
            return None;
        }
        // Relaxed is enough: no other memory access depends on the counter.
        let number = self.counter.fetch_add(1, Relaxed);
        usable().nth(number % count).or_else(|| usable().next())
    }
}
