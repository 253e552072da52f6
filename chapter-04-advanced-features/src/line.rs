//! Where a request waits: for a slot, and before a retry.

use std::{sync::Arc, time::Duration};

use common::http::{Kind, Phase, ProxyError, Side};
use simple_proxy::{
    client::Client,
    waiter::{Waiter, now},
};

use crate::{
    Balancer,
    attempt::{Course, Trouble},
    backend::Backend,
    group::{Choice, InFlight},
    pause::{Bell, pause},
};

/// What a client is told that finds all backends at their limits.
const FULL: Trouble = Trouble::NotNow { retry_after: Duration::from_secs(1) };
/// How often a retry asks the budget again before it is given up. With the back-off's bounds, half a second.
const BUDGET_TRIES: u32 = 5;

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
    let place = course.group.queue.enter(bell.waker()).map_err(|_| FULL)?;
    let by = now() + balancer.config.queue_timeout;
    loop {
        // Also right after entering: a slot may have come free in between.
        if place.is_first() {
            match course.group.choose(now(), course.wish, &course.tried) {
                Choice::Backend(taken) => return Ok(taken),
                Choice::Nobody => return Err(course.nobody()),
                Choice::Full => {}
            }
        }
        if now() >= by {
            return Err(FULL);
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
    if course.retries >= balancer.config.retries {
        return Err(error.into());
    }
    course.retries += 1;
    // What a retry before this one took of the budget comes back first.
    course.retry = None;
    for wait in 0..BUDGET_TRIES {
        let time = balancer.config.backoff.wait(wait, balancer.random.random());
        pause(&client.socket, None, waiter.shutdown(), now() + time)?;
        course.retry = course.group.budget.try_take(course.group.in_flight());
        if course.retry.is_some() {
            course.pass_by(failed, error);
            return Ok(());
        }
    }
    Err(error.into())
}
