//! How much a backend may be given, and what happens to the rest.
//!
//! | module | the idea |
//! |---|---|
//! | [`slots`] | requests in flight to one backend, never more than its limit |
//! | [`queue`] | those that wait for a slot, first come first served |
//! | [`budget`] | retries as a share of the traffic, so that trouble is not multiplied |
//! | [`backoff`] | how long to wait before a retry, each time at random |

pub mod backoff;
pub mod budget;
pub mod queue;
pub mod slots;
