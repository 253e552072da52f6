//! A connection's timer.
//!
//! Most deadlines are moved before they pass, so a timer that is moved with them would be moved for nothing, twice per
//! request. This one is lazy: it is left alone as long as it is not too late. When it fires early, the task is polled,
//! and the timer is armed for the deadline that applies then. Until then its memory is not touched either, which
//! matters with one timer per connection.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Instant,
};

use tokio::{
    task::coop::unconstrained,
    time::{Sleep, sleep_until},
};

/// The timer of one task, allocated when it is first needed.
#[derive(Debug, Default)]
pub struct LazyTimer(Option<ArmedSleep>);

#[derive(Debug)]
struct ArmedSleep {
    fires_at: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl LazyTimer {
    /// Ready once `deadline` has passed; otherwise the task is woken then, and perhaps earlier. `now` must have been
    /// read after the task was last woken: otherwise a wake-up could be missed.
    pub fn poll(&mut self, deadline: Instant, now: Instant, context: &mut Context<'_>) -> Poll<()> {
        if now >= deadline {
            return Poll::Ready(());
        }
        let new = || ArmedSleep { fires_at: now, sleep: Box::pin(sleep_until(deadline.into())) };
        let ArmedSleep { fires_at, sleep } = self.0.get_or_insert_with(new);
        let has_fired = *fires_at <= now;
        if !has_fired && *fires_at <= deadline {
            return Poll::Pending; // it has had the task's waker since it was armed
        }
        *fires_at = deadline;
        sleep.as_mut().reset(deadline.into());
        // A task that has moved many bytes in this poll may have no coop budget left. A sleep that asks for budget
        // would return `Pending` without registering the waker with the timer.
        pin!(unconstrained(sleep.as_mut())).poll(context)
    }
}

/// As [`std::future::poll_fn`], with the time as an argument of each poll. The first poll gets `first_now`; `read_clock`
/// reads it for the others. One reading of the clock serves a whole poll, which takes microseconds.
pub fn poll_fn_with_now<T>(
    first_now: Instant,
    read_clock: impl Fn() -> Instant,
    mut poll: impl FnMut(&mut Context<'_>, Instant) -> Poll<T>,
) -> impl Future<Output = T> {
    let mut first_now = Some(first_now);
    poll_fn(move |context| poll(context, first_now.take().unwrap_or_else(&read_clock)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::clock::now;
    use tokio::{
        runtime::Builder,
        task::coop::{consume_budget, has_budget_remaining},
        time::timeout,
    };

    use super::*;

    /// Waits until the deadline, which `deadline` gives for each poll, from the start. Returns the number of polls.
    async fn wait(timer: &mut LazyTimer, deadline: impl Fn(usize) -> Duration) -> usize {
        let (started, mut polls) = (now(), 0);
        let waited = poll_fn_with_now(started, now, |context, now| {
            polls += 1;
            timer.poll(started + deadline(polls), now, context)
        });
        waited.await;
        assert!(started.elapsed() >= deadline(polls), "it fired early");
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
            // Moved back while it waits: it fires at the old deadline, and is armed for the new one.
            assert!(wait(&mut timer, |poll| if poll == 1 { SOON } else { 3 * SOON }).await > 1);
            // Armed for long after this test, then moved forward.
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
            let fires = poll_fn_with_now(started, now, |context, now| {
                while has_budget_remaining() {
                    let _ = pin!(consume_budget()).poll(context);
                }
                timer.poll(deadline, now, context)
            });
            // The outer timeout would wake the task in the end.
            let _ = timeout(Duration::from_secs(5), fires).await;
            assert!(started.elapsed() < Duration::from_secs(5), "it did not fire");
        });
    }
}
