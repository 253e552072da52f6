//! The longest time that one poll held a worker: while a task computes, no other client of its worker gets anywhere.
//!
//! What tokio-console calls the longest poll. A poll of a client's task reads the clock once, when it begins. So the
//! time between the beginnings of two polls bounds the first one, and costs no further reading. Only the last poll
//! before the worker waits needs one, and the first one after it: two per wait, and the busier a worker is, the less
//! often it waits.
//!
//! Included is all that happens between two such moments: the poll itself with its system calls and its filters, tasks
//! that are no client's (accept, the pool's sweep), a look at the poller in between, and the time in which the kernel
//! ran another thread instead. Not included is the time in which the worker waits for events.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

thread_local! {
    /// When the worker's current poll began, and its longest poll. Here because tokio's hooks must be `Sync`, though
    /// they run on the worker's thread; and an atomic holds no `Instant`: converting each would take longer than all
    /// the rest.
    static CURRENT: Cell<(Option<Instant>, Duration)> = const { Cell::new((None, Duration::ZERO)) };
}

/// The longest poll of one worker. Only that worker's thread writes it; any thread may read it.
#[derive(Debug, Default)]
#[repr(align(64))] // not on a cache line with another worker's
pub(crate) struct LongestPoll {
    nanos: AtomicU64,
}

impl LongestPoll {
    /// The longest poll so far.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Relaxed))
    }

    /// The worker, which calls this, has waited until `now`.
    pub(crate) fn end_wait(now: Instant) {
        CURRENT.set((Some(now), CURRENT.get().1));
    }

    /// A poll begins at `now` on the worker, which calls this. So the one before has ended.
    #[inline]
    pub(crate) fn begin(&self, now: Instant) {
        let (began, longest) = CURRENT.get();
        CURRENT.set((Some(now), longest));
        if let Some(began) = began
            && began.checked_add(longest).is_some_and(|limit| now > limit)
        {
            self.set(now.saturating_duration_since(began), now);
        }
    }

    #[cold]
    fn set(&self, longest: Duration, now: Instant) {
        CURRENT.set((Some(now), longest));
        self.nanos.store(u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_longest_time_between_two_beginnings_without_the_waits() {
        let (poll, start) = (LongestPoll::default(), common::clock::now());
        let at = |millis| start + Duration::from_millis(millis);
        let longest = || poll.duration().as_millis();
        LongestPoll::end_wait(at(1_000));
        poll.begin(at(1_001));
        assert_eq!(longest(), 1, "from the end of the wait");
        poll.begin(at(1_006));
        assert_eq!(longest(), 5);
        poll.begin(at(1_008)); // before a wait
        LongestPoll::end_wait(at(5_000));
        poll.begin(at(5_004));
        assert_eq!(longest(), 5, "the wait does not count, and a shorter poll changes nothing");
        poll.begin(at(5_010));
        assert_eq!(longest(), 6);
    }
}
