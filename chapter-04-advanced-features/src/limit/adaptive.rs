//! An adaptive limit on the requests in flight to a whole group.
//!
//! WHEN TO USE IT: when nobody knows how many concurrent requests the backends can handle, or when that changes. The
//! limit rises while they respond quickly and falls when they slow down. The [`LimitAlgorithm`] decides how; chapter 7
//! has two. Requests beyond the limit wait in the group's queue. Netflix's `concurrency-limits` and Envoy's adaptive
//! concurrency filter adapt a limit in the same way, and reject the excess.
//!
//! A request counts until the first byte of its response: otherwise a slow reader, a large download, an event stream or
//! a WebSocket would hold a slot while it costs its backend next to nothing. Cost, only for groups with such a limit:
//! four atomic read-modify-writes per request (slot and reference count), and a mutex that is only ever try-locked.

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
/// Computes an adaptive limit from the responses.
pub trait LimitAlgorithm: Debug + Send {
    /// The limit before the first response, at least 1.
    fn initial_limit(&self) -> u32;

    /// A request that was in flight has got a response, or timed out. Returns the new limit, at least 1. Called under a
    /// lock; a worker that finds it held skips its sample instead of waiting. Must not block.
    fn update(&mut self, sample: Sample, now: Instant) -> u32;
}

/// One request's latency sample.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When the whole request had been sent; if it timed out before that, when the connection was ready.
    pub sent_at: Instant,
    /// The time from then to the first byte of the response, or to the timeout.
    pub latency: Duration,
    /// No response began before the first-byte timeout, or the backend did not read the request.
    pub timed_out: bool,
    /// Requests in flight to the group, this one included.
    pub in_flight: u32,
}
// ANCHOR_END: algorithm

/// How groups behave under overload.
pub trait OverloadPolicy: Debug + Send + Sync {
    /// Creates the algorithm for one group's limit.
    fn limit_algorithm(&self) -> Box<dyn LimitAlgorithm>;

    /// Creates the discipline for one group's queue.
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
    /// A limit set by `algorithm`; requests that get no slot wait in `queue`.
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

/// A slot of a group's adaptive limit, held by one request; dropping it releases it and wakes the next request in the
/// queue.
#[derive(Debug)]
pub struct AdaptiveSlot(Arc<AdaptiveLimit>);

impl AdaptiveSlot {
    /// The first byte of the response has arrived, or the request has timed out (`timed_out`). The request was sent at
    /// `sent_at`. Call it once, then drop the slot.
    pub fn record(&self, sent_at: Instant, timed_out: bool, now: Instant) {
        let AdaptiveLimit { slots, algorithm, .. } = &*self.0;
        // One sample more or less does not matter, but blocking here would delay every client of this worker.
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
