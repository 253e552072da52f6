//! Additive increase, multiplicative decrease: TCP's congestion window, applied to requests.
//!
//! WHEN TO USE IT: if one response time is too long for every kind of request. As long as responses begin within the
//! threshold and the limit is in use, it grows by one per window (as many timely responses as the limit). A later
//! response, or a timeout, lowers it by a tenth. The result is a sawtooth around what the backends can handle. The
//! threshold has to be right: too long, and the limit falls only once the backends are overloaded; shorter than their
//! response time, and it falls to 1.
//!
//! The rule is Chiu and Jain's (*Analysis of the Increase and Decrease Algorithms for Congestion Avoidance in Computer
//! Networks*, 1989). As in TCP (RFC 5681), the limit doubles per window until the first decrease (slow start), and late
//! responses to requests sent before a decrease do not decrease it again: a hundred late responses are one congestion
//! event. A limit that is not in use does not grow (RFC 7661). TCP halves; the factor 0.9 is that of Netflix's
//! `AIMDLimit`.

use std::time::{Duration, Instant};

use advanced_features::limit::adaptive::{LimitAlgorithm, Sample};

use super::bounds::{INITIAL_LIMIT, MAX_LIMIT};

/// Additive increase, multiplicative decrease.
#[derive(Clone, Copy, Debug)]
pub struct Aimd {
    threshold: Duration,
    limit: u32,
    is_slow_start: bool,
    /// Responses within the threshold, in this window.
    responses: u32,
    /// The limit was reached in this window.
    was_in_use: bool,
    decreased_at: Option<Instant>,
}

impl Aimd {
    /// Responses that begin later than `threshold` after the request was sent count as signs of overload.
    pub fn new(threshold: Duration) -> Self {
        Self {
            threshold,
            limit: INITIAL_LIMIT,
            is_slow_start: true,
            responses: 0,
            was_in_use: false,
            decreased_at: None,
        }
    }

    // ANCHOR: increase
    /// A response within the threshold.
    fn count_response(&mut self, in_flight: u32) {
        self.was_in_use |= in_flight >= self.limit;
        self.responses += 1;
        if self.responses < self.limit {
            return;
        }
        // While the limit is not reached, fast responses say nothing about it, so it must not grow.
        if self.was_in_use {
            let increase = if self.is_slow_start { self.limit } else { 1 };
            self.limit = (self.limit + increase).min(MAX_LIMIT);
        }
        self.start_window();
    }

    /// A late response, or a timeout.
    fn decrease(&mut self, sent_at: Instant, now: Instant) {
        // Sent before the last decrease: the same congestion event.
        if self.decreased_at.is_some_and(|decreased_at| sent_at < decreased_at) {
            return;
        }
        self.limit = (self.limit * 9 / 10).max(1);
        self.decreased_at = Some(now);
        self.is_slow_start = false;
        self.start_window();
    }
    // ANCHOR_END: increase

    fn start_window(&mut self) {
        (self.responses, self.was_in_use) = (0, false);
    }
}

impl LimitAlgorithm for Aimd {
    fn initial_limit(&self) -> u32 {
        self.limit
    }

    fn update(&mut self, sample: Sample, now: Instant) -> u32 {
        if sample.timed_out || sample.latency > self.threshold {
            self.decrease(sample.sent_at, now);
        } else {
            self.count_response(sample.in_flight);
        }
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use common::clock::now;

    use super::*;

    const THRESHOLD: Duration = Duration::from_millis(100);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// As many requests as the limit, all sent at `sent_at` and answered after `latency`; returns the limit then.
    fn window(aimd: &mut Aimd, sent_at: Instant, latency: Duration) -> u32 {
        let in_flight = aimd.limit;
        for _ in 0..in_flight {
            aimd.update(Sample { sent_at, latency, timed_out: false, in_flight }, sent_at + latency);
        }
        aimd.limit
    }

    #[test]
    fn doubles_until_the_first_late_response_and_then_grows_by_one() {
        let (mut aimd, start) = (Aimd::new(THRESHOLD), now());
        assert_eq!([0, 1, 2].map(|at| window(&mut aimd, start + ms(at), ms(100))), [40, 80, 160]);
        assert_eq!(window(&mut aimd, start + ms(200), ms(101)), 144, "160 late responses are one decrease");
        assert_eq!([401, 402, 403].map(|at| window(&mut aimd, start + ms(at), ms(99))), [145, 146, 147]);
        assert_eq!(window(&mut aimd, start + ms(600), ms(2_000)), 132);
    }

    #[test]
    fn requests_sent_after_a_decrease_count_again() {
        let (mut aimd, start) = (Aimd::new(THRESHOLD), now());
        let late = |sent_at| Sample { sent_at, latency: ms(200), timed_out: false, in_flight: 20 };
        assert_eq!(aimd.update(late(start), start + ms(200)), 18);
        assert_eq!(aimd.update(late(start + ms(199)), start + ms(399)), 18);
        assert_eq!(aimd.update(late(start + ms(200)), start + ms(400)), 16);
    }

    #[test]
    fn a_timeout_is_a_sign_of_overload_however_short_it_is() {
        let (mut aimd, start) = (Aimd::new(THRESHOLD), now());
        let timed_out = Sample { sent_at: start, latency: ms(1), timed_out: true, in_flight: 1 };
        assert_eq!(aimd.update(timed_out, start + ms(1)), 18);
    }

    #[test]
    fn a_limit_that_is_not_in_use_does_not_grow() {
        let (mut aimd, start) = (Aimd::new(THRESHOLD), now());
        for _ in 0..1_000 {
            aimd.update(Sample { sent_at: start, latency: ms(1), timed_out: false, in_flight: 19 }, start + ms(1));
        }
        assert_eq!(aimd.limit, INITIAL_LIMIT);
    }

    #[test]
    fn falls_to_one_and_recovers() {
        let (mut aimd, start) = (Aimd::new(THRESHOLD), now());
        let fallen = (0..100).map(|at| window(&mut aimd, start + ms(1_000 * at), ms(500))).last();
        assert_eq!(fallen, Some(1));
        let grown = (200..210).map(|at| window(&mut aimd, start + ms(1_000 * at), ms(5))).last();
        assert_eq!(grown, Some(11));
    }

    #[test]
    fn never_exceeds_the_maximum() {
        let (mut aimd, start) = (Aimd::new(THRESHOLD), now());
        (aimd.limit, aimd.responses) = (MAX_LIMIT, MAX_LIMIT - 1);
        let sample = Sample { sent_at: start, latency: ms(1), timed_out: false, in_flight: u32::MAX };
        assert_eq!(aimd.update(sample, start), MAX_LIMIT);
    }
}
