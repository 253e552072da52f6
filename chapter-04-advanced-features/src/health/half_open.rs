//! A gate for one request at a time: the half-open state of whoever was shut out.
//!
//! When you need it: something may have recovered, and one request shall find out, not the hundred that wait. The
//! invariant: at most one [`Pass`] is out, and it comes back by itself. A client that leaves, a panic, a forgotten
//! branch drop the pass, and the next request may try. Used by [`trial`](super::passive::connect_breaker) and [`breaker`](super::breaker).

use std::sync::{
    Arc,
    atomic::{
        AtomicBool,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// Lets one in at a time.
#[derive(Debug, Default)]
pub struct HalfOpenSemaphore(Arc<AtomicBool>);

/// The right to be the only one; dropping it opens the gate for the next. It borrows nothing, so that an event loop
/// can keep it in the state of a connection.
#[derive(Debug)]
#[must_use = "dropping the pass lets the next one in"]
pub struct HalfOpenPermit(Arc<AtomicBool>);

impl HalfOpenSemaphore {
    /// Lets the caller in unless somebody is inside.
    pub fn try_acquire(&self) -> Option<HalfOpenPermit> {
        // A look first: those who are kept out read a shared line instead of fighting for it.
        if self.0.load(Relaxed) {
            return None;
        }
        // Acquire, with the release of the drop: who enters sees what the last one found out.
        (!self.0.swap(true, Acquire)).then(|| HalfOpenPermit(Arc::clone(&self.0)))
    }
}

impl Drop for HalfOpenPermit {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn a_dropped_pass_lets_the_next_one_in() {
        let gate = HalfOpenSemaphore::default();
        let pass = gate.try_acquire().expect("nobody is inside");
        assert!(gate.try_acquire().is_none());
        drop(pass);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _pass = gate.try_acquire().expect("the first has left");
            std::panic::resume_unwind(Box::new("on purpose"));
        }));
        assert!(panicked.is_err() && gate.try_acquire().is_some());
    }

    #[test]
    fn never_two_at_once() {
        let (gate, inside) = (HalfOpenSemaphore::default(), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        if let Some(_pass) = gate.try_acquire() {
                            assert_eq!(inside.fetch_add(1, Relaxed), 0);
                            inside.fetch_sub(1, Relaxed);
                        }
                    }
                });
            }
        });
    }
}
