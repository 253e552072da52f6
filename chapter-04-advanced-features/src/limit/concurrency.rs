//! The requests in flight to one backend, and the limit on them (`max_connections`).
//!
//! Use a limit where a backend fails, or only gets slower, beyond some number of concurrent requests: a request that it
//! cannot start now is better off in a queue here, where it can still go to another backend. The limit is exact with
//! any number of threads. HAProxy calls it `maxconn`, nginx `max_conns`, Envoy a circuit breaker's `max_requests`.
//! Cost: one atomic instruction to take a slot and one to release it.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// A count of requests in flight with a limit. Alone on its cache line: every request on every core writes it.
#[derive(Debug)]
#[repr(align(64))]
pub struct ConcurrencyLimit {
    in_flight: AtomicU32,
    limit: AtomicU32,
}

impl ConcurrencyLimit {
    /// At most `limit` requests in flight, or any number.
    pub fn new(limit: Option<u32>) -> Self {
        Self { in_flight: AtomicU32::new(0), limit: AtomicU32::new(limit.unwrap_or(u32::MAX)) }
    }

    // ANCHOR: take
    /// Takes a slot, unless all are held. Each success must be followed by one [`release`](Self::release).
    // `SeqCst` here and in the queue: a slot that is released and a request that enters the queue must not miss each
    // other. On x86-64 it costs nothing beyond the atomic instruction that counts.
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

    /// Releases a slot. The caller then calls [`Queue::wake_next`](super::queue::Queue::wake_next).
    pub fn release(&self) {
        let before = self.in_flight.fetch_sub(1, SeqCst);
        debug_assert!(before > 0, "released a slot that was not held");
    }

    /// How many slots are held.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(SeqCst)
    }

    /// Whether no slot is free.
    pub fn is_at_limit(&self) -> bool {
        self.in_flight.load(SeqCst) >= self.limit.load(SeqCst)
    }

    /// The limit, if there is one.
    pub fn limit(&self) -> Option<u32> {
        Some(self.limit.load(SeqCst)).filter(|limit| *limit != u32::MAX)
    }

    /// Changes the limit. Slots held beyond a lower limit stay held until they are released.
    pub fn set_limit(&self, limit: Option<u32>) {
        self.limit.store(limit.unwrap_or(u32::MAX), SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_exceeds_the_limit() {
        let limit = ConcurrencyLimit::new(Some(2));
        assert!(limit.try_acquire() && limit.try_acquire());
        assert!(!limit.try_acquire() && limit.is_at_limit());
        limit.release();
        assert!(limit.try_acquire());
        limit.set_limit(Some(1));
        limit.release();
        assert!(!limit.try_acquire(), "one is still held");
        limit.set_limit(None);
        assert!(limit.try_acquire() && limit.limit().is_none());
    }

    #[test]
    fn the_limit_is_exact_across_threads() {
        let limit = ConcurrencyLimit::new(Some(3));
        let peak = AtomicU32::new(0);
        let held = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        if limit.try_acquire() {
                            peak.fetch_max(held.fetch_add(1, SeqCst) + 1, SeqCst);
                            held.fetch_sub(1, SeqCst);
                            limit.release();
                        }
                    }
                });
            }
        });
        assert!(peak.into_inner() <= 3);
        assert_eq!(limit.in_flight(), 0);
    }
}
