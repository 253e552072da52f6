//! A limit on the open client connections of a process.
//!
//! At the limit the server stops accepting: a client beyond it waits in the kernel's accept queue and is served when
//! another connection closes. Accepting and rejecting it would cost more and serve nobody. The limiter does not depend
//! on how an engine waits: [`release`](ConnectionLimiter::release) returns whether the limit was reached, and the
//! caller then wakes its acceptors.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// A count of open connections with a limit.
#[derive(Debug)]
pub struct ConnectionLimiter {
    open: AtomicUsize,
    limit: usize,
}

impl ConnectionLimiter {
    /// No open connections, at most `limit`.
    pub fn new(limit: usize) -> Self {
        Self { open: AtomicUsize::new(0), limit }
    }

    /// Counts one more connection unless the limit is reached. Each success needs one [`release`](Self::release).
    pub fn try_acquire(&self) -> bool {
        let one_more = |open| (open < self.limit).then_some(open + 1);
        self.open.fetch_update(SeqCst, SeqCst, one_more).is_ok()
    }

    /// Whether another connection may be opened now.
    pub fn has_capacity(&self) -> bool {
        self.open_connections() < self.limit
    }

    /// The number of open connections.
    pub fn open_connections(&self) -> usize {
        self.open.load(SeqCst)
    }

    /// Counts one connection less, and returns whether the limit had been reached: an acceptor may then be waiting.
    #[must_use = "an acceptor may be waiting for this connection to close"]
    pub fn release(&self) -> bool {
        self.open.fetch_sub(1, SeqCst) == self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_reports_that_the_limit_was_reached() {
        let limiter = ConnectionLimiter::new(2);
        assert!(limiter.try_acquire() && limiter.try_acquire() && !limiter.try_acquire() && !limiter.has_capacity());
        assert!(limiter.release());
        assert!(limiter.has_capacity());
        assert!(!limiter.release(), "the limit was not reached");
        assert_eq!(limiter.open_connections(), 0);
    }
}
