//! How many connections may rest, and for how long.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use super::idle_connection::{ConnectionMeta, IdleConnection};

/// What bounds a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Connections that may rest for each peer once a sweep has been there; until the next there may be more.
    pub max_idle_per_key: usize,
    /// Connections that may rest in all.
    pub max_idle_total: usize,
    /// How long one may rest. Shorter than the backend's own limit: else it closes the one that is just taken.
    pub idle_timeout: Duration,
    /// How old one may become before it is not used again, so that a backend's new address, or a new server behind an
    /// old one, gets its share.
    pub max_age: Duration,
    /// How many requests one may serve.
    pub max_requests: u32,
}

/// Of what may rest in a process with several workers, this part lies on the shelf.
const SHARED_DIVISOR: usize = 4;

impl PoolLimits {
    /// What one of so many workers may keep of what the process may.
    #[must_use]
    pub fn per_worker(self, cores: NonZeroUsize) -> Self {
        let part = |all: usize| if cores.get() == 1 { all } else { (all - all / SHARED_DIVISOR) / cores };
        Self { max_idle_per_key: part(self.max_idle_per_key), max_idle_total: part(self.max_idle_total), ..self }
    }

    /// What remains for the shelf: with one worker nothing, as nobody is there to share with.
    #[must_use]
    pub fn shared(self, cores: NonZeroUsize) -> Self {
        let worker = self.per_worker(cores);
        let rest = |all: usize, worker: usize| all - worker * cores.get();
        Self {
            max_idle_per_key: rest(self.max_idle_per_key, worker.max_idle_per_key),
            max_idle_total: rest(self.max_idle_total, worker.max_idle_total),
            ..self
        }
    }

    /// Whether a connection may serve once more.
    pub fn allows_reuse(&self, meta: ConnectionMeta, now: Instant) -> bool {
        meta.requests_served < self.max_requests && now.saturating_duration_since(meta.created_at) < self.max_age
    }

    /// Whether one that rests may rest on.
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
        for cores in 1..=300 {
            let cores = NonZeroUsize::new(cores).unwrap();
            let (worker, shared_pool) = (LIMITS.per_worker(cores), LIMITS.shared(cores));
            assert_eq!(worker.max_idle_per_key * cores.get() + shared_pool.max_idle_per_key, 256, "{cores}");
            assert_eq!(worker.max_idle_total * cores.get() + shared_pool.max_idle_total, 4096, "{cores}");
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
