//! Where a request waits: for a slot, and before a retry.

use std::sync::Arc;

use common::{
    clock::now,
    http::{Kind, Phase, ProxyError, Side},
};
use simple_proxy::{client_connection::Client, driver::Waiter};

use super::{
    context::{BUDGET_TRIES, Course},
    local_reply::Trouble,
    wake_pipe::{Bell, pause},
};
use crate::{
    balance::{backend::Backend, group::InFlight},
    balancer::Balancer,
};

// ANCHOR: wait
/// Waits in line until a backend has a slot, for as long as the configuration says.
pub(crate) fn wait_for_slot(
    balancer: &Balancer,
    client: &Client,
    waiter: &Waiter<'_>,
    course: &mut Course,
) -> Result<InFlight, Trouble> {
    let failed = |error| ProxyError::new(Kind::Exhausted, Side::Internal, Phase::Connect).with_source(error);
    let bell = Bell::new().map_err(failed)?;
    let place = course.group.queue.enter(bell.waker()).map_err(|_| Trouble::FULL)?;
    let by = now() + balancer.config.queue_timeout;
    loop {
        // Also right after entering: a slot may have come free in between.
        if place.is_first()
            && let Some(taken) = course.choose_in_turn(now())?
        {
            return Ok(taken);
        }
        if now() >= by {
            return Err(Trouble::FULL);
        }
        pause(&client.socket, Some(&bell), waiter.shutdown(), by)?;
    }
}
// ANCHOR_END: wait

/// Waits before `error` is answered by a retry on another backend than the one that `failed`, if the retries of this
/// request and of its group allow one; else it is the client's.
pub(crate) fn wait_for_retry(
    balancer: &Balancer,
    client: &Client,
    waiter: &Waiter<'_>,
    course: &mut Course,
    error: ProxyError,
    failed: &Arc<Backend>,
) -> Result<(), Trouble> {
    if !course.may_try_again(balancer.config.retries) {
        return Err(error.into());
    }
    for wait in 0..BUDGET_TRIES {
        pause(&client.socket, None, waiter.shutdown(), now() + balancer.backoff(wait))?;
        if course.take_retry() {
            course.pass_by(failed, error);
            return Ok(());
        }
    }
    Err(error.into())
}
