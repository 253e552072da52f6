//! A counter that many threads increment, four ways: by a mutex, by one shared atomic, by a number per thread, and by a
//! number per thread on a cache line of its own.
//!
//! WHEN TO USE WHICH: the last one, wherever the threads are known in advance and incrementing must cost nothing: it is
//! what the balancer uses. A shared atomic wherever it must not, because it is the simplest. The other two are here to
//! be measured: `cargo bench -p chapter-08-metrics --bench counters`, and the example `counters`.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::single_writer::SingleWriter;

/// A counter that each thread increments under its own number.
pub trait Counter: Send + Sync {
    /// Adds 1. `thread` is the number of the calling thread, which no other uses at the same time.
    fn increment(&self, thread: usize);

    /// The sum so far, read by any thread.
    fn value(&self) -> u64;
}

/// A number behind a mutex.
#[derive(Debug, Default)]
pub struct MutexCounter(Mutex<u64>);

impl Counter for MutexCounter {
    fn increment(&self, _thread: usize) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn value(&self) -> u64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One atomic for all threads: right, and each increment takes the cache line from the core that had it.
#[derive(Debug, Default)]
pub struct SharedCounter(AtomicU64);

impl Counter for SharedCounter {
    fn increment(&self, _thread: usize) {
        self.0.fetch_add(1, Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number for each thread, all on one cache line: nothing is shared but the line (*false sharing*).
#[derive(Debug)]
pub struct PackedCounter(Box<[SingleWriter]>);

impl PackedCounter {
    /// For threads 0 to `threads` - 1.
    pub fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| SingleWriter::default()).collect())
    }
}

impl Counter for PackedCounter {
    fn increment(&self, thread: usize) {
        self.0[thread].add(1);
    }

    fn value(&self) -> u64 {
        self.0.iter().map(SingleWriter::get).sum()
    }
}

// ANCHOR: padded
/// A number for each thread, each on a cache line of its own.
#[derive(Debug)]
pub struct PaddedCounter(Box<[CacheLine]>);

#[derive(Debug, Default)]
#[repr(align(64))]
struct CacheLine(SingleWriter);

impl Counter for PaddedCounter {
    fn increment(&self, thread: usize) {
        self.0[thread].0.add(1);
    }

    fn value(&self) -> u64 {
        self.0.iter().map(|line| line.0.get()).sum()
    }
}
// ANCHOR_END: padded

impl PaddedCounter {
    /// For threads 0 to `threads` - 1.
    pub fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| CacheLine::default()).collect())
    }
}

/// Each kind with its name, for `threads` threads.
pub fn all(threads: usize) -> [(&'static str, Box<dyn Counter>); 4] {
    [
        ("mutex", Box::<MutexCounter>::default()),
        ("shared atomic", Box::<SharedCounter>::default()),
        ("per thread, packed", Box::new(PackedCounter::new(threads))),
        ("per thread, padded", Box::new(PaddedCounter::new(threads))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_increment_of_any_thread_is_lost() {
        const EACH: u64 = 20_000;
        for (name, counter) in all(4) {
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let counter = &counter;
                    scope.spawn(move || (0..EACH).for_each(|_| counter.increment(thread)));
                }
            });
            assert_eq!(counter.value(), 4 * EACH, "{name}");
        }
    }

    #[test]
    fn padded_numbers_share_no_cache_line() {
        let counter = PaddedCounter::new(2);
        let [first, second] = [0, 1].map(|thread| (&raw const counter.0[thread]).addr() / 64);
        assert_ne!(first, second);
    }
}
