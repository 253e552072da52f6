//! The check state of a backend: when it is checked next, and what its results add up to.
//!
//! One failed check may be noise; three in a row are not. So the state counts: `fall` consecutive failures mark its
//! backend down, `rise` consecutive successes mark it up. While it counts, checks use the fast interval, so that
//! a decision takes seconds. A new backend is assumed to be up, but unverified: its first check decides alone, as in
//! HAProxy, so that a backend that never ran is down after one check. No clock and no socket: the
//! [`checker`](super::checker) has both.

use std::time::{Duration, Instant};

use super::config::CheckConfig;

/// The check state of one backend.
#[derive(Debug)]
pub struct CheckState {
    interval: Duration,
    fast_interval: Duration,
    fall: u32,
    rise: u32,
    jitter: f64,
    is_up: bool,
    /// No check has ended yet.
    is_unchecked: bool,
    /// Consecutive results that contradict `is_up`.
    consecutive_contrary: u32,
    next_check: Instant,
    /// When the last check ended.
    last_check_end: Option<Instant>,
}

/// A change of the health status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthTransition {
    /// Marked up: it may be picked again.
    Up,
    /// Marked down: it must not be picked.
    Down,
}

impl CheckState {
    /// The state of backend `index` of `count` that start together at `now`: their first checks are spread evenly over
    /// an interval, so that a start is no burst, and later checks keep that offset.
    pub fn new(check: &CheckConfig, now: Instant, index: usize, count: usize) -> Self {
        let to_u32 = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let offset = check.interval / to_u32(count.max(1)) * to_u32(index % count.max(1));
        Self {
            interval: check.interval,
            fast_interval: check.fast_interval,
            fall: check.fall.max(1),
            rise: check.rise.max(1),
            jitter: check.jitter.clamp(0.0, 0.5),
            is_up: true,
            is_unchecked: true,
            consecutive_contrary: 0,
            next_check: now + offset,
            last_check_end: None,
        }
    }

    /// When the next check is due.
    pub fn next_check(&self) -> Instant {
        self.next_check
    }

    // ANCHOR: record
    /// Records the result of a check that ended at `now`, and returns the change of status, if any. `random` is a
    /// uniform number for the jitter of the next check.
    pub fn record(&mut self, ok: bool, now: Instant, random: u64) -> Option<HealthTransition> {
        let threshold = if self.is_unchecked {
            1
        } else if self.is_up {
            self.fall
        } else {
            self.rise
        };
        self.is_unchecked = false;
        self.consecutive_contrary = if ok == self.is_up { 0 } else { self.consecutive_contrary + 1 };
        let changed = self.consecutive_contrary >= threshold;
        if changed {
            self.is_up = ok;
            self.consecutive_contrary = 0;
        }
        self.schedule_next(now, random);
        changed.then_some(if ok { HealthTransition::Up } else { HealthTransition::Down })
    }
    // ANCHOR_END: record

    /// Records a check that could not run through no fault of the backend (such as no file descriptor left): the next
    /// one is scheduled, and the status and the counts stay.
    pub fn record_inconclusive(&mut self, now: Instant, random: u64) {
        self.schedule_next(now, random);
    }

    /// A live connect has failed: checks soon, but never more often than the fast interval, however many fail.
    pub fn check_now(&mut self, now: Instant) {
        let earliest = self.last_check_end.map_or(now, |last| now.max(last + self.fast_interval));
        self.next_check = self.next_check.min(earliest);
    }

    fn schedule_next(&mut self, now: Instant, random: u64) {
        let interval = if self.consecutive_contrary > 0 { self.fast_interval } else { self.interval };
        #[expect(clippy::cast_precision_loss, reason = "53 random bits are plenty")]
        let uniform = random as f64 / u64::MAX as f64;
        self.last_check_end = Some(now);
        self.next_check = now + interval.mul_f64(1.0 + self.jitter * (2.0 * uniform - 1.0));
    }
}

#[cfg(test)]
mod tests {
    use common::clock::now;

    use super::*;

    /// The middle of the range: no jitter.
    const MIDDLE: u64 = u64::MAX / 2;

    fn millis(from: Instant, to: Instant) -> u128 {
        // Rounded, because the jitter is computed in floating point.
        (to.duration_since(from) + Duration::from_micros(500)).as_millis()
    }

    #[test]
    fn first_check_decides_then_three_mark_down_and_two_mark_up() {
        use HealthTransition::{Down, Up};
        // Result, transition, and milliseconds to the next check.
        type Step = (bool, Option<HealthTransition>, u128);
        let tables: [&[Step]; 4] = [
            &[(false, Some(Down), 2_000), (true, None, 500), (true, Some(Up), 2_000)],
            &[(true, None, 2_000), (false, None, 500), (false, None, 500), (false, Some(Down), 2_000)],
            &[(true, None, 2_000), (false, None, 500), (false, None, 500), (true, None, 2_000), (false, None, 500)],
            &[(false, Some(Down), 2_000), (true, None, 500), (false, None, 2_000), (true, None, 500)],
        ];
        for table in tables {
            let start = now();
            let mut state = CheckState::new(&CheckConfig::default(), start, 0, 1);
            assert!(state.is_up && state.next_check() == start);
            for (step, &(ok, change, next)) in table.iter().enumerate() {
                let at = state.next_check() + Duration::from_millis(7);
                assert_eq!(state.record(ok, at, MIDDLE), change, "step {step} of {table:?}");
                assert_eq!(millis(at, state.next_check()), next, "step {step} of {table:?}");
            }
        }
    }

    #[test]
    fn first_checks_are_spread_over_an_interval() {
        let start = now();
        let due =
            |index, count| millis(start, CheckState::new(&CheckConfig::default(), start, index, count).next_check());
        assert_eq!([0, 1, 2, 3].map(|index| due(index, 4)), [0, 500, 1_000, 1_500]);
        assert_eq!(due(0, 0), 0, "a single backend is checked at once");
    }

    #[test]
    fn jitter_is_five_percent_to_either_side() {
        let start = now();
        let next = |random| {
            let mut state = CheckState::new(&CheckConfig::default(), start, 0, 1);
            state.record(true, start, random);
            millis(start, state.next_check())
        };
        assert_eq!([0, MIDDLE, u64::MAX].map(next), [1_900, 2_000, 2_100]);
    }

    #[test]
    fn check_now_is_never_faster_than_the_fast_interval() {
        let start = now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut state = CheckState::new(&CheckConfig::default(), start, 1, 2);
        state.check_now(at(10));
        assert_eq!(state.next_check(), at(10), "it was never checked");
        state.record(true, at(20), MIDDLE);
        for _ in 0..1_000 {
            state.check_now(at(30));
        }
        assert_eq!(state.next_check(), at(520));
        state.check_now(at(600));
        assert_eq!(state.next_check(), at(520), "it is due already");
    }

    #[test]
    fn an_inconclusive_check_changes_no_count() {
        let start = now();
        let mut state = CheckState::new(&CheckConfig::default(), start, 0, 1);
        state.record(true, start, MIDDLE);
        state.record(false, start, MIDDLE);
        state.record(false, start, MIDDLE);
        state.record_inconclusive(start, MIDDLE);
        assert_eq!(millis(start, state.next_check()), 500);
        assert_eq!(state.record(false, start, MIDDLE), Some(HealthTransition::Down));
    }
}
