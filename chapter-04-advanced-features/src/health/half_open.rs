//! A semaphore with one permit: the half-open state of a breaker.
//!
//! When you need it: a backend or a group may have recovered, and one request is to probe it, not a hundred. The
//! invariant: at most one [`HalfOpenPermit`] exists, and it is released on drop. If the client disconnects, a thread
//! panics or a branch forgets it, the next request may probe. Used by
//! [`connect_breaker`](super::passive::connect_breaker) and [`breaker`](super::breaker).

use std::sync::{
    Arc,
    atomic::{
        AtomicBool,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// Permits one holder at a time.
#[derive(Debug, Default)]
pub struct HalfOpenSemaphore(Arc<AtomicBool>);

/// The only permit; dropping it releases it for the next request. It borrows nothing, so an event loop can keep it in
/// the state of a connection.
#[derive(Debug)]
#[must_use = "dropping the permit releases it"]
pub struct HalfOpenPermit(Arc<AtomicBool>);

impl HalfOpenSemaphore {
    /// Takes the permit, unless another request holds it.
    pub fn try_acquire(&self) -> Option<HalfOpenPermit> {
        // A load first: threads that fail only read a shared cache line and do not contend for it.
        if self.0.load(Relaxed) {
            return None;
        }
        // Acquire pairs with the release in `drop`: the new holder sees what the last one stored.
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
    fn a_dropped_permit_is_available_again() {
        let semaphore = HalfOpenSemaphore::default();
        let permit = semaphore.try_acquire().expect("the permit is free");
        assert!(semaphore.try_acquire().is_none());
        drop(permit);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _permit = semaphore.try_acquire().expect("the first was dropped");
            std::panic::resume_unwind(Box::new("on purpose"));
        }));
        assert!(panicked.is_err() && semaphore.try_acquire().is_some());
    }

    #[test]
    fn never_two_permits_at_once() {
        let (semaphore, held) = (HalfOpenSemaphore::default(), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        if let Some(_permit) = semaphore.try_acquire() {
                            assert_eq!(held.fetch_add(1, Relaxed), 0);
                            held.fetch_sub(1, Relaxed);
                        }
                    }
                });
            }
        });
    }
}
