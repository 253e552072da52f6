//! Exercise 7.4, solved.
//!
//! Two counts describe a window: what was granted for it, and what has passed. Both start again with each window, so no
//! token outlives its own. What may pass is the granted tokens; without the counter, the local share if that is more.
//! Because what has passed is counted in both cases, a balancer that finds the counter again does not get its share a
//! second time.
//!
//! The next batch is asked for when half of the last is left: half a batch lasts for the round trip, and the counter
//! gets two requests per batch. How large a batch is, is the compromise: a large one is lost with its balancer, or
//! unused at the end of the window while others are refused; a small one costs a request each time.
//!
//! While the counter is unreachable, the balancers that cannot reach it let through their local shares, and the others
//! may take the whole limit. An exact limit would have to refuse everything then. Which of the two is right depends on
//! what the limit protects.

use std::time::Duration;

use crate::contracts::{LeaseRequest, LeaseResponse, LeasingLimiter, SharedCounter, SharedLimit, Verdict};

/// The tokens of one window.
#[derive(Debug)]
pub struct Leases {
    limit: SharedLimit,
    window: u64,
    /// Granted for this window.
    granted: u32,
    /// Requests that have passed in it.
    passed: u32,
    /// The counter has no more for this window.
    is_used_up: bool,
    in_flight: Option<LeaseRequest>,
    /// The counter is unreachable, and nothing is sent until then.
    retry_at: Option<Duration>,
}

/// A balancer that has leased nothing yet.
pub fn leasing_limiter(limit: SharedLimit) -> Leases {
    Leases { limit, window: 0, granted: 0, passed: 0, is_used_up: false, in_flight: None, retry_at: None }
}

impl Leases {
    fn enter_window(&mut self, now: Duration) {
        let window = u64::try_from(now.as_nanos() / self.limit.window.as_nanos()).unwrap_or(u64::MAX);
        if window != self.window {
            (self.window, self.granted, self.passed, self.is_used_up) = (window, 0, 0, false);
        }
    }

    /// How many requests may pass in this window.
    fn allowance(&self) -> u32 {
        match self.retry_at {
            Some(_) => self.granted.max(self.limit.limit / self.limit.balancers),
            None => self.granted,
        }
    }

    /// Asks for the next batch, in time.
    fn renew(&mut self, now: Duration, counter: &mut dyn SharedCounter) {
        let unused = self.granted.saturating_sub(self.passed);
        let is_backing_off = self.retry_at.is_some_and(|retry_at| now < retry_at);
        if self.in_flight.is_some() || self.is_used_up || is_backing_off || unused > self.limit.batch / 2 {
            return;
        }
        let request = LeaseRequest { window: self.window, count: self.limit.batch - unused };
        self.in_flight = Some(request);
        counter.send(request);
    }
}

impl LeasingLimiter for Leases {
    fn check(&mut self, now: Duration, counter: &mut dyn SharedCounter) -> Verdict {
        self.enter_window(now);
        let passes = self.passed < self.allowance();
        self.passed += u32::from(passes);
        self.renew(now, counter);
        if passes {
            Verdict::Pass
        } else if self.in_flight.is_some() && !self.is_used_up && self.retry_at.is_none() {
            Verdict::Wait
        } else {
            Verdict::Refuse
        }
    }

    fn on_response(&mut self, response: LeaseResponse, now: Duration) {
        self.enter_window(now);
        let asked = self.in_flight.take().map_or(0, |request| request.count);
        match response {
            LeaseResponse::Granted(lease) => {
                self.retry_at = None;
                if lease.window == self.window {
                    self.granted += lease.count;
                    self.is_used_up = lease.count < asked;
                }
            }
            LeaseResponse::Unreachable => self.retry_at = Some(now + self.limit.backoff),
        }
    }
}
