//! A request while it is being served: whatever happens to its task, it ends exactly once.

use std::ops::{Deref, DerefMut};

use common::{
    clock::now,
    http::{AfterBackend, AfterClient, BackendId, ExchangeFailure, FailureKind, ProxyError, Side},
};

use super::{attempt_record::AttemptRecord, ended_request::EndedRequest, state::Request};
use crate::{
    engine::Engine,
    filter::WorkerFilter as _,
    upstream::socket_pool,
    worker::{context::WorkerContext, stats::ClientBytes},
};

/// A request that is being served. Dropping it unfinished, because its task panics or is dropped, records it as
/// aborted.
pub(crate) struct ActiveRequest<'w, E: Engine> {
    worker: &'w WorkerContext<E>,
    /// `None` once it is finished.
    request: Option<Box<Request<E>>>,
}

/// What is left of a finished request.
pub(crate) struct Finished {
    /// What to do with the client's connection.
    pub(crate) after: AfterClient,
    /// The beginning of the next request.
    pub(crate) pipelined: Vec<u8>,
}

impl<'w, E: Engine> ActiveRequest<'w, E> {
    /// `request` is being served by a task of `worker`.
    pub(crate) fn new(worker: &'w WorkerContext<E>, request: Box<Request<E>>) -> Self {
        Self { worker, request: Some(request) }
    }

    /// Records the exchange, and keeps its backend connection if that may be reused.
    pub(crate) fn finish(mut self) -> Finished {
        let request = self.request.take().expect(NOT_FINISHED);
        end(self.worker, request)
    }
}

const NOT_FINISHED: &str = "only `finish` takes the request, and it takes the guard too";

impl<E: Engine> Deref for ActiveRequest<'_, E> {
    type Target = Request<E>;

    fn deref(&self) -> &Request<E> {
        self.request.as_ref().expect(NOT_FINISHED)
    }
}

impl<E: Engine> DerefMut for ActiveRequest<'_, E> {
    fn deref_mut(&mut self) -> &mut Request<E> {
        self.request.as_mut().expect(NOT_FINISHED)
    }
}

impl<E: Engine> Drop for ActiveRequest<'_, E> {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            end_aborted(self.worker, request);
        }
    }
}

#[cold]
fn end_aborted<E: Engine>(worker: &WorkerContext<E>, mut request: Box<Request<E>>) {
    request.polled_at = now();
    let aborted = ProxyError::new(FailureKind::Aborted, Side::Internal, request.relay.phase());
    request.relay.abort(&aborted);
    end(worker, request);
}

fn end<E: Engine>(worker: &WorkerContext<E>, mut request: Box<Request<E>>) -> Finished {
    // Taken apart by reference: moving the record out would copy it once more.
    let mut ended = request.relay.end();
    let (exchange, after, upstream) = (&mut ended.0, ended.1, ended.2);
    let ended_at = request.polled_at;
    exchange.times.total = ended_at.saturating_duration_since(request.started_at);
    if let Some(attempt) = request.attempt.take() {
        attempt.finish(exchange, request.started_at, request.first_byte_at, ended_at);
        if !request.attempt_is_reported {
            report_attempt(worker, &mut request, attempt.backend().id(), attempt.reused, exchange.failure);
        }
        if upstream == AfterBackend::Pool {
            attempt.backend().keep_alive.set_timeout(request.relay.backend_keep_alive());
            socket_pool::put_after_exchange(worker, attempt, ended_at);
        }
    }
    if let Some(ctx) = &mut request.ctx {
        ctx.finish(exchange, ended_at);
    }
    worker.balancer().log_and_count(request.peer, exchange);
    let received = request.head_bytes as u64 + request.relay.body_bytes_received();
    let ended = EndedRequest {
        exchange,
        peer: request.peer,
        started_at: request.started_at,
        client_bytes: ClientBytes { received, sent: request.relay.bytes_sent() },
        own_time: request.own_time.until_connected(),
    };
    worker.filter.on_end(&mut request.filter_state, &ended);
    let pipelined = request.relay.take_pipelined();
    worker.recycle_request(request);
    Finished { after, pipelined }
}

/// Tells the filters the outcome of an attempt on `backend`.
#[inline] // so that only the parts of the record are made that a filter reads
pub(crate) fn report_attempt<E: Engine>(
    worker: &WorkerContext<E>,
    request: &mut Request<E>,
    backend: BackendId,
    reused: bool,
    failure: Option<ExchangeFailure>,
) {
    let record = AttemptRecord {
        backend,
        reused,
        status: request.relay.backend_status(),
        failure,
        started_at: request.attempt_started_at,
        connected_at: request.connected_at,
        first_byte_at: request.first_byte_at,
        ended_at: request.polled_at,
    };
    request.attempt_is_reported = true;
    worker.filter.on_attempt(&mut request.filter_state, &record);
}
