//! Where a client's thread waits: in the queue for a slot, and in the back-off before a retry.

use std::sync::Arc;

use common::{
    clock::now,
    http::{FailureKind, Phase, ProxyError, Side},
    shutdown::ShutdownStage,
};
use simple_proxy::{client_connection::ClientConnection, driver::BlockingDriver};

use super::{
    context::{MAX_RETRY_BUDGET_CHECKS, RequestContext},
    error::RequestError,
    local_reply::{QUEUE_FULL, QUEUE_TIMEOUT, SHED},
    wake_pipe::{WakePipe, wait_for_wake, wait_until},
};
use crate::{
    balance::{backend::Backend, group::InFlightGuard},
    balancer::Balancer,
    limit::queue::QueueTurn,
};

// ANCHOR: wait
/// Waits in the group's queue until a backend has a free slot, the queue timeout expires, or the client leaves.
pub(crate) fn wait_in_queue(
    client: &ClientConnection,
    driver: &BlockingDriver<'_>,
    ctx: &mut RequestContext,
) -> Result<InFlightGuard, RequestError> {
    let out_of_fds =
        |error| ProxyError::new(FailureKind::ResourceExhausted, Side::Internal, Phase::Connect).with_source(error);
    let wake_pipe = WakePipe::new().map_err(out_of_fds)?;
    let entered = now();
    let ticket = ctx.group.queue.enqueue(wake_pipe.waker(), entered).map_err(|_| QUEUE_FULL)?;
    let deadline = entered + ctx.group.policy().queue_timeout;
    loop {
        // A slot that another request gives up because the process stops must not be taken.
        if driver.shutdown().stage() == ShutdownStage::Stopping {
            return Err(ProxyError::new(FailureKind::ShuttingDown, Side::Internal, Phase::Connect).into());
        }
        // Also right after enqueueing: a slot may have been released in between.
        let now = now();
        match ticket.turn(now) {
            QueueTurn::Next => {
                if let Some(in_flight) = ctx.choose_from_queue(now)? {
                    return Ok(in_flight);
                }
            }
            QueueTurn::Wait => {}
            QueueTurn::Shed => return Err(SHED.into()),
        }
        if now >= deadline {
            return Err(QUEUE_TIMEOUT.into());
        }
        wait_for_wake(&client.socket, &wake_pipe, driver.shutdown(), deadline)?;
    }
}
// ANCHOR_END: wait

/// Waits a back-off before a retry on another backend than `failed_backend`, if the request's retries and the group's
/// retry budget allow one.
///
/// # Errors
/// No retry is allowed: `error`. Or the client has reset its connection, or the process stops.
pub(crate) fn wait_for_retry(
    balancer: &Balancer,
    client: &ClientConnection,
    driver: &BlockingDriver<'_>,
    ctx: &mut RequestContext,
    error: ProxyError,
    failed_backend: &Arc<Backend>,
) -> Result<(), RequestError> {
    if !ctx.begin_retry() {
        return Err(error.into());
    }
    for wait in 0..MAX_RETRY_BUDGET_CHECKS {
        wait_until(&client.socket, driver.shutdown(), now() + balancer.backoff(&ctx.group, wait))?;
        if ctx.acquire_retry_permit() {
            ctx.exclude_backend(failed_backend, error);
            return Ok(());
        }
    }
    Err(error.into())
}
