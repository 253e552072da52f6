//! A connection's timer.
//!
//! Most deadlines are moved before they pass, so a timer that is moved with them would be moved for nothing, twice per
//! request. This one stays where it is as long as it is not late. When it rings, whoever waits is asked anew until when,
//! and it is armed for that. As long as it stays, its memory is not touched either: of many connections, each has its own.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Instant,
};

use common::clock::now;
use tokio::{
    task::coop::unconstrained,
    time::{Sleep, sleep_until},
};

/// A timer of one task, made when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct LazyTimer(Option<ArmedSleep>);

#[derive(Debug)]
struct ArmedSleep {
    fires_at: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl LazyTimer {
    /// Ready once `by` has come. Until then the task is woken when it has, and perhaps before. `now` has been read since
    /// the task was woken last: else a ring could be missed.
    pub(crate) fn poll(&mut self, deadline: Instant, now: Instant, context: &mut Context<'_>) -> Poll<()> {
        if now >= deadline {
            return Poll::Ready(());
        }
        let new = || ArmedSleep { fires_at: now, sleep: Box::pin(sleep_until(deadline.into())) };
        let ArmedSleep { fires_at, sleep } = self.0.get_or_insert_with(new);
        let has_fired = *fires_at <= now;
        if !has_fired && *fires_at <= deadline {
            return Poll::Pending; // the task's waker is with it since it was armed
        }
        *fires_at = deadline;
        sleep.as_mut().reset(deadline.into());
        // A task that has moved much in this poll has no budget left, and a timer that asks for it would not hear of it.
        pin!(unconstrained(sleep.as_mut())).poll(context)
    }
}

/// As [`std::future::poll_fn`], for what begins at `at`: each poll is told the time. One look at the clock serves all
/// that happens until the task waits again, which takes microseconds.
pub(crate) fn poll_fn_with_now<T>(
    at: Instant,
    mut poll: impl FnMut(&mut Context<'_>, Instant) -> Poll<T>,
) -> impl Future<Output = T> {
    let mut known = Some(at);
    poll_fn(move |context| poll(context, known.take().unwrap_or_else(now)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        runtime::Builder,
        task::coop::{consume_budget, has_budget_remaining},
        time::timeout,
    };

    use super::*;

    /// Waits, with a deadline that is so long after the beginning at each poll. Gives how often it was polled.
    async fn wait(timer: &mut LazyTimer, deadline: impl Fn(usize) -> Duration) -> usize {
        let (started, mut polls) = (now(), 0);
        let waited = poll_fn_with_now(started, |context, now| {
            polls += 1;
            timer.poll(started + deadline(polls), now, context)
        });
        waited.await;
        assert!(started.elapsed() >= deadline(polls), "it rang early");
        polls
    }

    #[test]
    fn fires_on_time_however_the_deadline_moves() {
        const SOON: Duration = Duration::from_millis(5);
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut timer = LazyTimer::default();
            assert_eq!(wait(&mut timer, |_| Duration::ZERO).await, 1);
            assert_eq!(wait(&mut timer, |_| SOON).await, 2);
            // Moved back while it waits: what it was armed for wakes it, and it is armed anew.
            assert!(wait(&mut timer, |poll| if poll == 1 { SOON } else { 3 * SOON }).await > 1);
            // Armed for a time long after this test, and moved forward.
            let long = now() + Duration::from_hours(1);
            assert!(poll_fn(|context| Poll::Ready(timer.poll(long, now(), context))).await.is_pending());
            assert_eq!(wait(&mut timer, |_| SOON).await, 2);
        });
    }

    #[test]
    fn fires_for_a_task_without_coop_budget() {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (mut timer, started) = (LazyTimer::default(), now());
            let deadline = started + Duration::from_millis(5);
            let rings = poll_fn_with_now(started, |context, now| {
                while has_budget_remaining() {
                    let _ = pin!(consume_budget()).poll(context);
                }
                timer.poll(deadline, now, context)
            });
            // Whoever waits with it would wake the task in the end.
            let _ = timeout(Duration::from_secs(5), rings).await;
            assert!(started.elapsed() < Duration::from_secs(5), "it does not ring");
        });
    }
}
