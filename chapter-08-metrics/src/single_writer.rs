//! A number that one thread writes and any thread may read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter with one writer. Adding is a load and a store: the same instructions as for a plain integer, and no lock
/// prefix, because nobody else writes. With two writers additions would get lost.
#[derive(Debug, Default)]
pub struct SingleWriter(AtomicU64);

impl SingleWriter {
    // ANCHOR: add
    /// Adds `more`. Only the one thread that writes may call it.
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    /// The value, as some moment ago: never less than what the same thread has read before.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
    // ANCHOR_END: add

    /// Starts again from 0. Only for the thread that writes.
    pub(crate) fn clear(&self) {
        self.0.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_every_addition_in_the_end_and_never_a_step_back() {
        const ADDITIONS: u64 = 200_000;
        let counter = SingleWriter::default();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..ADDITIONS).for_each(|_| counter.add(1)));
            let mut last = 0;
            while last < ADDITIONS {
                let value = counter.get();
                assert!(value >= last && value <= ADDITIONS, "{value} after {last}");
                last = value;
            }
        });
        counter.clear();
        assert_eq!(counter.get(), 0);
    }
}
