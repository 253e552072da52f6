//! Counters of what happens to connections: each worker counts its own, any thread may read them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// One worker's counters. Only that worker writes them, so adding is a load and a store, not a locked
        /// instruction.
        #[derive(Debug, Default)]
        #[repr(align(64))] // not on a cache line with another worker's counters
        pub struct PoolCounters {
            $($(#[$doc])* $name: AtomicU64,)+
        }

        /// A reading of the counters of one worker, or the sum of all.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
        pub struct PoolStats {
            $($(#[$doc])* pub $name: u64,)+
        }

        impl PoolCounters {
            /// The current values.
            pub fn stats(&self) -> PoolStats {
                PoolStats { $($name: self.$name.load(Relaxed),)+ }
            }

            $($(#[$doc])* pub fn $name(&self, more: usize) {
                let more = u64::try_from(more).unwrap_or(u64::MAX);
                self.$name.store(self.$name.load(Relaxed).wrapping_add(more), Relaxed);
            })+
        }

        impl std::iter::Sum for PoolStats {
            fn sum<I: Iterator<Item = Self>>(all_stats: I) -> Self {
                all_stats.fold(Self::default(), |sum, more| Self { $($name: sum.$name + more.$name,)+ })
            }
        }
    };
}

counters! {
    /// Requests that reused a connection from the worker's own pool.
    hits,
    /// Requests that reused a connection from the shared pool.
    shared_hits,
    /// Requests that had to connect.
    misses,
    /// Connections that were closed because the pool was full.
    evicted,
    /// Connections that reached the idle timeout, the maximum age or the maximum number of requests.
    expired,
    /// Idle connections that the backend had closed, or on which it had sent unrequested data.
    stale,
    /// Connections to a backend that is down, or to an address that no backend has any more.
    backend_unavailable,
    /// Connections opened before a request needed them.
    warmed_up,
}

impl PoolStats {
    /// The percentage of requests that needed no connect; `None` before the first.
    pub fn hit_rate(&self) -> Option<f64> {
        let reused = self.hits + self.shared_hits;
        let all = reused + self.misses;
        #[expect(clippy::cast_precision_loss, reason = "a percentage to read, not to compute with")]
        (all > 0).then(|| reused as f64 * 100.0 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_add_up_and_give_the_hit_rate() {
        let (one, other) = (PoolCounters::default(), PoolCounters::default());
        assert_eq!(one.stats().hit_rate(), None);
        one.hits(996);
        other.shared_hits(3);
        other.misses(1);
        let all: PoolStats = [&one, &other].map(PoolCounters::stats).into_iter().sum();
        assert_eq!((all.hits, all.shared_hits, all.misses, all.stale), (996, 3, 1, 0));
        assert!((all.hit_rate().unwrap() - 99.9).abs() < 1e-9);
    }
}
