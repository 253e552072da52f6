//! Peak EWMA: of two, the one that would answer sooner.
//!
//! **Use it** when backends differ in speed and the difference changes: a cold cache, a pause for garbage
//! collection, a farther data centre. It costs each backend at its recent latency times the requests before this
//! one, and gives the cheaper of two drawn at random the request. Finagle's `p2cPeakEwma` (Oliver Gould), tower's
//! and linkerd's `PeakEwma`; nginx's `least_time` is a cousin.
//!
//! **Peak**: a slower answer than expected is believed at once, a faster one by and by, over [`DECAY`]. So a
//! backend that stalls loses its traffic after one answer. Without answers the estimate sinks towards zero: who
//! got nothing for a while is tried again.
//!
//! **Traps**, both met here. Errors are quick: a broken backend that refuses at once looks like the fastest of
//! all, so a failure counts as slow, never as fast. A new backend is unknown: it gets one request, and the
//! next when that is answered.
//!
//! **Cost**: as [`super::power_of_two_choices`], with two `exp`; to record, one compare-and-swap, never a lock.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// After this long without an answer an estimate has sunk to 1/e of itself. Finagle's default.
pub const DECAY_TIME: Duration = Duration::from_secs(10);

/// As what a failure counts at least: slower than any answer that one would wait for by choice.
const MIN_FAILURE_SECS: f32 = 1.0;
/// As what failures count at most, however many follow each other, and answers too. In seconds.
const MAX_ESTIMATE_SECS: f32 = 60.0;

/// The latency of one backend: moves up at once and down slowly.
#[derive(Debug)]
#[repr(align(64))]
pub struct PeakEwma {
    created_at: Instant,
    /// The estimate in seconds as an `f32`'s bits, above the milliseconds since `born` when it was made: both
    /// change in one step. Zero: nothing is known.
    state: AtomicU64,
}

impl PeakEwma {
    /// Of a backend that nothing is known about.
    pub fn new(now: Instant) -> Self {
        Self { created_at: now, state: AtomicU64::new(0) }
    }

    /// An answer arrived after `latency`: its first byte, for the rest is the client's speed too.
    pub fn record(&self, latency: Duration, now: Instant) {
        self.update(now, |_| latency.as_secs_f32());
    }

    /// No answer arrived, or an error. It counts as slow: as one second, or twice the estimate if that is more.
    pub fn record_failure(&self, now: Instant) {
        self.update(now, |estimate| (2.0 * estimate).max(MIN_FAILURE_SECS));
    }

    /// The estimate as of now; zero if nothing is known, or nothing any more.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 60 s, in nanoseconds")]
    pub fn latency(&self, now: Instant) -> Duration {
        let (estimate, _) = decayed(self.state.load(Relaxed), self.millis(now));
        Duration::from_nanos((estimate * 1e9) as u64)
    }

    // ANCHOR: update
    fn update(&self, now: Instant, sample: impl Fn(f32) -> f32) {
        let millis = self.millis(now);
        let updated = |state| {
            let (estimate, decayed_share) = decayed(state, millis);
            // A nanosecond at least: zero means unknown.
            let sample = sample(estimate).clamp(1e-9, MAX_ESTIMATE_SECS);
            let estimate = if sample > estimate { sample } else { estimate + sample * decayed_share };
            Some(pack(estimate, latest(timestamp(state), millis)))
        };
        // Always `Some`, so never an error. Relaxed: the estimate guards nothing else.
        _ = self.state.fetch_update(Relaxed, Relaxed, updated);
    }
    // ANCHOR_END: update

    #[expect(clippy::cast_possible_truncation, reason = "wraps after 49 days, and only differences are taken")]
    fn millis(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.created_at).as_millis() as u32
    }
}

/// The cost of one more request: how long it would take if those in flight go first.
///
/// A backend that nothing is known about costs nothing while idle and more than any other once it has a request:
/// it is tried, and not flooded.
pub fn cost(latency: Duration, in_flight: u32, weight: u32) -> f64 {
    /// Dearer than any that is known: 60 s times four thousand million requests.
    const UNKNOWN_COST: f64 = 1e12;
    let latency = latency.as_secs_f64();
    let (queue, weight) = (f64::from(in_flight), f64::from(weight.max(1)));
    match latency > 0.0 {
        true => latency * (queue + 1.0) / weight,
        false if in_flight == 0 => 0.0,
        false => UNKNOWN_COST + queue / weight,
    }
}

/// The estimate as of `millis`, and which share of it has faded since it was made.
fn decayed(state: u64, millis: u32) -> (f32, f32) {
    let elapsed = Duration::from_millis(u64::from(elapsed_millis(timestamp(state), millis)));
    let kept = (-elapsed.as_secs_f32() / DECAY_TIME.as_secs_f32()).exp();
    (f32::from_bits((state >> 32) as u32) * kept, 1.0 - kept)
}

fn pack(estimate: f32, stamp: u32) -> u64 {
    u64::from(estimate.to_bits()) << 32 | u64::from(stamp)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is meant")]
fn timestamp(state: u64) -> u32 {
    state as u32
}

/// The milliseconds from one stamp to another; 0 if the other is a little earlier, as another core's `now` may be.
fn elapsed_millis(stamp: u32, millis: u32) -> u32 {
    /// Nobody acts on a `now` that is a minute old.
    const MAX_CLOCK_SKEW_MILLIS: u32 = 60_000;
    let elapsed = millis.wrapping_sub(stamp);
    if elapsed <= u32::MAX - MAX_CLOCK_SKEW_MILLIS { elapsed } else { 0 }
}

fn latest(stamp: u32, millis: u32) -> u32 {
    stamp.wrapping_add(elapsed_millis(stamp, millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[expect(clippy::disallowed_methods, reason = "an instant can be had nowhere else; only differences matter")]
    fn start() -> Instant {
        Instant::now()
    }

    fn assert_near(found: Duration, expected: Duration) {
        assert!(found.abs_diff(expected) <= expected / 50, "{found:?}, not {expected:?}");
    }

    #[test]
    fn up_at_once_and_down_slowly() {
        let t0 = start();
        let ewma = PeakEwma::new(t0);
        assert_eq!(ewma.latency(t0), Duration::ZERO);
        ewma.record(ms(10), t0);
        assert_near(ewma.latency(t0), ms(10));
        ewma.record(ms(500), t0 + ms(1));
        assert_near(ewma.latency(t0 + ms(1)), ms(500));
        // A quick answer right after it changes nothing yet.
        ewma.record(ms(10), t0 + ms(1));
        assert_near(ewma.latency(t0 + ms(1)), ms(500));
        // One every 100 ms for one time constant: 500 / e, and 10 for what has gone from it.
        (1..=100).for_each(|i| ewma.record(ms(10), t0 + ms(1) + ms(100) * i));
        assert_near(ewma.latency(t0 + ms(10_001)), ms(190));
    }

    #[test]
    fn sinks_without_answers_until_nothing_is_known() {
        let t0 = start();
        let ewma = PeakEwma::new(t0);
        ewma.record(ms(1_000), t0);
        assert_near(ewma.latency(t0 + DECAY_TIME), ms(368));
        assert_near(ewma.latency(t0 + DECAY_TIME * 3), ms(50));
        assert_eq!(ewma.latency(t0 + DECAY_TIME * 360), Duration::ZERO);
    }

    #[test]
    fn a_failure_counts_as_slow() {
        let t0 = start();
        let ewma = PeakEwma::new(t0);
        ewma.record_failure(t0);
        assert_near(ewma.latency(t0), ms(1_000));
        (0..20).for_each(|_| ewma.record_failure(t0));
        assert_near(ewma.latency(t0), ms(60_000));
        let quick = PeakEwma::new(t0);
        quick.record(ms(1), t0);
        quick.record_failure(t0);
        assert_near(quick.latency(t0), ms(1_000));
    }

    #[test]
    fn clocks_that_disagree_and_wrap_do_no_harm() {
        let t0 = start();
        let ewma = PeakEwma::new(t0);
        ewma.record(ms(100), t0 + ms(5_000));
        // Another core's `now`, read a little earlier.
        ewma.record(ms(200), t0 + ms(4_999));
        assert_near(ewma.latency(t0 + ms(5_000)), ms(200));
        // A month of silence, then the stamps begin again at zero.
        let month = t0 + DECAY_TIME * 6 * 60 * 24 * 30;
        assert_eq!(ewma.latency(month), Duration::ZERO);
        ewma.record(ms(400), month);
        assert_near(ewma.latency(month + DECAY_TIME), ms(147));
        let near_wrap = t0 + ms(u64::from(u32::MAX) - 1_000);
        ewma.record(ms(300), near_wrap);
        assert_near(ewma.latency(near_wrap + DECAY_TIME), ms(110));
        ewma.record(Duration::MAX, near_wrap + DECAY_TIME);
        assert_near(ewma.latency(near_wrap + DECAY_TIME), ms(60_000));
        ewma.record(Duration::ZERO, t0);
    }

    #[test]
    fn no_answer_is_lost_across_threads() {
        let t0 = start();
        let ewma = PeakEwma::new(t0);
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                let ewma = &ewma;
                scope.spawn(move || (0..1_000).for_each(|i| ewma.record(ms(thread * 1_000 + i), t0)));
            }
        });
        assert_near(ewma.latency(t0), ms(4_999));
    }

    #[test]
    fn costs_are_in_the_right_order() {
        let rising = [
            cost(Duration::ZERO, 0, 1),
            cost(ms(1), 0, 2),
            cost(ms(1), 0, 1),
            cost(ms(1), 1, 1),
            cost(ms(10), 0, 1),
            cost(ms(60_000), u32::MAX, 1),
            cost(Duration::ZERO, 1, 1),
            cost(Duration::ZERO, 2, 1),
        ];
        assert!(rising.is_sorted_by(|a, b| a < b), "{rising:?}");
    }
}
