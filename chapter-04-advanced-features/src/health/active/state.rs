//! When a backend is checked, and what the results add up to.
//!
//! One failed check is noise; three in a row are news. So a watch counts: `fall` failures in a row take its backend
//! down, `rise` successes bring it back. While it counts it asks at the fast interval, so that patience costs seconds
//! only when something is going on. A new backend is taken for up, but unproven: its first check decides alone, as
//! HAProxy has it, so that one which never ran is out after one check. No clock and no socket: the
//! [`checker`](super::checker) brings both.

use std::time::{Duration, Instant};

use super::config::CheckConfig;

/// The checks of one backend.
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
    /// Results in a row that speak against `is_up`.
    consecutive_contrary: u32,
    next_check: Instant,
    /// When the last check ended.
    last_check_end: Option<Instant>,
}

/// What the results have added up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthTransition {
    /// It may be picked again.
    Up,
    /// It must not be picked.
    Down,
}

impl CheckState {
    /// The watch of backend `index` of the `count` that begin together at `now`: their first checks are spread evenly
    /// over an interval, so that a start is not a burst, and the later ones follow in the same step.
    pub fn new(check: &CheckConfig, now: Instant, index: usize, count: usize) -> Self {
        let part = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
        let offset = check.interval / part(count.max(1)) * part(index % count.max(1));
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

    /// When it wants to be checked next.
    pub fn next_check(&self) -> Instant {
        self.next_check
    }

    // ANCHOR: record
    /// Notes the result of a check that ended at `now`, and says whether that makes a difference. `random` is any
    /// number, each as likely as the others: the next check is early or late by it.
    pub fn record(&mut self, ok: bool, now: Instant, random: u64) -> Option<HealthTransition> {
        let needed = if self.is_unchecked {
            1
        } else if self.is_up {
            self.fall
        } else {
            self.rise
        };
        self.is_unchecked = false;
        self.consecutive_contrary = if ok == self.is_up { 0 } else { self.consecutive_contrary + 1 };
        let change = self.consecutive_contrary >= needed;
        if change {
            self.is_up = ok;
            self.consecutive_contrary = 0;
        }
        self.schedule_next(now, random);
        change.then_some(if ok { HealthTransition::Up } else { HealthTransition::Down })
    }
    // ANCHOR_END: record

    /// A check came to nothing through no fault of the backend (this process had no descriptor left): it is asked
    /// again in due time, and nothing is concluded.
    pub fn record_inconclusive(&mut self, now: Instant, random: u64) {
        self.schedule_next(now, random);
    }

    /// A live connect has failed: look soon. However many of them fail, not faster than the fast interval.
    pub fn check_now(&mut self, now: Instant) {
        let soonest = self.last_check_end.map_or(now, |last| now.max(last + self.fast_interval));
        self.next_check = self.next_check.min(soonest);
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

    /// In the middle: no jitter.
    const MIDDLE: u64 = u64::MAX / 2;

    fn millis(from: Instant, to: Instant) -> u128 {
        // To the nearest: a float was in between.
        (to.duration_since(from) + Duration::from_micros(500)).as_millis()
    }

    #[test]
    fn the_first_check_decides_and_then_it_takes_three_down_and_two_up() {
        use HealthTransition::{Down, Up};
        // Results, the change after each, and the milliseconds to the next check after each.
        type Step = (bool, Option<HealthTransition>, u128);
        let tables: [&[Step]; 4] = [
            &[(false, Some(Down), 2_000), (true, None, 500), (true, Some(Up), 2_000)],
            &[(true, None, 2_000), (false, None, 500), (false, None, 500), (false, Some(Down), 2_000)],
            &[(true, None, 2_000), (false, None, 500), (false, None, 500), (true, None, 2_000), (false, None, 500)],
            &[(false, Some(Down), 2_000), (true, None, 500), (false, None, 2_000), (true, None, 500)],
        ];
        for table in tables {
            let start = now();
            let mut watch = CheckState::new(&CheckConfig::default(), start, 0, 1);
            assert!(watch.is_up && watch.next_check() == start);
            for (step, &(ok, change, next)) in table.iter().enumerate() {
                let at = watch.next_check() + Duration::from_millis(7);
                assert_eq!(watch.record(ok, at, MIDDLE), change, "step {step} of {table:?}");
                assert_eq!(millis(at, watch.next_check()), next, "step {step} of {table:?}");
            }
        }
    }

    #[test]
    fn the_first_round_is_spread_over_an_interval() {
        let start = now();
        let due =
            |index, count| millis(start, CheckState::new(&CheckConfig::default(), start, index, count).next_check());
        assert_eq!([0, 1, 2, 3].map(|index| due(index, 4)), [0, 500, 1_000, 1_500]);
        assert_eq!(due(0, 0), 0, "nobody to share with");
    }

    #[test]
    fn jitter_is_five_percent_to_either_side() {
        let start = now();
        let next = |random| {
            let mut watch = CheckState::new(&CheckConfig::default(), start, 0, 1);
            watch.record(true, start, random);
            millis(start, watch.next_check())
        };
        assert_eq!([0, MIDDLE, u64::MAX].map(next), [1_900, 2_000, 2_100]);
    }

    #[test]
    fn hurries_but_not_faster_than_the_fast_interval() {
        let start = now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut watch = CheckState::new(&CheckConfig::default(), start, 1, 2);
        watch.check_now(at(10));
        assert_eq!(watch.next_check(), at(10), "it was never checked");
        watch.record(true, at(20), MIDDLE);
        for _ in 0..1_000 {
            watch.check_now(at(30));
        }
        assert_eq!(watch.next_check(), at(520));
        watch.check_now(at(600));
        assert_eq!(watch.next_check(), at(520), "it is due already");
    }

    #[test]
    fn what_is_skipped_counts_for_nothing() {
        let start = now();
        let mut watch = CheckState::new(&CheckConfig::default(), start, 0, 1);
        watch.record(true, start, MIDDLE);
        watch.record(false, start, MIDDLE);
        watch.record(false, start, MIDDLE);
        watch.record_inconclusive(start, MIDDLE);
        assert_eq!(millis(start, watch.next_check()), 500);
        assert_eq!(watch.record(false, start, MIDDLE), Some(HealthTransition::Down));
    }
}
