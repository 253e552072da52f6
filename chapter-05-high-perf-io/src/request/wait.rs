//! Where a request waits that waits for no exchange: for the rest of its head, for a slot, and before a retry.

use advanced_features::request::{context::MAX_BUDGET_CHECKS, local_reply::LocalReply};
use common::http::{FailureKind, Phase, ProxyError, Side};

use super::{
    state::{QueueWait, Request, RetryWait, State},
    transition::Transition,
};
use crate::{
    downstream::{
        client_connection::ClientConnection,
        respond_and_close::{lingering_close, reject_request, respond_locally},
    },
    upstream::per_client_pool::IDLE_UPSTREAM_TIMEOUT,
    worker::{context::WorkerContext, queue::connection_waker},
};

/// A head has one deadline for all of it: a byte now and then buys no time. An idle client has another, and its
/// connections to backends a shorter one.
pub(crate) fn wait_for_head(worker: &mut WorkerContext, connection: &mut ClientConnection, idle: bool) -> Transition {
    let mut deadline =
        worker.balancer.config().timeouts.head_deadline(connection.timeout_start, idle, worker.drain_started_at);
    if worker.now >= deadline {
        let late = ProxyError::new(FailureKind::Timeout, Side::Client, Phase::RequestHead);
        return if idle { lingering_close(worker, connection) } else { reject_request(worker, connection, &late) };
    }
    if idle && !connection.idle_pool.is_empty() {
        if worker.now >= connection.timeout_start + IDLE_UPSTREAM_TIMEOUT {
            connection.idle_pool.clear();
        } else {
            deadline = deadline.min(connection.timeout_start + IDLE_UPSTREAM_TIMEOUT);
        }
    }
    Transition::Wait(State::ReadingHead, deadline)
}

/// Enters the group's queue.
pub(crate) fn enqueue(
    worker: &mut WorkerContext,
    connection: &ClientConnection,
    mut request: Box<Request>,
) -> Transition {
    let queue = &request.ctx().group.queue;
    let Ok(ticket) = queue.enqueue(connection_waker(&worker.queue, connection.key)) else {
        return respond_locally(request, &LocalReply::AT_CAPACITY);
    };
    let deadline = worker.now + worker.balancer.config().queue_timeout;
    // On to a first try: a slot may have come free in between.
    Transition::To(State::Queued(request, Box::new(QueueWait { ticket, deadline })))
}

/// Takes a slot if one is free and it is this one's turn.
pub(crate) fn wait_for_slot(
    worker: &mut WorkerContext,
    connection: &ClientConnection,
    mut request: Box<Request>,
    queued: Box<QueueWait>,
) -> Transition {
    if queued.ticket.is_first() {
        match request.ctx().choose_from_queue(worker.now) {
            Ok(Some(in_flight)) => return Transition::Connect(request, in_flight),
            Ok(None) => {}
            Err(reply) => return respond_locally(request, &reply),
        }
    }
    if let Some(trouble) = client_abort(connection) {
        return respond_locally(request, &trouble);
    }
    let deadline = queued.deadline;
    if worker.now >= deadline {
        return respond_locally(request, &LocalReply::AT_CAPACITY);
    }
    Transition::Wait(State::Queued(request, queued), deadline)
}

/// An exchange has failed: it is tried again if that is right, or its client is told.
pub(crate) fn retry_or_fail(worker: &mut WorkerContext, mut request: Box<Request>, error: ProxyError) -> Transition {
    if !request.relay.may_retry(&error) {
        return respond_locally(request, &error.into());
    }
    if request.attempt.as_ref().is_some_and(|attempt| attempt.reused) {
        // It had ended while it rested, which says nothing about the backend: it may be chosen again.
        request.attempt = None;
        request.ctx().needs_fresh_connection = true;
        return Transition::To(State::Choosing(request));
    }
    start_backoff(worker, request, error)
}

/// Waits before `error` is answered by a retry, if this request may have one; else it is the client's.
fn start_backoff(worker: &mut WorkerContext, mut request: Box<Request>, error: ProxyError) -> Transition {
    if !request.ctx().begin_retry(worker.balancer.config().max_retries) {
        return respond_locally(request, &error.into());
    }
    let deadline = worker.now + worker.balancer.backoff(0);
    Transition::To(State::BackingOff(request, Box::new(RetryWait { error, budget_checks: 0, deadline })))
}

/// Asks the budget for the retry once the back-off is over.
pub(crate) fn wait_for_retry(
    worker: &mut WorkerContext,
    connection: &mut ClientConnection,
    mut request: Box<Request>,
    mut retry_wait: Box<RetryWait>,
) -> Transition {
    if let Some(reply) = client_abort(connection) {
        return respond_locally(request, &reply);
    }
    let until = retry_wait.deadline;
    if worker.now < until {
        return Transition::Wait(State::BackingOff(request, retry_wait), until);
    }
    if request.ctx().acquire_retry_permit() {
        if let Some(failed) = request.attempt.take() {
            request.ctx().exclude_backend(failed.backend(), retry_wait.error);
            failed.record_failure(worker.now);
        }
        return Transition::To(State::Choosing(request));
    }
    retry_wait.budget_checks += 1;
    if retry_wait.budget_checks == MAX_BUDGET_CHECKS {
        return respond_locally(request, &retry_wait.error.into());
    }
    retry_wait.deadline = worker.now + worker.balancer.backoff(retry_wait.budget_checks);
    Transition::To(State::BackingOff(request, retry_wait))
}

/// A request that waits for no socket hears of a client that has reset its connection.
pub(crate) fn client_abort(connection: &ClientConnection) -> Option<LocalReply> {
    let reset = || ProxyError::new(FailureKind::Reset, Side::Client, Phase::Connect).into();
    connection.socket.has_failed().then(reset)
}
