//! Counts what the limits decide.
//!
//! Each worker counts for itself, on cache lines of its own, and only it writes them: counting costs no more than
//! writing. A reader sums them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// One worker's counters of one limit.
#[derive(Debug, Default)]
#[repr(align(64))] // not on a cache line with another worker's counters
struct LimitCounters {
    allowed: AtomicU64,
    refused: AtomicU64,
}

/// One worker's counters of all limits.
#[derive(Debug)]
pub(super) struct WorkerCounters(Vec<LimitCounters>);

/// What a limit has decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LimitStats {
    /// Requests that took one and passed.
    pub allowed: u64,
    /// Requests that it refused, or would have refused without `--limit-dry-run`.
    pub refused: u64,
}

/// A limit and what it has decided, as the admin interface shows it.
#[derive(Clone, Debug, Serialize)]
pub struct LimitReport {
    /// Its name.
    pub name: String,
    /// Its rule.
    pub rule: String,
    /// What it has decided.
    #[serde(flatten)]
    pub stats: LimitStats,
    /// Requests of new keys that shared one count, because the table of keys was full.
    pub without_slot: u64,
}

impl WorkerCounters {
    pub(super) fn new(limits: usize) -> Self {
        Self((0..limits).map(|_| LimitCounters::default()).collect())
    }

    pub(super) fn count_allowed(&self, limit: usize) {
        increment(&self.0[limit].allowed);
    }

    pub(super) fn count_refused(&self, limit: usize) {
        increment(&self.0[limit].refused);
    }

    pub(super) fn stats(&self, limit: usize) -> LimitStats {
        let LimitCounters { allowed, refused } = &self.0[limit];
        LimitStats { allowed: allowed.load(Relaxed), refused: refused.load(Relaxed) }
    }
}

/// Only one thread writes: no atomic addition is needed.
fn increment(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

impl std::iter::Sum for LimitStats {
    fn sum<I: Iterator<Item = Self>>(stats: I) -> Self {
        stats.fold(Self::default(), |sum, one| Self {
            allowed: sum.allowed + one.allowed,
            refused: sum.refused + one.refused,
        })
    }
}
