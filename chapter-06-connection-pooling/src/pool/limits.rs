//! How many connections may be idle, and for how long.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use super::idle_connection::{ConnectionMeta, IdleConnection};

/// The limits of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Idle connections per key after a sweep; between sweeps there may be more.
    /// Not enforced at each put: closing at once cost a connect for every fifth request at 512 clients.
    pub max_idle_per_key: usize,
    /// Idle connections in total.
    pub max_idle_total: usize,
    /// How long a connection may be idle. Keep it below the backend's keep-alive timeout: otherwise the backend may
    /// close the connection that is just being taken.
    pub idle_timeout: Duration,
    /// The age after which a connection is not reused, so that a backend's new address, or a new server behind the same
    /// address, gets its share of connections.
    pub max_age: Duration,
    /// How many requests a connection may serve.
    pub max_requests: u32,
}

/// With several workers, this part of the limit is the shared pool's.
const SHARED_DIVISOR: usize = 4;

impl PoolLimits {
    /// The limits of one worker's own pool, out of those of the process.
    #[must_use]
    pub fn per_worker(self, workers: NonZeroUsize) -> Self {
        let part = |all: usize| if workers.get() == 1 { all } else { (all - all / SHARED_DIVISOR) / workers };
        Self { max_idle_per_key: part(self.max_idle_per_key), max_idle_total: part(self.max_idle_total), ..self }
    }

    /// The rest, for the shared pool: nothing with one worker, which has no other to share with.
    #[must_use]
    pub fn shared(self, workers: NonZeroUsize) -> Self {
        let worker = self.per_worker(workers);
        let remaining = |all: usize, worker: usize| all - worker * workers.get();
        Self {
            max_idle_per_key: remaining(self.max_idle_per_key, worker.max_idle_per_key),
            max_idle_total: remaining(self.max_idle_total, worker.max_idle_total),
            ..self
        }
    }

    /// Whether a connection may serve another request.
    pub fn allows_reuse(&self, meta: ConnectionMeta, now: Instant) -> bool {
        meta.requests_served < self.max_requests && now.saturating_duration_since(meta.created_at) < self.max_age
    }

    /// Whether an idle connection may stay in the pool.
    pub fn allows_idle<C>(&self, idle: &IdleConnection<C>, now: Instant) -> bool {
        self.allows_reuse(idle.meta, now) && now.saturating_duration_since(idle.idle_since) < self.idle_timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PoolLimits = PoolLimits {
        max_idle_per_key: 256,
        max_idle_total: 4096,
        idle_timeout: Duration::from_secs(30),
        max_age: Duration::from_hours(1),
        max_requests: 10_000,
    };

    #[test]
    fn worker_and_shared_limits_sum_to_the_total() {
        for workers in 1..=300 {
            let workers = NonZeroUsize::new(workers).unwrap();
            let (worker, shared_pool) = (LIMITS.per_worker(workers), LIMITS.shared(workers));
            assert_eq!(worker.max_idle_per_key * workers.get() + shared_pool.max_idle_per_key, 256, "{workers}");
            assert_eq!(worker.max_idle_total * workers.get() + shared_pool.max_idle_total, 4096, "{workers}");
        }
        assert_eq!(LIMITS.per_worker(NonZeroUsize::MIN), LIMITS);
        let four = NonZeroUsize::new(4).unwrap();
        assert_eq!((LIMITS.per_worker(four).max_idle_per_key, LIMITS.shared(four).max_idle_per_key), (48, 64));
    }

    #[test]
    fn idle_time_age_and_requests_are_limited() {
        let created_at = common::clock::now();
        let at = |seconds| created_at + Duration::from_secs(seconds);
        let idle = |requests_served, idle_since| IdleConnection {
            connection: (),
            meta: ConnectionMeta { created_at, requests_served },
            idle_since,
        };
        assert!(LIMITS.allows_idle(&idle(9_999, at(10)), at(39)));
        assert!(!LIMITS.allows_idle(&idle(9_999, at(10)), at(40)));
        assert!(!LIMITS.allows_idle(&idle(10_000, at(10)), at(11)));
        assert!(LIMITS.allows_idle(&idle(1, at(3_599)), at(3_599)));
        assert!(!LIMITS.allows_idle(&idle(1, at(3_599)), at(3_600)));
    }
}
