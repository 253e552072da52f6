//! The number of connections of each worker, and the choice of the worker that serves the next connection.
//!
//! `SO_REUSEPORT` distributes connections by a hash of their addresses: of 8 clients that stay connected, 4 workers get
//! 0 to 5 each. Over many connections the hash is even, so a worker hands a connection to the least loaded worker only
//! when it has over an eighth more connections. Exact balance is not attempted: a hand-off costs more than a small
//! imbalance.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

/// A worker may exceed the least loaded worker by this fraction before it hands off a connection.
const IMBALANCE_DIVISOR: usize = 8;

/// The connections of all workers.
#[derive(Debug)]
pub struct WorkerConnections {
    workers: Box<[WorkerCount]>,
    next_id: AtomicU32,
}

/// The number of connections of one worker.
#[derive(Debug, Default)]
#[repr(align(64))] // one cache line per worker: no false sharing
struct WorkerCount(AtomicUsize);

impl WorkerConnections {
    /// Counters for `workers` workers, without connections.
    pub fn new(workers: usize) -> Self {
        Self { workers: (0..workers).map(|_| WorkerCount::default()).collect(), next_id: AtomicU32::new(0) }
    }

    /// The number of connections of each worker.
    pub fn counts(&self) -> impl Iterator<Item = usize> {
        self.workers.iter().map(|worker| worker.0.load(Relaxed))
    }

    // ANCHOR: assign_worker
    /// Assigns a connection that worker `accepted_by` has accepted to a worker, and counts it there.
    pub fn assign_worker(&self, accepted_by: usize) -> usize {
        loop {
            let own = self.workers[accepted_by].0.load(Relaxed);
            let counts = self.counts().enumerate().map(|(worker_id, count)| (count, worker_id));
            let (fewest, least_loaded) = counts.min().unwrap_or((own, accepted_by));
            let (chosen, seen) = if is_imbalanced(own, fewest) { (least_loaded, fewest) } else { (accepted_by, own) };
            // Two workers may choose the same one at the same time: the second retries.
            if self.workers[chosen].0.compare_exchange(seen, seen + 1, Relaxed, Relaxed).is_ok() {
                return chosen;
            }
        }
    }
    // ANCHOR_END: assign_worker

    /// Counts one more connection of this worker.
    pub fn increment(&self, worker_id: usize) {
        self.workers[worker_id].0.fetch_add(1, Relaxed);
    }

    /// Counts one connection of this worker less: it has closed, or another worker serves it after all.
    pub fn decrement(&self, worker_id: usize) {
        self.workers[worker_id].0.fetch_sub(1, Relaxed);
    }

    /// The id of the next connection, unique in the process until the counter wraps.
    pub fn next_connection_id(&self) -> u32 {
        self.next_id.fetch_add(1, Relaxed)
    }
}

/// Whether a worker with `own` connections should hand the next one to the worker with the `fewest`.
fn is_imbalanced(own: usize, fewest: usize) -> bool {
    own > fewest + fewest / IMBALANCE_DIVISOR
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::Ordering::SeqCst, thread};

    use super::*;

    #[test]
    fn assigns_evenly_when_one_worker_accepts_all() {
        let connections = WorkerConnections::new(4);
        (0..8).for_each(|_| _ = connections.assign_worker(1));
        assert_eq!(connections.counts().collect::<Vec<_>>(), [2, 2, 2, 2]);
        assert_eq!((connections.next_connection_id(), connections.next_connection_id()), (0, 1));
    }

    #[test]
    fn assigns_evenly_when_two_workers_accept_at_once() {
        let rounds: Vec<_> = (0..20_000).map(|_| WorkerConnections::new(2)).collect();
        let arrived = AtomicUsize::new(0);
        let accept = || {
            for (round, connections) in rounds.iter().enumerate() {
                arrived.fetch_add(1, SeqCst);
                while arrived.load(SeqCst) < 2 * (round + 1) {
                    thread::yield_now();
                }
                connections.assign_worker(0);
            }
        };
        thread::scope(|scope| (0..2).for_each(|_| _ = scope.spawn(accept)));
        assert!(rounds.iter().all(|connections| connections.counts().eq([1, 1])));
    }

    #[test]
    fn tolerates_an_imbalance_of_one_eighth() {
        let connections = WorkerConnections::new(2);
        (0..90).for_each(|_| connections.increment(0));
        (0..80).for_each(|_| connections.increment(1));
        assert_eq!(connections.assign_worker(0), 0);
        assert_eq!(connections.assign_worker(0), 1, "91 exceeds 80 by more than an eighth");
        connections.decrement(0);
        assert_eq!(connections.counts().collect::<Vec<_>>(), [90, 81]);
    }
}
