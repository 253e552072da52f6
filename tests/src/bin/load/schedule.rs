//! The schedule: which request is next, when it is due, and whether it counts.
//!
//! A **closed** loop sends the next request when the last response is complete. When the server stalls, so does the
//! client, and the requests that would have met the stall are never sent: that is *coordinated omission*. An **open**
//! loop fixes the times beforehand, and latency counts from the time at which a request was *due*. Gil Tene named the
//! error and corrected it this way in `wrk2`.
//!
//! `wrk2` gives each connection its own schedule; here any free connection takes the next request, as in a queue with
//! several servers, so one slow response delays one request and not a connection's whole share.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// No request is started later than this; requests in flight then are waited for.
    For(Duration),
    Requests(u64),
}

/// A request to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ScheduledRequest {
    /// In an open loop: the time to send it, from which its latency counts.
    pub(crate) due: Option<Instant>,
    /// False during the warm-up.
    pub(crate) measured: bool,
}

/// Shared by all connections of all threads. The warm-up and the limit count from `start`.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) start: Instant,
    pub(crate) warm_up: Duration,
    limit: Limit,
    /// Requests per second; `None` in a closed loop.
    rate: Option<f64>,
    next: AtomicU64,
}

impl Schedule {
    pub(crate) fn new(start: Instant, warm_up: Duration, limit: Limit, rate: Option<f64>) -> Self {
        Self { start, warm_up, limit, rate, next: AtomicU64::new(0) }
    }

    /// The first instant that counts.
    pub(crate) fn measured_from(&self) -> Instant {
        self.start + self.warm_up
    }

    /// The next request, or `None` when the run is over.
    pub(crate) fn take(&self, now: Instant) -> Option<ScheduledRequest> {
        match self.rate {
            None => self.take_closed(now),
            Some(rate) => self.take_open(now, rate),
        }
    }

    fn take_closed(&self, now: Instant) -> Option<ScheduledRequest> {
        let from = self.measured_from();
        let measured = now >= from;
        let more = !measured
            || match self.limit {
                Limit::For(duration) => now < from + duration,
                // Relaxed is enough: the numbers must be distinct, not ordered.
                Limit::Requests(most) => self.next.fetch_add(1, Ordering::Relaxed) < most,
            };
        more.then_some(ScheduledRequest { due: None, measured })
    }

    fn take_open(&self, now: Instant, rate: f64) -> Option<ScheduledRequest> {
        if let Limit::For(duration) = self.limit
            && now >= self.measured_from() + duration
        {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let warm_up = requests_due_in(self.warm_up, rate);
        let measured = number >= warm_up;
        let scheduled = ScheduledRequest { due: Some(self.start + due_offset(number, rate)), measured };
        (number < self.total_requests(rate, warm_up)).then_some(scheduled)
    }

    /// All requests of an open loop, those of the warm-up included.
    fn total_requests(&self, rate: f64, warm_up: u64) -> u64 {
        match self.limit {
            Limit::For(duration) => requests_due_in(self.warm_up + duration, rate),
            Limit::Requests(most) => warm_up.saturating_add(most),
        }
    }

    /// Requests of an open loop that were due before the end, but no connection was free to send them. No latency
    /// includes them, so a report without this number would omit the worst ones.
    pub(crate) fn never_sent(&self) -> u64 {
        let Some(rate) = self.rate else { return 0 };
        let all = self.total_requests(rate, requests_due_in(self.warm_up, rate));
        all.saturating_sub(self.next.load(Ordering::Relaxed))
    }
}

/// When request `number` is due. Computed from the number and not from the previous request: rounding does not add up.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
fn due_offset(number: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(number as f64 / rate)
}

/// How many requests are due before `span` is over.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float saturates when cast")]
fn requests_due_in(span: Duration, rate: f64) -> u64 {
    (span.as_secs_f64() * rate).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn open_loop_keeps_due_times_when_requests_are_taken_late() {
        let start = clock::now();
        let schedule = Schedule::new(start, Duration::ZERO, Limit::For(100 * MS), Some(100.0));
        for number in 0..10 {
            // Taken 45 ms late at the fifth request and from then on: the due times do not move.
            let asked = start + if number < 5 { 10 * MS * number } else { 95 * MS };
            let due = Some(start + 10 * MS * number);
            assert_eq!(schedule.take(asked), Some(ScheduledRequest { due, measured: true }));
        }
        assert_eq!(schedule.take(start + 99 * MS), None);
        assert_eq!(schedule.never_sent(), 0);
    }

    #[test]
    fn open_loop_counts_requests_it_never_sent() {
        let start = clock::now();
        let schedule = Schedule::new(start, Duration::ZERO, Limit::For(100 * MS), Some(1_000.0));
        for _ in 0..30 {
            assert!(schedule.take(start + 60 * MS).is_some());
        }
        assert_eq!(schedule.take(start + 100 * MS), None, "the time is over");
        assert_eq!(schedule.never_sent(), 70);
    }

    #[test]
    fn open_loop_of_n_requests_sends_them_all_after_its_warm_up() {
        let start = clock::now();
        let schedule = Schedule::new(start, 20 * MS, Limit::Requests(5), Some(100.0));
        let scheduled_requests: Vec<_> = std::iter::from_fn(|| schedule.take(start + 10_000 * MS)).collect();
        let measured: Vec<_> = scheduled_requests.iter().map(|scheduled| scheduled.measured).collect();
        assert_eq!(measured, [false, false, true, true, true, true, true]);
        assert_eq!(scheduled_requests[2].due, Some(schedule.measured_from()));
        assert_eq!(schedule.never_sent(), 0);
    }

    #[test]
    fn closed_loop_stops_by_time_or_by_number_and_its_warm_up_is_extra() {
        let start = clock::now();
        let timed = Schedule::new(start, 10 * MS, Limit::For(50 * MS), None);
        assert!(!timed.take(start + 9 * MS).unwrap().measured);
        assert!(timed.take(start + 10 * MS).unwrap().measured);
        assert!(timed.take(start + 59 * MS).unwrap().measured);
        assert_eq!(timed.take(start + 60 * MS), None);

        let counted = Schedule::new(start, 10 * MS, Limit::Requests(2), None);
        assert!(!counted.take(start).unwrap().measured);
        let later = start + 10 * MS;
        assert_eq!(std::iter::from_fn(|| counted.take(later)).count(), 2);
        assert_eq!(counted.never_sent(), 0);
    }
}
