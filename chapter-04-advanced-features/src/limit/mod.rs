//! How much a backend may be given, and what happens to the rest.
//!
//! | module | the idea |
//! |---|---|
//! | [`concurrency`] | requests in flight to one backend, never more than its limit |
//! | [`queue`] | those that wait for a slot, first come first served |
//! | [`retry_budget`] | retries as a share of the traffic, so that trouble is not multiplied |
//! | [`backoff`] | how long to wait before a retry, each time at random |

pub mod backoff;
pub mod concurrency;
pub mod queue;
pub mod retry_budget;
