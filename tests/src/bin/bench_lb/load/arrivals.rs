//! The arrival times of an open loop: a Poisson process, as of many independent clients.
//!
//! Evenly spaced requests would never queue below the maximum rate, and so show no difference between proxies.

use std::time::{Duration, Instant};

/// The arrival times, whether or not a client is free to send: latency counts from them (corrected for coordinated
/// omission, as in Gil Tene's wrk2).
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    mean_gap: f64,
    next: Option<Instant>,
    /// State of an xorshift generator. It is the same in every round and for every target: all get the same arrivals.
    state: u64,
}

impl Arrivals {
    /// At `rate` requests per second.
    pub(crate) fn new(rate: f64) -> Self {
        Self { mean_gap: 1.0 / rate.max(1.0), next: None, state: 0x9e37_79b9_7f4a_7c15 }
    }

    /// Continues after a pause, whose requests are left out.
    pub(crate) fn resume(&mut self, now: Instant) {
        self.next = Some(now + self.gap());
    }

    /// The arrival time of the next request, if it has passed.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next.filter(|next| *next <= now)?;
        self.next = Some(due + self.gap());
        Some(due)
    }

    /// How long until the next request is due.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        self.next.map_or(Duration::MAX, |next| next.saturating_duration_since(now))
    }

    /// Exponentially distributed.
    fn gap(&mut self) -> Duration {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        // The upper 32 bits, in (0, 1], so that the logarithm is finite.
        let part = (f64::from((self.state >> 32) as u32) + 1.0) / (f64::from(u32::MAX) + 1.0);
        Duration::from_secs_f64(-part.ln() * self.mean_gap)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a clock to count from")]
mod tests {
    use super::*;

    #[test]
    fn mean_is_the_rate_and_gaps_vary() {
        let start = Instant::now();
        let mut arrivals = Arrivals::new(1_000.0);
        arrivals.resume(start);
        let end = start + Duration::from_secs(100);
        let times: Vec<_> = std::iter::from_fn(|| arrivals.due(end)).collect();
        assert!((98_000..102_000).contains(&times.len()), "{}", times.len());
        let gaps: Vec<_> = times.windows(2).map(|two| two[1] - two[0]).collect();
        let short = gaps.iter().filter(|gap| **gap < Duration::from_micros(693)).count();
        assert!((47_000..53_000).contains(&short), "half of the gaps are under ln 2 of the mean: {short}");
        assert!(arrivals.wait(end) < Duration::from_millis(20));
    }

    #[test]
    fn pause_leaves_no_backlog() {
        let start = Instant::now();
        let mut arrivals = Arrivals::new(1_000.0);
        assert_eq!(arrivals.due(start), None, "not begun");
        arrivals.resume(start);
        let later = start + Duration::from_secs(10);
        arrivals.resume(later);
        assert_eq!(arrivals.due(later), None);
    }
}
