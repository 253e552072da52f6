//! A limit on the requests in flight to a whole group that finds itself.
//!
//! WHEN TO USE IT: when nobody knows how many requests the backends bear at a time, or it changes. The limit follows
//! what they show: it grows while they respond in time, and falls when they do not. How, is the [`LimitAlgorithm`]'s;
//! chapter 7 has two. Requests beyond the limit wait in the group's queue. Netflix's `concurrency-limits` and Envoy's
//! adaptive concurrency filter do the same.
//!
//! A request counts until the first byte of its response: a slow reader, a large download, a stream of events or a
//! WebSocket would else hold a slot that its backend does not feel. Cost, only where a group has such a limit: two
//! atomic instructions per request, and a lock that nobody waits for.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{
    concurrency::ConcurrencyLimit,
    queue::{Queue, QueueDiscipline},
};

// ANCHOR: algorithm
/// How a limit follows the responses.
pub trait LimitAlgorithm: Debug + Send {
    /// The limit before the first response, at least 1.
    fn initial_limit(&self) -> u32;

    /// A request that was in flight has got a response, or timed out. Returns the limit from now on, at least 1.
    /// Called under a lock that another worker does not wait for: its sample is skipped instead. Must not block.
    fn update(&mut self, sample: Sample, now: Instant) -> u32;
}

/// What one request says about its group.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When the whole request had been sent.
    pub sent_at: Instant,
    /// The time from then to the first byte of the response, or to the timeout.
    pub latency: Duration,
    /// There was no response in time.
    pub timed_out: bool,
    /// Requests in flight to the group, this one included.
    pub in_flight: u32,
}
// ANCHOR_END: algorithm

/// What groups do when they are asked for more than their backends can serve.
pub trait OverloadPolicy: Debug + Send + Sync {
    /// The algorithm of one group's limit.
    fn limit_algorithm(&self) -> Box<dyn LimitAlgorithm>;

    /// The discipline of one group's queue.
    fn queue_discipline(&self) -> Box<dyn QueueDiscipline>;
}

/// The adaptive limit of one group.
#[derive(Debug)]
pub struct AdaptiveLimit {
    slots: ConcurrencyLimit,
    algorithm: Mutex<Box<dyn LimitAlgorithm>>,
    /// The requests that wait for a slot.
    queue: Arc<Queue>,
}

impl AdaptiveLimit {
    /// A limit that follows `algorithm`; requests that get no slot wait in `queue`.
    pub fn new(algorithm: Box<dyn LimitAlgorithm>, queue: Arc<Queue>) -> Self {
        let slots = ConcurrencyLimit::new(Some(algorithm.initial_limit().max(1)));
        Self { slots, algorithm: Mutex::new(algorithm), queue }
    }

    /// The limit now.
    pub fn limit(&self) -> u32 {
        self.slots.limit().unwrap_or(u32::MAX)
    }

    /// Requests in flight, until the first byte of their responses.
    pub fn in_flight(&self) -> u32 {
        self.slots.in_flight()
    }

    /// Whether no slot is free.
    pub fn is_at_limit(&self) -> bool {
        self.slots.is_at_limit()
    }

    /// Takes a slot, unless all are held.
    pub fn try_acquire(self: &Arc<Self>) -> Option<AdaptiveSlot> {
        self.slots.try_acquire().then(|| AdaptiveSlot(Arc::clone(self)))
    }
}

/// A request's slot of its group's adaptive limit; dropping it releases it and wakes the next request in the queue.
#[derive(Debug)]
pub struct AdaptiveSlot(Arc<AdaptiveLimit>);

impl AdaptiveSlot {
    /// The first byte of the response has arrived, or will not arrive in time (`timed_out`), for a request that had
    /// been sent at `sent_at`. Call it once, then drop the slot.
    pub fn record(&self, sent_at: Instant, timed_out: bool, now: Instant) {
        let AdaptiveLimit { slots, algorithm, .. } = &*self.0;
        // A sample more or less does not matter, but a wait would be paid by every client of this worker.
        let Ok(mut algorithm) = algorithm.try_lock() else { return };
        let latency = now.saturating_duration_since(sent_at);
        let limit = algorithm.update(Sample { sent_at, latency, timed_out, in_flight: slots.in_flight() }, now).max(1);
        if slots.limit() != Some(limit) {
            slots.set_limit(Some(limit));
        }
    }
}

impl Drop for AdaptiveSlot {
    fn drop(&mut self) {
        self.0.slots.release();
        self.0.queue.wake_next();
    }
}

#[cfg(test)]
mod tests {
    use common::clock::now;

    use super::*;

    /// The limit is the number of milliseconds that the last response took.
    #[derive(Debug)]
    struct Milliseconds;

    impl LimitAlgorithm for Milliseconds {
        fn initial_limit(&self) -> u32 {
            2
        }

        fn update(&mut self, sample: Sample, _now: Instant) -> u32 {
            u32::try_from(sample.latency.as_millis()).unwrap()
        }
    }

    fn limit() -> Arc<AdaptiveLimit> {
        Arc::new(AdaptiveLimit::new(Box::new(Milliseconds), Arc::new(Queue::new(0))))
    }

    #[test]
    fn holds_the_limit_that_its_algorithm_finds() {
        let limit = limit();
        let mut slots: Vec<_> = std::iter::from_fn(|| limit.try_acquire()).collect();
        assert_eq!((slots.len(), limit.is_at_limit()), (2, true));
        let sent_at = now();
        slots.pop().unwrap().record(sent_at, false, sent_at + Duration::from_millis(5));
        assert_eq!((limit.limit(), limit.in_flight()), (5, 1));
        slots.pop().unwrap().record(sent_at, false, sent_at);
        assert_eq!((limit.limit(), limit.in_flight()), (1, 0), "never 0: nobody would find out that it may grow again");
    }

    #[test]
    fn a_worker_does_not_wait_for_another_ones_sample() {
        let limit = limit();
        let held = limit.algorithm.lock().unwrap();
        limit.try_acquire().unwrap().record(now(), false, now() + Duration::from_millis(9));
        drop(held);
        assert_eq!((limit.limit(), limit.in_flight()), (2, 0));
    }
}
