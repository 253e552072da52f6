//! What has become of the connections: counted by each core for itself, read by whoever asks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// One worker's counters. It alone writes them, so that adding is a load and a store, and no locked instruction.
        #[derive(Debug, Default)]
        #[repr(align(64))] // nobody else's counters on the same line
        pub struct PoolCounters {
            $($(#[$doc])* $name: AtomicU64,)+
        }

        /// What the counters say, of one worker or of all.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
        pub struct PoolStats {
            $($(#[$doc])* pub $name: u64,)+
        }

        impl PoolCounters {
            /// What they say now.
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
    /// Requests that went over a connection which the worker had.
    hits,
    /// Requests that went over one from the shelf.
    shared_hits,
    /// Requests that had to connect.
    misses,
    /// Connections that were closed as there was no room for more.
    evicted,
    /// Connections that had rested too long, become too old or served enough.
    expired,
    /// Connections that the backend had closed while they rested, or over which it had spoken unasked.
    stale,
    /// Connections to who is down, or is nobody's backend any more.
    backend_unavailable,
    /// Connections made before anybody asked for them.
    warmed_up,
}

impl PoolStats {
    /// Of a hundred requests, how many needed no connect; `None` before the first.
    pub fn hit_rate(&self) -> Option<f64> {
        let reused = self.hits + self.shared_hits;
        let all = reused + self.misses;
        #[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
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
