//! Limits: how many requests a backend may hold, and what happens to the rest.
//!
//! | module | what lives there |
//! |---|---|
//! | [`concurrency`] | the limit on requests in flight to one backend |
//! | [`adaptive`] | a limit for a whole group that follows how its backends respond (used from chapter 7 on) |
//! | [`queue`] | requests that wait for a slot |
//! | [`retry_budget`] | retries as a share of the traffic, so that an outage is not amplified |
//! | [`backoff`] | exponential back-off with jitter before a retry |
//!
//! Counters and their rules only. Nothing here sleeps, reads a clock or knows a backend: a waiting request leaves a
//! [`Waker`](std::task::Waker), and the engine ([`request`](crate::request) in this chapter) does the waiting.

pub mod adaptive;
pub mod backoff;
pub mod concurrency;
pub mod queue;
pub mod retry_budget;
