//! Peak EWMA: of two backends, the one with the lower expected latency.
//!
//! **Use it** when backends differ in speed and the difference changes: a cold cache, a pause for garbage collection, a
//! remote data centre. Each backend's cost is its recent latency times its requests in flight; the cheaper of two drawn
//! at random gets the request. Finagle's `p2cPeakEwma` (Oliver Gould), tower's and linkerd's `PeakEwma`; nginx's
//! `least_time` is similar.
//!
//! **Peak**: a response slower than expected raises the estimate at once, a faster one lowers it over [`DECAY_TIME`]. A
//! backend that stalls loses its traffic after one response. Without responses the estimate decays towards zero: a
//! backend without traffic is tried again. **Traps**: errors are fast, so a broken backend that refuses at once looks
//! like the fastest: a failure counts as slow. A new backend is unknown: it gets one request, and the next when that
//! has been answered.
//!
//! **Cost**: as [`super::power_of_two_choices`], plus two `exp`; to record, one compare-and-swap, never a lock.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// After this long without a response an estimate has decayed to 1/e. Finagle's default.
pub const DECAY_TIME: Duration = Duration::from_secs(10);

/// The least that a failure counts as, in seconds: slower than an acceptable response.
const MIN_FAILURE_SECS: f32 = 1.0;
/// The maximum estimate in seconds, for consecutive failures and for responses.
const MAX_ESTIMATE_SECS: f32 = 60.0;

/// The latency estimate of one backend: rises at once and falls slowly.
#[derive(Debug)]
#[repr(align(64))]
pub struct PeakEwma {
    created_at: Instant,
    /// The estimate in seconds as the bits of an `f32` in the high half, and in the low half its timestamp in
    /// milliseconds since `created_at`: both change in one step. Zero: unknown.
    state: AtomicU64,
}

impl PeakEwma {
    /// The estimate of a backend without responses: unknown.
    pub fn new(now: Instant) -> Self {
        Self { created_at: now, state: AtomicU64::new(0) }
    }

    /// Records a response whose first byte arrived after `latency` (the rest also depends on the client's speed).
    pub fn record(&self, latency: Duration, now: Instant) {
        self.update(now, |_| latency.as_secs_f32());
    }

    /// Records a failure. It counts as slow: as one second, or twice the estimate if that is more.
    pub fn record_failure(&self, now: Instant) {
        self.update(now, |estimate| (2.0 * estimate).max(MIN_FAILURE_SECS));
    }

    /// The estimate as of `now`; zero if unknown or fully decayed.
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
            // At least a nanosecond: zero means unknown.
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

/// The cost of one more request: its expected latency behind the requests in flight.
///
/// A backend of unknown latency costs nothing while idle and more than any other once it has a request in flight: it is
/// tried, but not flooded.
pub fn cost(latency: Duration, in_flight: u32, weight: u32) -> f64 {
    /// More than any known cost: 60 s times four thousand million requests.
    const UNKNOWN_COST: f64 = 1e12;
    let latency = latency.as_secs_f64();
    let (queue, weight) = (f64::from(in_flight), f64::from(weight.max(1)));
    match latency > 0.0 {
        true => latency * (queue + 1.0) / weight,
        false if in_flight == 0 => 0.0,
        false => UNKNOWN_COST + queue / weight,
    }
}

/// The estimate as of `millis`, and the fraction of it that has decayed since its timestamp.
fn decayed(state: u64, millis: u32) -> (f32, f32) {
    let elapsed = Duration::from_millis(u64::from(elapsed_millis(timestamp(state), millis)));
    let remaining = (-elapsed.as_secs_f32() / DECAY_TIME.as_secs_f32()).exp();
    (f32::from_bits((state >> 32) as u32) * remaining, 1.0 - remaining)
}

fn pack(estimate: f32, millis: u32) -> u64 {
    u64::from(estimate.to_bits()) << 32 | u64::from(millis)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is meant")]
fn timestamp(state: u64) -> u32 {
    state as u32
}

/// The milliseconds from one timestamp to another; 0 if the other is slightly earlier, as another thread's `now` may
/// be.
fn elapsed_millis(from: u32, millis: u32) -> u32 {
    /// No caller passes a `now` that is a minute old.
    const MAX_CLOCK_SKEW_MILLIS: u32 = 60_000;
    let elapsed = millis.wrapping_sub(from);
    if elapsed <= u32::MAX - MAX_CLOCK_SKEW_MILLIS { elapsed } else { 0 }
}

fn latest(from: u32, millis: u32) -> u32 {
    from.wrapping_add(elapsed_millis(from, millis))
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

    fn assert_near(actual: Duration, expected: Duration) {
        assert!(actual.abs_diff(expected) <= expected / 50, "{actual:?}, not {expected:?}");
    }

    #[test]
    fn rises_at_once_and_falls_slowly() {
        let t0 = start();
        let ewma = PeakEwma::new(t0);
        assert_eq!(ewma.latency(t0), Duration::ZERO);
        ewma.record(ms(10), t0);
        assert_near(ewma.latency(t0), ms(10));
        ewma.record(ms(500), t0 + ms(1));
        assert_near(ewma.latency(t0 + ms(1)), ms(500));
        // A fast response right after it changes nothing yet.
        ewma.record(ms(10), t0 + ms(1));
        assert_near(ewma.latency(t0 + ms(1)), ms(500));
        // One every 100 ms for one time constant: 500 / e, plus 10 times the decayed fraction.
        (1..=100).for_each(|i| ewma.record(ms(10), t0 + ms(1) + ms(100) * i));
        assert_near(ewma.latency(t0 + ms(10_001)), ms(190));
    }

    #[test]
    fn decays_without_responses_until_unknown() {
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
    fn tolerates_clock_skew_and_timestamp_wraparound() {
        let t0 = start();
        let ewma = PeakEwma::new(t0);
        ewma.record(ms(100), t0 + ms(5_000));
        // Another thread's `now`, read slightly earlier.
        ewma.record(ms(200), t0 + ms(4_999));
        assert_near(ewma.latency(t0 + ms(5_000)), ms(200));
        // A month without responses, then the timestamps wrap around.
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
    fn no_response_is_lost_across_threads() {
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
    fn costs_are_ordered() {
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
