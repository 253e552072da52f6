//! How many client connections a process has open, and whether it may open one more.
//!
//! The limit is kept by not accepting: a client beyond it waits in the kernel's queue and is served when another
//! connection closes. To accept and refuse would cost more and help nobody. The limiter knows nothing of how an engine
//! waits: whoever releases is told whether the limit was reached, and wakes those that wait in its own way.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// A count of open connections with a limit.
#[derive(Debug)]
pub struct ConnectionLimiter {
    open: AtomicUsize,
    limit: usize,
}

impl ConnectionLimiter {
    /// None open, and at most `limit`.
    pub fn new(limit: usize) -> Self {
        Self { open: AtomicUsize::new(0), limit }
    }

    /// Counts one more connection, unless the limit is reached. Each success needs one [`release`](Self::release).
    pub fn try_acquire(&self) -> bool {
        let one_more = |open| (open < self.limit).then_some(open + 1);
        self.open.fetch_update(SeqCst, SeqCst, one_more).is_ok()
    }

    /// Whether one more connection may be opened now.
    pub fn has_capacity(&self) -> bool {
        self.open() < self.limit
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.open.load(SeqCst)
    }

    /// Counts one connection less, and returns whether the limit was reached before: then somebody may be waiting.
    #[must_use = "somebody may wait for this connection to close"]
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
        assert!(!limiter.release(), "nobody waited");
        assert_eq!(limiter.open(), 0);
    }
}
