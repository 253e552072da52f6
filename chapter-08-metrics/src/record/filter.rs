//! The filter that records each request.

use std::{num::NonZeroUsize, sync::Arc, time::Instant};

use common::http::LocalReply;
use connection_pooling::{AttemptRecord, EndedRequest, Filter, RequestInfo, WorkerFilter};

use super::{
    backend_blocks::{WholeAnswer, nanos},
    layout::{Layout, Phase},
    outcomes::{Outcome, OutcomeTableFactory, outcome_table},
    worker_block::WorkerBlock,
};
use crate::end::{Code, End, is_failed};

/// The counters of all workers, as a [`Filter`]. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    layout: Layout,
    workers: Vec<WorkerBlock>,
}

/// One worker's part: writes that worker's block.
#[derive(Debug)]
pub struct WorkerMetrics {
    shared: Arc<Shared>,
    worker_id: usize,
}

/// What is kept of a request until its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestState {
    routed: bool,
    /// Of the last attempt that opened a connection, in nanoseconds.
    connect: Option<u64>,
}

impl Metrics {
    /// For `workers` workers.
    pub fn new(layout: Layout, workers: NonZeroUsize) -> Self {
        Self::with_tables(layout, workers, outcome_table)
    }

    /// The same with other tables of outcomes, which `make` makes.
    pub fn with_tables(layout: Layout, workers: NonZeroUsize, make: OutcomeTableFactory) -> Self {
        let workers = (0..workers.get()).map(|_| WorkerBlock::new(&layout, make)).collect();
        Self(Arc::new(Shared { layout, workers }))
    }

    /// The labels of the routes.
    pub fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// Each worker's counters.
    pub fn workers(&self) -> &[WorkerBlock] {
        &self.0.workers
    }
}

impl Filter for Metrics {
    type Worker = WorkerMetrics;

    fn for_worker(&self, worker_id: usize) -> WorkerMetrics {
        WorkerMetrics { shared: Arc::clone(&self.0), worker_id }
    }
}

impl WorkerFilter for WorkerMetrics {
    type State = RequestState;

    fn on_request(
        &self,
        state: &mut RequestState,
        _request: &RequestInfo<'_>,
        _now: Instant,
    ) -> Result<(), LocalReply> {
        state.routed = true;
        Ok(())
    }

    #[inline]
    fn on_attempt(&self, state: &mut RequestState, attempt: &AttemptRecord) {
        // The others end their requests, and are counted then: the request's record has all that is needed.
        if attempt.failure.is_some() {
            self.shared.workers[self.worker_id].backends.count_failed(attempt);
        }
        if !attempt.reused
            && let connected @ Some(_) = attempt.connect_time()
        {
            state.connect = connected.map(nanos);
        }
    }

    // ANCHOR: on_end
    fn on_end(&self, state: &mut RequestState, ended: &EndedRequest<'_>) {
        let exchange = ended.exchange;
        let Shared { layout, workers } = &*self.shared;
        let (block, buckets) = (&workers[self.worker_id], layout.buckets());
        let slot = layout.slot(state.routed, exchange.route);
        let route = block.route(slot);
        let total = nanos(exchange.times.total);
        let [connected, first_byte] = [exchange.times.connected, exchange.times.first_byte].map(|time| time.map(nanos));
        let first_byte_bucket = connected.zip(first_byte).map(|(connected, first_byte)| {
            route.observe(Phase::FirstByte, buckets, first_byte.saturating_sub(connected))
        });
        match (End::of(exchange), Code::of(exchange)) {
            (End::Done, code) if let Some(class) = code.class() => {
                route.count_done(class);
                if let Some(backend) = exchange.backend {
                    let time_ns = total.saturating_sub(connected.unwrap_or(0)) + state.connect.unwrap_or(0);
                    let answer = WholeAnswer { class, reused: exchange.reused, time_ns, first_byte_bucket };
                    block.backends.count_answer(backend, answer);
                }
            }
            (end, code) => count_other(block, slot, code, end),
        }
        if exchange.retries > 0 {
            route.count_retries(exchange.retries);
        }
        route.observe(Phase::Total, buckets, total);
        if let Some(time) = state.connect {
            route.observe(Phase::Connect, buckets, time);
        }
        if let Some(time) = exchange.times.queued {
            route.observe(Phase::Queue, buckets, nanos(time));
        }
    }
    // ANCHOR_END: on_end
}

/// Counts a request that did not end with a whole answer of a backend.
fn count_other(block: &WorkerBlock, slot: usize, code: Code, end: End) {
    block.outcomes.count(Outcome::new(slot, code, end));
    if is_failed(code, end) {
        block.route(slot).count_failed();
    }
}
