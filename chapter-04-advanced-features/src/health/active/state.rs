//! The check state of a backend: when it is checked next, and the status that its results add up to.
//!
//! What the results add up to is the [`HealthStatus`]'s concern, the schedule is this file's: an interval with jitter,
//! and the fast interval while results contradict the status, so that a decision takes seconds. No clock and no socket:
//! the [`checker`](super::checker) has both.

use std::time::{Duration, Instant};

use super::{
    config::CheckConfig,
    health_status::{HealthStatus, HealthTransition},
};

/// The check state of one backend.
#[derive(Debug)]
pub struct CheckState {
    interval: Duration,
    fast_interval: Duration,
    jitter: f64,
    status: Box<dyn HealthStatus>,
    next_check: Instant,
    /// When the last check ended.
    last_check_end: Option<Instant>,
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
            jitter: check.jitter.clamp(0.0, 0.5),
            status: (check.health_status)(check.fall.max(1), check.rise.max(1)),
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
        let transition = self.status.observe(ok);
        self.schedule_next(now, random);
        transition
    }

    fn schedule_next(&mut self, now: Instant, random: u64) {
        let interval = if self.status.is_in_transition() { self.fast_interval } else { self.interval };
        #[expect(clippy::cast_precision_loss, reason = "53 random bits are plenty")]
        let uniform = random as f64 / u64::MAX as f64;
        self.last_check_end = Some(now);
        self.next_check = now + interval.mul_f64(1.0 + self.jitter * (2.0 * uniform - 1.0));
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
            assert_eq!(state.next_check(), start);
            for (step, &(ok, change, next)) in table.iter().enumerate() {
                let at = state.next_check() + Duration::from_millis(7);
                assert_eq!(state.record(ok, at, MIDDLE), change, "step {step} of {table:?}");
                assert_eq!(millis(at, state.next_check()), next, "step {step} of {table:?}");
            }
        }
    }

    #[test]
    fn status_and_interval_are_those_of_the_given_health_status() {
        /// Down at the second check, whatever it observes, and in transition before it.
        #[derive(Debug)]
        struct DownAtSecond(u32);
        impl HealthStatus for DownAtSecond {
            fn observe(&mut self, _: bool) -> Option<HealthTransition> {
                self.0 += 1;
                (self.0 == 2).then_some(HealthTransition::Down)
            }
            fn is_in_transition(&self) -> bool {
                self.0 == 1
            }
        }
        let check = CheckConfig { health_status: |_, _| Box::new(DownAtSecond(0)), ..CheckConfig::default() };
        let start = now();
        let mut state = CheckState::new(&check, start, 0, 1);
        for (change, next) in [(None, 500), (Some(HealthTransition::Down), 2_000), (None, 2_000)] {
            assert_eq!(state.record(true, start, MIDDLE), change);
            assert_eq!(millis(start, state.next_check()), next);
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
