//! Sliding window counter: this window's count, and the part of the previous one's that still lies in the period.
//!
//! **Use it** for a count per period without the fixed window's jump at the border. A quarter into a window, the previous
//! window's count weighs three quarters: as if its requests had been spread evenly. Cloudflare, which made it known,
//! counted 0.003 % of its requests decided wrongly; Pingora's `Rate` offers it (`rate_with`), and so does Kong's
//! rate-limiting-advanced plugin.
//!
//! **Cost**: one compare-and-exchange on a word with the window's number and two counts; one division where the last
//! window's count is not 0. **Burst**: the whole count at once. In the worst case, requests at the end of a window and
//! at the end of the next, twice the rate lies within a period; usually a few percent more than the rate.
//!
//! **Trap**: only requests that were let through are counted. One that counts the refused ones too locks a client out
//! for as long as it keeps trying.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{
    Algorithm, Decision,
    window::{Position, Windows},
};
use crate::rate::Rate;

/// Bits of a count: enough for [`MAX_COUNT`](crate::rate::MAX_COUNT).
const COUNT_BITS: u32 = 21;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
/// The rest are the window's number, modulo 48 days of seconds: a key that was idle for exactly that long gets the
/// count that it had.
const WINDOW_BITS: u32 = 64 - 2 * COUNT_BITS;
const WINDOW_MASK: u64 = (1 << WINDOW_BITS) - 1;

/// By how many windows a thread's clock may be behind.
const MAX_BEHIND: u64 = 64;

/// Counters for one rate.
#[derive(Debug)]
pub struct SlidingWindow {
    windows: Windows,
    limit: u64,
}

/// What the state's word holds.
#[derive(Clone, Copy)]
struct Counts {
    window: u64,
    last: u64,
    current: u64,
}

impl Counts {
    fn unpack(word: u64) -> Self {
        Self { window: word >> (2 * COUNT_BITS), last: word >> COUNT_BITS & COUNT_MASK, current: word & COUNT_MASK }
    }

    fn pack(self) -> u64 {
        self.window << (2 * COUNT_BITS) | self.last << COUNT_BITS | self.current
    }

    /// As they are at `at`; a thread whose clock is behind gets the later window, at its begin.
    fn at(self, at: Position) -> (Self, Position) {
        let ahead = at.window.wrapping_sub(self.window) & WINDOW_MASK;
        let counts = match ahead {
            0 => self,
            1 => Self { window: at.window & WINDOW_MASK, last: self.current, current: 0 },
            _ if ahead > WINDOW_MASK - MAX_BEHIND => {
                let behind = WINDOW_MASK + 1 - ahead;
                return (self, Position { window: at.window.wrapping_add(behind), elapsed: 0 });
            }
            _ => Self { window: at.window & WINDOW_MASK, last: 0, current: 0 },
        };
        (counts, at)
    }
}

impl SlidingWindow {
    /// For this rate. The first window begins at 0.
    pub fn new(rate: Rate) -> Self {
        Self { windows: Windows::new(rate.period().duration()), limit: rate.count().get().into() }
    }

    // ANCHOR: estimate
    /// Requests in the last period, as estimated. Rounded down: rounded up, a limit of 1 would let through one request
    /// in every second window only.
    fn estimate(&self, counts: Counts, at: Position) -> u64 {
        let length = self.windows.length();
        // 20 bits times 42 bits of an hour in nanoseconds.
        counts.current + counts.last * (length - at.elapsed) / length
    }
    // ANCHOR_END: estimate

    /// The time until the estimate is at most `most`, if no request comes.
    fn time_until(&self, most: u64, counts: Counts, at: Position) -> Duration {
        let length = self.windows.length();
        // When a window's count has lost enough weight: count × (length - t) < (most + 1) × length.
        let faded = |count: u64, most: u64| {
            if count <= most { 0 } else { length + 1 - ((most + 1) * length).div_ceil(count) }
        };
        let nanos = match most.checked_sub(counts.current) {
            Some(rest) => faded(counts.last, rest).saturating_sub(at.elapsed),
            None => length - at.elapsed + faded(counts.current, most),
        };
        Duration::from_nanos(nanos)
    }

    fn decision(&self, allowed: bool, cost: u32, counts: Counts, at: Position) -> Decision {
        let used = self.estimate(counts, at);
        let remaining = u32::try_from(self.limit.saturating_sub(used)).unwrap_or(u32::MAX);
        let reset = used.checked_sub(1).map_or(Duration::ZERO, |less| self.time_until(less, counts, at));
        if allowed {
            return Decision::allowed(remaining, reset);
        }
        let most = self.limit.checked_sub(cost.into());
        Decision::refused(remaining, reset, most.map_or(Duration::MAX, |most| self.time_until(most, counts, at)))
    }
}

impl Algorithm for SlidingWindow {
    type State = AtomicU64;

    fn check(&self, state: &AtomicU64, cost: u32, now: Duration) -> Decision {
        let now = self.windows.position(now);
        let mut word = state.load(Relaxed);
        loop {
            let (counts, at) = Counts::unpack(word).at(now);
            if self.estimate(counts, at) + u64::from(cost) > self.limit {
                return self.decision(false, cost, counts, at);
            }
            let taken = Counts { current: counts.current + u64::from(cost), ..counts };
            match state.compare_exchange_weak(word, taken.pack(), Relaxed, Relaxed) {
                Ok(_) => return self.decision(true, cost, taken, at),
                Err(moved) => word = moved,
            }
        }
    }

    fn give_back(&self, state: &AtomicU64, cost: u32, now: Duration) {
        let now = self.windows.position(now);
        // From the window in which it was taken, if that still counts.
        let _ = state.fetch_update(Relaxed, Relaxed, |word| {
            let counts = Counts::unpack(word);
            let windows_ago = counts.window.wrapping_sub(now.window) & WINDOW_MASK;
            let given_back = match windows_ago {
                0 => Counts { current: counts.current.saturating_sub(cost.into()), ..counts },
                1 => Counts { last: counts.last.saturating_sub(cost.into()), ..counts },
                _ => return None,
            };
            Some(given_back.pack())
        });
    }

    fn is_idle(&self, state: &AtomicU64, now: Duration) -> bool {
        let (counts, at) = Counts::unpack(state.load(Relaxed)).at(self.windows.position(now));
        self.estimate(counts, at) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_window_fades_out() {
        let limit = SlidingWindow::new("8/s".parse().unwrap());
        let state = AtomicU64::default();
        let at = |ms| limit.check(&state, 1, Duration::from_millis(ms));
        assert_eq!((0..9).filter(|_| at(900).allowed).count(), 8);
        // The first window's 8 weigh 8 at its end, less from then on, 6 a quarter into the next.
        let refused = at(1_000);
        assert_eq!((refused.allowed, refused.remaining, refused.retry_after), (false, 0, Duration::from_nanos(1)));
        assert_eq!((0..9).filter(|_| at(1_250).allowed).count(), 2);
        assert_eq!((0..9).filter(|_| at(3_000).allowed).count(), 8);
        // Threads whose clocks are behind by one window, and by two.
        assert!(!at(2_500).allowed && !at(1_500).allowed && !at(3_000).allowed);
        limit.give_back(&state, 8, Duration::from_secs(3));
        assert!(limit.is_idle(&state, Duration::from_secs(3)));
    }

    #[test]
    fn a_client_that_keeps_trying_gets_its_rate() {
        let limit = SlidingWindow::new("5/s".parse().unwrap());
        let state = AtomicU64::default();
        let mut per_second = [0; 8];
        for ms in (0..8_000).step_by(10) {
            per_second[ms / 1_000] += u32::from(limit.check(&state, 1, Duration::from_millis(ms as u64)).allowed);
        }
        assert!(per_second.iter().all(|count| (4..=6).contains(count)), "{per_second:?}");
    }
}
