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

    const OWN_TIME_SAMPLE: u32 = 16;

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
            // A copy: with a reference to it, the record would be written to memory for every attempt.
            let attempt = *attempt;
            self.shared.workers[self.worker_id].backends.count_failed(&attempt);
        }
        if !attempt.reused
            && let connected @ Some(_) = attempt.connect_time()
        {
            state.connect = connected.map(nanos);
        }
    }

    // ANCHOR: on_end
    fn on_end(&self, state: &mut RequestState, ended: &EndedRequest<'_>) {
        let (exchange, times) = (ended.exchange, &ended.exchange.times);
        let Shared { layout, workers } = &*self.shared;
        let (block, buckets) = (&workers[self.worker_id], layout.buckets(Phase::Total));
        let slot = layout.slot(state.routed, exchange.route);
        let route = block.route(slot);
        let (total, connected) = (nanos(times.total), times.connected.map_or(0, nanos));
        route.observe(Phase::Total, buckets, total);
        let first_byte_bucket = times
            .first_byte
            .map(|first_byte| route.observe(Phase::FirstByte, buckets, nanos(first_byte).saturating_sub(connected)));
        if let Some(time) = ended.own_time {
            route.observe(Phase::Own, layout.buckets(Phase::Own), nanos(time));
        }
        match (End::of(exchange), Code::of(exchange)) {
            (End::Done, code) if let Some(class) = code.class() => {
                route.count_done(class);
                if let Some(backend) = exchange.backend {
                    let time_ns = total.saturating_sub(connected) + state.connect.unwrap_or(0);
                    let answer = WholeAnswer { class, reused: exchange.reused, time_ns, first_byte_bucket };
                    block.backends.count_answer(backend, answer);
                }
            }
            (end, code) => count_other(block, slot, code, end),
        }
        if exchange.retries > 0 {
            route.count_retries(exchange.retries);
        }
        if let Some(time) = state.connect {
            route.observe(Phase::Connect, buckets, time);
        }
        if let Some(time) = times.queued {
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
