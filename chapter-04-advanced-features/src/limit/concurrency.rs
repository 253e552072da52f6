//! The requests in flight to one backend, and the limit on them (`max_connections`).
//!
//! Use a limit where a backend falls over, or only grows slower, beyond some number of requests at once: what it
//! cannot start now is better off in a queue here, where it can still go elsewhere. The limit is exact with any
//! number of threads. HAProxy calls it `maxconn`, nginx `max_conns`, Envoy a circuit breaker's `max_requests`.
//! Cost: one atomic instruction to take a slot and one to give it back.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// A count with a limit. Alone on its cache line: each request of every core writes it.
#[derive(Debug)]
#[repr(align(64))]
pub struct ConcurrencyLimit {
    in_flight: AtomicU32,
    limit: AtomicU32,
}

impl ConcurrencyLimit {
    /// Slots without end, or as many as `limit`.
    pub fn new(limit: Option<u32>) -> Self {
        Self { in_flight: AtomicU32::new(0), limit: AtomicU32::new(limit.unwrap_or(u32::MAX)) }
    }

    // ANCHOR: take
    /// Takes a slot, unless all are taken. Each success is to be followed by one [`give_back`](Self::give_back).
    // `SeqCst` here and in the queue: a slot that is given back and a request that begins to wait must not miss
    // each other. On x86-64 it costs nothing beyond the atomic instruction that counts.
    pub fn try_acquire(&self) -> bool {
        let limit = self.limit.load(SeqCst);
        if limit == u32::MAX {
            self.in_flight.fetch_add(1, SeqCst);
            return true;
        }
        let one_more = |in_flight| (in_flight < limit).then_some(in_flight + 1);
        self.in_flight.fetch_update(SeqCst, SeqCst, one_more).is_ok()
    }
    // ANCHOR_END: take

    /// Gives a slot back. Then [`Queue::freed`](super::queue::Queue::freed) is to be called.
    pub fn release(&self) {
        let before = self.in_flight.fetch_sub(1, SeqCst);
        debug_assert!(before > 0, "a slot was given back that nobody took");
    }

    /// How many are taken.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(SeqCst)
    }

    /// Whether none is free.
    pub fn is_at_limit(&self) -> bool {
        self.in_flight.load(SeqCst) >= self.limit.load(SeqCst)
    }

    /// The limit, if there is one.
    pub fn limit(&self) -> Option<u32> {
        Some(self.limit.load(SeqCst)).filter(|limit| *limit != u32::MAX)
    }

    /// Changes the limit. What is taken beyond a lower one stays taken until it is given back.
    pub fn set_limit(&self, limit: Option<u32>) {
        self.limit.store(limit.unwrap_or(u32::MAX), SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_are_out_at_once() {
        let slots = ConcurrencyLimit::new(Some(2));
        assert!(slots.try_acquire() && slots.try_acquire());
        assert!(!slots.try_acquire() && slots.is_at_limit());
        slots.release();
        assert!(slots.try_acquire());
        slots.set_limit(Some(1));
        slots.release();
        assert!(!slots.try_acquire(), "one is still taken");
        slots.set_limit(None);
        assert!(slots.try_acquire() && slots.limit().is_none());
    }

    #[test]
    fn the_limit_is_exact_across_threads() {
        let slots = ConcurrencyLimit::new(Some(3));
        let most = AtomicU32::new(0);
        let out = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        if slots.try_acquire() {
                            most.fetch_max(out.fetch_add(1, SeqCst) + 1, SeqCst);
                            out.fetch_sub(1, SeqCst);
                            slots.release();
                        }
                    }
                });
            }
        });
        assert!(most.into_inner() <= 3);
        assert_eq!(slots.in_flight(), 0);
    }
}
