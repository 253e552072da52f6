//! What has become of the connections: counted by each core for itself, read by whoever asks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// One core's counters. It alone writes them, so that adding is a load and a store, and no locked instruction.
        #[derive(Debug, Default)]
        #[repr(align(64))] // nobody else's counters on the same line
        pub struct Counts {
            $($(#[$doc])* $name: AtomicU64,)+
        }

        /// What the counters say, of one core or of all.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
        pub struct Tally {
            $($(#[$doc])* pub $name: u64,)+
        }

        impl Counts {
            /// What they say now.
            pub fn tally(&self) -> Tally {
                Tally { $($name: self.$name.load(Relaxed),)+ }
            }

            $($(#[$doc])* pub fn $name(&self, more: usize) {
                let more = u64::try_from(more).unwrap_or(u64::MAX);
                self.$name.store(self.$name.load(Relaxed).wrapping_add(more), Relaxed);
            })+
        }

        impl std::iter::Sum for Tally {
            fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
                tallies.fold(Self::default(), |sum, more| Self { $($name: sum.$name + more.$name,)+ })
            }
        }
    };
}

counters! {
    /// Requests that went over a connection which the core had.
    hits,
    /// Requests that went over one from the shelf.
    moved,
    /// Requests that had to connect.
    misses,
    /// Connections that were closed as there was no room for more.
    evicted,
    /// Connections that had rested too long, become too old or served enough.
    expired,
    /// Connections that the backend had closed while they rested, or over which it had spoken unasked.
    stale,
    /// Connections to who is down, or is nobody's backend any more.
    dropped,
    /// Connections made before anybody asked for them.
    warmed,
}

impl Tally {
    /// Of a hundred requests, how many needed no connect; `None` before the first.
    pub fn hit_rate(&self) -> Option<f64> {
        let reused = self.hits + self.moved;
        let all = reused + self.misses;
        #[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
        (all > 0).then(|| reused as f64 * 100.0 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up_and_say_how_many_needed_no_connect() {
        let (one, other) = (Counts::default(), Counts::default());
        assert_eq!(one.tally().hit_rate(), None);
        one.hits(996);
        other.moved(3);
        other.misses(1);
        let all: Tally = [&one, &other].map(Counts::tally).into_iter().sum();
        assert_eq!((all.hits, all.moved, all.misses, all.stale), (996, 3, 1, 0));
        assert!((all.hit_rate().unwrap() - 99.9).abs() < 1e-9);
    }
}
