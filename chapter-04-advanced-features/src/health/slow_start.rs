//! Slow start: a reduced share for a backend that has just recovered.
//!
//! When you need it: where a fresh process is slow (cold caches, a JIT, lazy connections). Least connections and
//! peak EWMA make it worse, because the recovered backend looks idle and gets all requests at once. What it costs: two
//! relaxed loads, and one atomic addition while it ramps up. It does not apply at process start: no other backend could
//! take the rest. HAProxy's `slowstart` ramps up linearly, as here (nginx's `slow_start` is in its paid edition);
//! Envoy's `slow_start_config` also takes a curve.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::epoch::{Epoch, millis};

/// The slow start of one backend.
#[derive(Debug)]
pub struct SlowStart {
    epoch: Epoch,
    duration: Duration,
    min_factor: f64,
    /// When it recovered; 0 for never.
    started_at: AtomicU64,
    /// The fraction of a pick that is carried over, in units of 2^-32.
    remainder: AtomicU32,
}

impl SlowStart {
    /// The default share at the start of the ramp.
    pub const DEFAULT_MIN_FACTOR: f64 = 0.1;

    /// A backend with its full share. `min_factor` is clamped to 0..=1; `epoch` is any instant before the first `now`.
    pub fn new(duration: Duration, min_factor: f64, epoch: Instant) -> Self {
        let (started_at, remainder) = (AtomicU64::new(0), AtomicU32::new(0));
        Self { epoch: Epoch::new(epoch), duration, min_factor: min_factor.clamp(0.0, 1.0), started_at, remainder }
    }

    /// The backend has recovered: starts the ramp.
    pub fn start(&self, now: Instant) {
        self.remainder.store(0, Relaxed);
        self.started_at.store(self.epoch.millis(now), Relaxed);
    }

    /// The fraction of its picks that it accepts at `now`: from `min_factor` to 1.
    pub fn weight_factor(&self, now: Instant) -> f64 {
        let started_at = self.started_at.load(Relaxed);
        if started_at == 0 {
            return 1.0;
        }
        let elapsed = self.epoch.millis(now).saturating_sub(started_at);
        if elapsed >= millis(self.duration) {
            return 1.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a ramp, far below 2^52")]
        let done = elapsed as f64 / millis(self.duration) as f64;
        self.min_factor + (1.0 - self.min_factor) * done
    }

    // ANCHOR: accepts_pick
    /// Whether the backend accepts a pick. Not random: the fractions add up, and each whole is an accepted pick (error
    /// diffusion), so after any number of picks it has accepted its share to within one.
    ///
    /// A rejected pick goes to another backend. Where there is none, do not call this.
    pub fn accepts_pick(&self, now: Instant) -> bool {
        let share = self.weight_factor(now);
        if share >= 1.0 {
            return true;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 1, so below 2^32")]
        let step = (share * 2f64.powi(32)) as u32;
        // The addition overflows at each whole pick: that one is accepted.
        self.remainder.fetch_add(step, Relaxed).checked_add(step).is_none()
    }
    // ANCHOR_END: accepts_pick
}

#[cfg(test)]
mod tests {
    use common::clock::now;
    use proptest::prelude::*;

    use super::*;

    const DEFAULT_DURATION: Duration = Duration::from_secs(30);

    fn ramp() -> (SlowStart, Instant) {
        let epoch = now();
        (SlowStart::new(DEFAULT_DURATION, SlowStart::DEFAULT_MIN_FACTOR, epoch), epoch)
    }

    #[test]
    fn ramps_up_linearly_and_ends() {
        let (slow, epoch) = ramp();
        assert!(slow.weight_factor(epoch) >= 1.0, "not at process start");
        let back = epoch + Duration::from_mins(1);
        slow.start(back);
        for (seconds, share) in [(0, 0.1), (10, 0.4), (15, 0.55), (20, 0.7), (30, 1.0), (31, 1.0)] {
            let now = back + Duration::from_secs(seconds);
            assert!((slow.weight_factor(now) - share).abs() < 1e-9, "{share} after {seconds} s");
        }
        assert!((0..100).all(|_| slow.accepts_pick(back + DEFAULT_DURATION)));
        slow.start(back);
        assert!(!slow.accepts_pick(back));
    }

    #[test]
    fn two_threads_share_one_count() {
        let (slow, epoch) = ramp();
        slow.start(epoch);
        let accepted = || (0..5_000).filter(|_| slow.accepts_pick(epoch)).count();
        let all = std::thread::scope(|scope| {
            let other = scope.spawn(accepted);
            accepted() + other.join().unwrap()
        });
        assert!((999..=1_000).contains(&all), "{all}");
    }

    proptest! {
        #[test]
        fn accepts_its_share_of_picks_to_within_one(millis in 0..30_000u64, picks in 1..2_000u32) {
            let (slow, epoch) = ramp();
            slow.start(epoch);
            let now = epoch + Duration::from_millis(millis);
            let accepted = u32::try_from((0..picks).filter(|_| slow.accepts_pick(now)).count()).unwrap();
            let expected = slow.weight_factor(now) * f64::from(picks);
            prop_assert!((f64::from(accepted) - expected).abs() < 1.001, "{accepted} of {picks}, {expected} due");
        }
    }
}
