//! The gradient limit: compares the time to first byte with that at minimal load.
//!
//! WHEN TO USE IT: if response times vary too much, or change too often, for a fixed threshold. About once a minute the
//! limit drops to 3 for 50 requests; the median of those is the *minimum* round-trip time (Envoy's minRTT). After each
//! sampling window the limit is multiplied by minimum ÷ median, which falls as requests queue in the backends; the
//! minimum is first raised by a quarter (tolerance), the ratio is clamped to 0.5–2, and the square root of the scaled
//! limit is added as headroom for bursts and for probing upwards. Cost: once a minute, for about 17 round trips, all
//! other requests of the group queue, and are shed if that takes longer than the queue tolerates; and the median of a
//! group mixes the fast requests with the slow ones, so a change of the mix looks like a change of the load.
//!
//! The formula is that of Envoy's gradient controller: 3, 50, 25 %, 15 % and the median are its defaults, a minute and
//! 100 ms its documentation's example. It measures to the end of the response. That a limit grows only if at least half
//! of it is in use comes from Netflix's limits.

use std::time::{Duration, Instant};

use advanced_features::{
    balance::policy::PickCounters,
    limit::adaptive::{LimitAlgorithm, Sample},
};

use super::bounds::{INITIAL_LIMIT, MAX_LIMIT};

/// The lowest limit, also used while the minimum is measured.
const MIN_LIMIT: u32 = 3;
/// Number of requests per measurement of the minimum.
const MIN_RTT_SAMPLES: usize = 50;
/// The time between two measurements, plus up to [`JITTER_PERCENT`], so that balancers do not all measure at once.
const MIN_RTT_INTERVAL: Duration = Duration::from_mins(1);
const JITTER_PERCENT: u64 = 15;
/// The sampling window. Envoy starts the next one at once, so it still samples requests sent under the previous limit:
/// if responses take longer than a window, the limit oscillates.
const WINDOW: Duration = Duration::from_millis(100);
/// After this many windows at the lowest limit the minimum is measured again: it may have risen.
const MAX_WINDOWS_AT_MIN: u32 = 5;
/// Samples kept per window: enough for a median, and memory stays bounded.
const MAX_WINDOW_SAMPLES: usize = 1024;

/// The gradient limit.
#[derive(Debug)]
pub struct Gradient {
    limit: u32,
    state: State,
    latencies: Vec<Duration>,
    random: PickCounters,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Measuring since `since` (`None`: since the start); `limit_before` is restored afterwards.
    Measuring { since: Option<Instant>, limit_before: u32 },
    /// The minimum is known.
    Following(Window),
}

#[derive(Clone, Copy, Debug)]
struct Window {
    min_rtt: Duration,
    measure_at: Instant,
    /// When the limit was set. Requests sent earlier say nothing about it.
    limit_set_at: Instant,
    /// When the first response to a request sent under this limit arrived.
    started: Option<Instant>,
    max_in_flight: u32,
    windows_at_min: u32,
}

impl Default for Gradient {
    /// It begins with a measurement.
    fn default() -> Self {
        Self {
            limit: MIN_LIMIT,
            state: State::Measuring { since: None, limit_before: INITIAL_LIMIT },
            latencies: Vec::with_capacity(MAX_WINDOW_SAMPLES),
            random: PickCounters::default(),
        }
    }
}

impl Gradient {
    fn start_measuring(&mut self, now: Instant) {
        self.state = State::Measuring { since: Some(now), limit_before: self.limit };
        self.limit = MIN_LIMIT;
        self.latencies.clear();
    }

    fn measure(&mut self, sample: &Sample, since: Option<Instant>, limit_before: u32, now: Instant) {
        // Sent under the higher limit: it may have queued in the backend.
        if since.is_some_and(|since| sample.sent_at < since) {
            return;
        }
        self.latencies.push(sample.latency);
        if self.latencies.len() < MIN_RTT_SAMPLES {
            return;
        }
        let jitter =
            MIN_RTT_INTERVAL * u32::try_from(self.random.next_random() % (JITTER_PERCENT + 1)).unwrap_or(0) / 100;
        self.limit = limit_before;
        self.state = State::Following(Window {
            min_rtt: median(&mut self.latencies),
            measure_at: now + MIN_RTT_INTERVAL + jitter,
            limit_set_at: now,
            started: None,
            max_in_flight: 0,
            windows_at_min: 0,
        });
        self.latencies.clear();
    }

    fn follow(&mut self, sample: &Sample, mut window: Window, now: Instant) {
        if now >= window.measure_at {
            return self.start_measuring(now);
        }
        if sample.sent_at < window.limit_set_at {
            return;
        }
        if self.latencies.len() < MAX_WINDOW_SAMPLES {
            self.latencies.push(sample.latency);
        }
        window.max_in_flight = window.max_in_flight.max(sample.in_flight);
        if now.saturating_duration_since(*window.started.get_or_insert(now)) >= WINDOW {
            let next = next_limit(self.limit, window.min_rtt, median(&mut self.latencies));
            if next < self.limit || window.max_in_flight >= self.limit / 2 {
                self.limit = next;
            }
            window.windows_at_min = if self.limit == MIN_LIMIT { window.windows_at_min + 1 } else { 0 };
            (window.limit_set_at, window.started, window.max_in_flight) = (now, None, 0);
            self.latencies.clear();
        }
        self.state = State::Following(window);
        if window.windows_at_min >= MAX_WINDOWS_AT_MIN {
            self.start_measuring(now);
        }
    }
}

// ANCHOR: gradient
/// The next limit, given a window's median latency.
fn next_limit(limit: u32, min_rtt: Duration, median: Duration) -> u32 {
    let tolerated = min_rtt.mul_f64(1.25);
    let gradient = (tolerated.as_secs_f64() / median.as_secs_f64().max(1e-6)).clamp(0.5, 2.0);
    let scaled = f64::from(limit) * gradient;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2^21 plus its root")]
    let next = (scaled + scaled.sqrt()) as u32;
    next.clamp(MIN_LIMIT, MAX_LIMIT)
}
// ANCHOR_END: gradient

fn median(latencies: &mut [Duration]) -> Duration {
    let middle = latencies.len() / 2;
    *latencies.select_nth_unstable(middle).1
}

impl LimitAlgorithm for Gradient {
    fn initial_limit(&self) -> u32 {
        self.limit
    }

    fn update(&mut self, sample: Sample, now: Instant) -> u32 {
        match self.state {
            State::Measuring { since, limit_before } => self.measure(&sample, since, limit_before, now),
            State::Following(window) => self.follow(&sample, window, now),
        }
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use common::clock::now;

    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Backends that serve 20 requests at a time, each in `service`; the limit is always in use. Runs until `until`
    /// milliseconds, sampling each response, and returns the limits at the end of each second.
    fn limits_by_second(gradient: &mut Gradient, service: impl Fn(u64) -> u64, seconds: u64) -> Vec<u32> {
        let start = now();
        let mut limits = Vec::new();
        for at in 0..seconds * 1_000 {
            let in_flight = gradient.limit;
            // Little's law: at most 20 per service time, and in a backend that is full, requests wait for each other.
            let latency = (service(at) * u64::from(in_flight.max(20)) / 20).max(1);
            let responses = u64::from(in_flight) * (at + 1) / latency - u64::from(in_flight) * at / latency;
            for _ in 0..responses {
                let (sent_at, latency) = (start + ms(at), ms(latency));
                gradient.update(Sample { sent_at, latency, timed_out: false, in_flight }, sent_at + latency);
            }
            if at % 1_000 == 999 {
                limits.push(gradient.limit);
            }
        }
        limits
    }

    #[test]
    fn finds_what_the_backends_serve_at_a_time() {
        let limits = limits_by_second(&mut Gradient::default(), |_| 10, 20);
        for limit in &limits[5..] {
            // 20 × 1.25, and the headroom.
            assert!((25..=36).contains(limit), "{limits:?}");
        }
    }

    #[test]
    fn follows_backends_that_become_slower_and_faster_again() {
        let service = |at| if (20_000..40_000).contains(&at) { 40 } else { 10 };
        let limits = limits_by_second(&mut Gradient::default(), service, 120);
        assert!((25..=36).contains(&limits[19]), "{limits:?}");
        // Measured at 10 ms, 40 ms look like overload, until the limit is at its lowest: then the minimum is measured.
        assert!(limits[20..25].iter().any(|limit| *limit < 10), "{limits:?}");
        assert!((25..=36).contains(&limits[39]), "{limits:?}");
        // Measured at 40 ms, 10 ms tolerate too many, until the minimum is measured again.
        assert!(limits[50] > 60, "{limits:?}");
        assert!((25..=36).contains(&limits[119]), "{limits:?}");
    }

    #[test]
    fn measures_again_after_a_minute_with_requests_that_were_sent_under_the_low_limit() {
        let (mut gradient, start) = (Gradient::default(), now());
        let sample = |sent_at, millis| Sample { sent_at, latency: ms(millis), timed_out: false, in_flight: 20 };
        for _ in 0..MIN_RTT_SAMPLES {
            assert_eq!(gradient.limit, MIN_LIMIT);
            gradient.update(sample(start, 10), start + ms(10));
        }
        assert_eq!(gradient.limit, INITIAL_LIMIT);
        let later = start + Duration::from_secs(70);
        assert_eq!(gradient.update(sample(start, 10), later), MIN_LIMIT);
        for _ in 0..1_000 {
            assert_eq!(gradient.update(sample(start, 500), later + ms(500)), MIN_LIMIT, "sent before");
        }
        let limit = (0..MIN_RTT_SAMPLES).map(|_| gradient.update(sample(later, 20), later + ms(20))).last();
        assert!(limit > Some(MIN_LIMIT));
        let State::Following(Window { min_rtt, .. }) = gradient.state else { panic!("still measuring") };
        assert_eq!(min_rtt, ms(20));
    }

    #[test]
    fn a_limit_that_is_not_in_use_does_not_grow() {
        let (mut gradient, start) = (Gradient::default(), now());
        for at in 0..30_000 {
            let now = start + ms(at);
            gradient.update(Sample { sent_at: now, latency: ms(10), timed_out: false, in_flight: 2 }, now);
        }
        assert_eq!(gradient.limit, INITIAL_LIMIT);
    }

    #[test]
    fn the_gradient_is_between_a_half_and_two() {
        assert_eq!(next_limit(100, ms(10), Duration::ZERO), 200 + 14);
        assert_eq!(next_limit(100, ms(10), Duration::from_secs(9)), 50 + 7);
        assert_eq!(next_limit(MIN_LIMIT, ms(1), Duration::from_secs(9)), MIN_LIMIT);
        assert_eq!(next_limit(MAX_LIMIT, ms(1), ms(1)), MAX_LIMIT);
    }
}
