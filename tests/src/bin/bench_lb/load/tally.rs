//! The counters of a round's clients.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::failure::Failure;

/// The longest latency in the histogram, which keeps three significant digits.
const LONGEST: Duration = Duration::from_mins(1);

/// Counted since the last [`reset`](Self::reset).
pub(crate) struct Tally {
    /// Correct responses.
    pub(crate) answered: u64,
    failures: [u64; Failure::ALL.len()],
    /// In nanoseconds, of correct responses only: a quick error is no quick response.
    latencies: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let longest = u64::try_from(LONGEST.as_nanos()).expect("a minute in nanoseconds fits");
        let latencies = Histogram::new_with_max(longest, 3).expect("three digits of a minute are within its limits");
        Self { answered: 0, failures: [0; Failure::ALL.len()], latencies }
    }

    /// Drops the counts of the warm-up.
    pub(crate) fn reset(&mut self) {
        self.answered = 0;
        self.failures = [0; Failure::ALL.len()];
        self.latencies.reset();
    }

    pub(crate) fn record_response(&mut self, latency: Duration) {
        self.answered += 1;
        self.latencies.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn record_failure(&mut self, why: Failure) {
        self.failures[why as usize] += 1;
    }

    pub(crate) fn errors(&self) -> u64 {
        self.failures.iter().sum()
    }

    /// The kinds that occurred.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (Failure, u64)> {
        Failure::ALL.into_iter().zip(self.failures).filter(|(_, count)| *count > 0)
    }

    /// The latency that this share of all responses does not exceed, in microseconds; `None` without a response.
    #[expect(clippy::cast_precision_loss, reason = "a minute in nanoseconds is exact in a float")]
    pub(crate) fn quantile_us(&self, part: f64) -> Option<f64> {
        (!self.latencies.is_empty()).then(|| self.latencies.value_at_quantile(part) as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_answers_and_failures_apart() {
        let mut tally = Tally::new();
        assert_eq!(tally.quantile_us(0.5), None);
        for milliseconds in 1..=100 {
            tally.record_response(Duration::from_millis(milliseconds));
        }
        tally.record_response(Duration::from_hours(1));
        tally.record_failure(Failure::Closed);
        tally.record_failure(Failure::Closed);
        assert_eq!((tally.answered, tally.errors()), (101, 2));
        assert_eq!(tally.failures().collect::<Vec<_>>(), [(Failure::Closed, 2)]);
        let median = tally.quantile_us(0.5).unwrap();
        assert!((median - 51_000.0).abs() < 60.0, "{median}");
        tally.reset();
        assert_eq!((tally.answered, tally.errors(), tally.quantile_us(0.99)), (0, 0, None));
    }

    #[test]
    fn kinds_are_numbered_in_their_order() {
        for (number, kind) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
    }
}
