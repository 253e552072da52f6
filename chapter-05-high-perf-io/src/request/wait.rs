//! The waits of a request outside an exchange: for the rest of its head, for a slot, and for the back-off before a
//! retry.

use advanced_features::{
    limit::queue::QueueTurn,
    request::{
        context::MAX_RETRY_BUDGET_CHECKS,
        error::RequestError,
        local_reply::{QUEUE_FULL, QUEUE_TIMEOUT, SHED},
    },
};
use common::http::{FailureKind, Phase, ProxyError, Side};

use super::{
    state::{QueueWait, Request, RetryWait, State},
    transition::Transition,
};
use crate::{
    downstream::{
        client_connection::ClientConnection,
        respond_and_close::{lingering_close, reject_request, start_local_reply},
    },
    upstream::per_client_pool::IDLE_UPSTREAM_TIMEOUT,
    worker::{context::WorkerContext, queue::connection_waker},
};

/// A head has one deadline as a whole: sending a byte now and then does not extend it. An idle client has the idle
/// timeout, and its connections to backends have a shorter one.
pub(crate) fn wait_for_head(worker: &mut WorkerContext, connection: &mut ClientConnection, idle: bool) -> Transition {
    let mut deadline =
        worker.balancer.config().timeouts.head_deadline(connection.timeout_start, idle, worker.drain_started_at);
    if worker.now >= deadline {
        let timed_out = ProxyError::new(FailureKind::Timeout, Side::Client, Phase::RequestHead);
        return if idle { lingering_close(worker, connection) } else { reject_request(worker, connection, &timed_out) };
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
    let Ok(ticket) = queue.enqueue(connection_waker(&worker.queue, connection.key), worker.now) else {
        return start_local_reply(request, &QUEUE_FULL.into());
    };
    let deadline = worker.now + request.ctx().group.policy().queue_timeout;
    // Try at once: a slot may have become free in between.
    Transition::To(State::Queued(request, Box::new(QueueWait { ticket, deadline })))
}

/// Takes a slot if one is free and it is the request's turn. A request whose client leaves is dropped.
pub(crate) fn wait_for_slot(
    worker: &mut WorkerContext,
    connection: &ClientConnection,
    mut request: Box<Request>,
    queued: Box<QueueWait>,
) -> Transition {
    match queued.ticket.turn(worker.now) {
        QueueTurn::Next => match request.ctx().choose_from_queue(worker.now) {
            Ok(Some(in_flight)) => return Transition::Connect(request, in_flight),
            Ok(None) => {}
            Err(error) => return start_local_reply(request, &error),
        },
        QueueTurn::Wait => {}
        QueueTurn::Shed => return start_local_reply(request, &SHED.into()),
    }
    if let Some(error) = check_client_abort(connection) {
        return start_local_reply(request, &error);
    }
    // Its request has not been sent yet, and most clients that close their side have given up.
    if connection.socket.peer_has_sent_fin() {
        let closed = ProxyError::new(FailureKind::ClosedInQueue, Side::Client, Phase::Connect);
        return start_local_reply(request, &closed.into());
    }
    let deadline = queued.deadline;
    if worker.now >= deadline {
        return start_local_reply(request, &QUEUE_TIMEOUT.into());
    }
    Transition::Wait(State::Queued(request, queued), deadline)
}

/// Handles a failed exchange: retries it if the request allows that, or sends the client a local reply.
pub(crate) fn retry_or_fail(worker: &mut WorkerContext, mut request: Box<Request>, error: ProxyError) -> Transition {
    if !request.relay.may_retry(&error) {
        return start_local_reply(request, &error.into());
    }
    if let Some(attempt) = request.attempt.take_if(|attempt| attempt.reused) {
        // The backend closed the connection while it was idle, which is no failure: the request stays with it.
        request.ctx().needs_fresh_connection = true;
        request.ctx().keep_slot(attempt.into_slot());
        return Transition::To(State::Choosing(request));
    }
    start_backoff(worker, request, error)
}

/// Starts the back-off before a retry, if this request has retries left; otherwise the client gets `error`.
fn start_backoff(worker: &mut WorkerContext, mut request: Box<Request>, error: ProxyError) -> Transition {
    if !request.ctx().begin_retry() {
        return start_local_reply(request, &error.into());
    }
    let deadline = worker.now + worker.balancer.backoff(&request.ctx().group, 0);
    Transition::To(State::BackingOff(request, Box::new(RetryWait { error, budget_checks: 0, deadline })))
}

/// Asks the retry budget for a permit once the back-off is over.
pub(crate) fn wait_for_retry(
    worker: &mut WorkerContext,
    connection: &mut ClientConnection,
    mut request: Box<Request>,
    mut retry_wait: Box<RetryWait>,
) -> Transition {
    if let Some(error) = check_client_abort(connection) {
        return start_local_reply(request, &error);
    }
    let deadline = retry_wait.deadline;
    if worker.now < deadline {
        return Transition::Wait(State::BackingOff(request, retry_wait), deadline);
    }
    if request.ctx().acquire_retry_permit() {
        if let Some(failed) = request.attempt.take() {
            request.ctx().exclude_backend(failed.backend(), retry_wait.error);
            failed.record_failure(worker.now);
        }
        return Transition::To(State::Choosing(request));
    }
    retry_wait.budget_checks += 1;
    if retry_wait.budget_checks == MAX_RETRY_BUDGET_CHECKS {
        return start_local_reply(request, &retry_wait.error.into());
    }
    retry_wait.deadline = worker.now + worker.balancer.backoff(&request.ctx().group, retry_wait.budget_checks);
    Transition::To(State::BackingOff(request, retry_wait))
}

/// The error that ends a request whose client has reset its connection. For waits that read from no socket.
pub(crate) fn check_client_abort(connection: &ClientConnection) -> Option<RequestError> {
    let reset = || ProxyError::new(FailureKind::Reset, Side::Client, Phase::Connect).into();
    connection.socket.has_failed().then(reset)
}
