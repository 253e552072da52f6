//! The types and traits of the exercises. The checks use your types only through these traits.
//!
//! A time is a [`Duration`] since a moment that all who compare times share: the start of the process, or in exercise
//! 7.4 the start of all clocks.

use std::time::Duration;

/// Exercise 7.1: a limit, as GCRA keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcraLimit {
    /// The time between two requests at the rate.
    pub interval: Duration,
    /// How many requests may come at once; at least 1.
    pub burst: u32,
}

/// Exercise 7.1: what a client is told about its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitStatus {
    /// `r` of `RateLimit`: how many requests would pass now.
    pub remaining: u32,
    /// `t` of `RateLimit`: in how many seconds more would pass.
    pub reset_seconds: u64,
    /// `Retry-After`, if a request would be refused now.
    pub retry_after: Option<u64>,
}

/// Exercise 7.2: what happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is forwarded at once.
    Pass,
    /// It waits for so long, and is forwarded then.
    Delay(Duration),
    /// It is refused.
    Refuse,
}

/// Exercise 7.2: a limit that delays.
pub trait LeakyBucket {
    /// A request arrives at `now`, which is never earlier than in the last call.
    fn arrive(&mut self, now: Duration) -> Admission;
}

/// Exercise 7.3: one of those who share a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenant {
    /// Its part of the rate, in relation to the weights of the others; at least 1.
    pub weight: u32,
    /// The size of its bucket: how many requests it may send at once, after a pause. At least 1.
    pub burst: u32,
}

/// Exercise 7.3: a rate that tenants share.
pub trait FairLimiter {
    /// Whether a request of the tenant with this index passes at `now`, which is never earlier than in the last call.
    fn allow(&mut self, tenant: usize, now: Duration) -> bool;
}

/// Exercise 7.4: one limit for several balancers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedLimit {
    /// Requests per window, for all balancers together.
    pub limit: u32,
    /// The length of a window. Window 0 begins at time 0.
    pub window: Duration,
    /// How many balancers there are.
    pub balancers: u32,
    /// The most tokens that a balancer holds or has asked for and has not used.
    pub batch: u32,
    /// How long a balancer asks for nothing after the counter was unreachable.
    pub backoff: Duration,
}

/// Exercise 7.4: a request to the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseRequest {
    /// The window in which the tokens can be used.
    pub window: u64,
    /// How many.
    pub count: u32,
}

/// Exercise 7.4: the counter's response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseResponse {
    /// These tokens are the balancer's. Fewer than it asked for: the counter has no more for this window.
    Granted(LeaseRequest),
    /// The counter did not answer in time. It may have granted the tokens nevertheless.
    Unreachable,
}

/// Exercise 7.4: the counter that all balancers share. It grants at most the limit in each window.
pub trait SharedCounter {
    /// Sends a request. Its one response comes later, to [`LeasingLimiter::on_response`].
    fn send(&mut self, request: LeaseRequest);
}

/// Exercise 7.4: what happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is forwarded.
    Pass,
    /// It waits for the counter's response, and is checked again then.
    Wait,
    /// It is refused.
    Refuse,
}

/// Exercise 7.4: the limit in one of the balancers. No `now` is earlier than in the call before.
pub trait LeasingLimiter {
    /// Checks a request: one that has arrived, or that waits.
    fn check(&mut self, now: Duration, counter: &mut dyn SharedCounter) -> Verdict;

    /// The response to the request that is in flight. After it, the waiting requests are checked again, in order.
    fn on_response(&mut self, response: LeaseResponse, now: Duration);
}
