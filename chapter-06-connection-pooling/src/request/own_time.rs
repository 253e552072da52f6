//! The balancer's own time for a request, without that in which it waited.

use std::time::{Duration, Instant};

/// How long the worker computed for a request until it had its connection to a backend.
///
/// Within a poll the time stands still: the clock is read once. So what a poll computes is known where the clock is
/// read again anyway, when a wait begins; and for the requests of which a filter wants to know it ([`OWN_TIME_SAMPLE`]),
/// once more when the connection is there.
///
/// [`OWN_TIME_SAMPLE`]: crate::WorkerFilter::OWN_TIME_SAMPLE
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnTime {
    spent: Duration,
    /// What was computed before has been added.
    added_until: Instant,
    is_measured: bool,
    until_connected: Option<Duration>,
}

impl OwnTime {
    /// Of a request that begins at `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self { spent: Duration::ZERO, added_until: now, is_measured: false, until_connected: None }
    }

    /// Of the next request, which is recycled memory: what was added before is over.
    pub(crate) fn restart(&mut self, is_measured: bool) {
        (self.spent, self.is_measured, self.until_connected) = (Duration::ZERO, is_measured, None);
    }

    /// Whether a filter wants to know it of this request.
    pub(crate) fn is_measured(&self) -> bool {
        self.is_measured
    }

    /// The request waits from `now` on, in a poll that began at `polled_at`.
    pub(crate) fn add(&mut self, polled_at: Instant, now: Instant) {
        // Two connections, or a connection and a wait, may be parts of one poll.
        self.spent += now.saturating_duration_since(self.added_until.max(polled_at));
        self.added_until = now;
    }

    /// It has a connection at `now`, in a poll that began at `polled_at`.
    pub(crate) fn connected(&mut self, polled_at: Instant, now: Instant) {
        self.add(polled_at, now);
        self.until_connected = Some(self.spent);
    }

    /// The time until its last connection; `None` if it had none.
    pub(crate) fn until_connected(&self) -> Option<Duration> {
        self.until_connected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_time_of_the_polls_until_the_connection() {
        let start = common::clock::now();
        let at = |micros| start + Duration::from_micros(micros);
        let mut own = OwnTime::new(at(0));
        own.add(at(0), at(10)); // into the queue
        assert_eq!(own.until_connected(), None);
        own.connected(at(500), at(503)); // with a pooled connection, which fails in the same poll
        own.add(at(500), at(505)); // a new connect
        own.connected(at(700), at(701));
        assert_eq!(own.until_connected(), Some(Duration::from_micros(10 + 3 + 2 + 1)));
        own.add(at(900), at(950));
        assert_eq!(own.until_connected(), Some(Duration::from_micros(16)), "what comes later belongs to the exchange");
        own.connected(at(1_000), at(1_004));
        assert_eq!(own.until_connected(), Some(Duration::from_micros(16 + 50 + 4)), "it was tried again");
    }
}
