//! Fixed window: a counter that starts at 0 with each period.
//!
//! **Use it** for quotas that people read and plan with: "1,000 per hour". GitHub's API limits and envoyproxy/ratelimit
//! count so. The windows are aligned to the start of the process, not to the clock on the wall.
//!
//! **Cost**: one compare-and-exchange on a word that holds the window's number and the count. **Burst**: the whole count
//! at once; and twice of it within a moment, at the end of one window and at the start of the next.

use std::{
    cmp::Ordering,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{
    Algorithm, Decision,
    window::{Position, Windows},
};
use crate::rate::Rate;

/// Counters for one rate.
#[derive(Debug)]
pub struct FixedWindow {
    windows: Windows,
    limit: u32,
}

/// What the state's word holds: the window's number in the upper half, for 136 years of seconds; then the count.
#[derive(Clone, Copy)]
struct Count {
    window: u32,
    used: u32,
}

impl Count {
    fn unpack(word: u64) -> Self {
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Self { window: half(word >> 32), used: half(word) }
    }

    fn pack(self) -> u64 {
        u64::from(self.window) << 32 | u64::from(self.used)
    }

    /// As it is at `at`; a thread whose clock is behind gets the later window, at its begin.
    fn at(self, at: Position) -> (Self, Position) {
        let window = u32::try_from(at.window).unwrap_or(u32::MAX);
        match window.cmp(&self.window) {
            Ordering::Greater => (Self { window, used: 0 }, at),
            Ordering::Equal => (self, at),
            Ordering::Less => (self, Position { window: self.window.into(), elapsed: 0 }),
        }
    }
}

impl FixedWindow {
    /// For this rate. The first window begins at 0.
    pub fn new(rate: Rate) -> Self {
        Self { windows: Windows::new(rate.period().duration()), limit: rate.count().get() }
    }

    fn until_next(&self, at: Position) -> Duration {
        Duration::from_nanos(self.windows.length() - at.elapsed)
    }
}

impl Algorithm for FixedWindow {
    type State = AtomicU64;

    // ANCHOR: check
    fn check(&self, state: &AtomicU64, cost: u32, now: Duration) -> Decision {
        let now = self.windows.position(now);
        let take = |word| {
            let (count, _) = Count::unpack(word).at(now);
            let used = count.used.checked_add(cost).filter(|used| *used <= self.limit)?;
            Some(Count { used, ..count }.pack())
        };
        let (word, taken) = match state.fetch_update(Relaxed, Relaxed, take) {
            Ok(before) => (before, Some(cost)),
            Err(word) => (word, None),
        };
        let (count, at) = Count::unpack(word).at(now);
        let used = count.used + taken.unwrap_or(0);
        let reset = if used == 0 { Duration::ZERO } else { self.until_next(at) };
        match taken {
            Some(_) => Decision::allowed(self.limit - used, reset),
            None if cost > self.limit => Decision::refused(self.limit - used, reset, Duration::MAX),
            None => Decision::refused(self.limit - used, reset, self.until_next(at)),
        }
    }
    // ANCHOR_END: check

    fn give_back(&self, state: &AtomicU64, cost: u32, now: Duration) {
        let window = self.windows.position(now).window;
        // Not to a later window, which has counted nothing of it.
        let _ = state.fetch_update(Relaxed, Relaxed, |word| {
            let count = Count::unpack(word);
            let is_same = u64::from(count.window) == window;
            is_same.then(|| Count { used: count.used.saturating_sub(cost), ..count }.pack())
        });
    }

    fn is_idle(&self, state: &AtomicU64, now: Duration) -> bool {
        Count::unpack(state.load(Relaxed)).at(self.windows.position(now)).0.used == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_anew_in_each_window_and_lets_two_counts_through_at_a_border() {
        let limit = FixedWindow::new("3/s".parse().unwrap());
        let state = AtomicU64::default();
        let at = |ms| limit.check(&state, 1, Duration::from_millis(ms));
        assert_eq!((0..5).map(|_| at(999).allowed).filter(|allowed| *allowed).count(), 3);
        let refused = at(999);
        assert_eq!((refused.remaining, refused.retry_after), (0, Duration::from_millis(1)));
        assert_eq!((0..5).map(|_| at(1_000).allowed).filter(|allowed| *allowed).count(), 3);
        // A thread whose clock is behind counts in the later window, and is told to wait for its end.
        let behind = at(999);
        assert_eq!((behind.allowed, behind.retry_after), (false, Duration::from_secs(1)));
        assert!(!at(1_999).allowed && at(2_000).allowed);
        // What was taken in an earlier window is not given back to this one.
        limit.give_back(&state, 3, Duration::from_millis(1_999));
        assert!(at(2_000).allowed && at(2_000).allowed && !at(2_000).allowed);
        limit.give_back(&state, 3, Duration::from_secs(2));
        assert!(limit.is_idle(&state, Duration::from_secs(2)));
    }
}
