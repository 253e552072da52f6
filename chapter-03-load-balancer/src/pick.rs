//! The load balancing policy, as the cluster sees it.
//!
//! The cluster knows which backends are usable for a request, and the policy decides which of those is next. One policy
//! comes with this chapter, [`RoundRobin`](crate::round_robin::RoundRobin); exercise 3.7 writes another.

use std::fmt::Debug;

/// A load balancing policy: picks the backend of a request.
///
/// All client threads call it at the same time, each for a request of its own: once, and again after each failed
/// connect. Every request waits for its pick, so an implementation must not block.
// ANCHOR: pick
pub trait Pick: Debug + Send + Sync {
    /// The index, below `backends`, of a backend for which `is_usable` returns true; `None` if there is none.
    ///
    /// `is_usable` takes no lock and may be called any number of times. It may change its answer between two calls,
    /// because other threads mark backends down and up. It is false for every index that is out of range.
    fn pick(&self, backends: usize, is_usable: &dyn Fn(usize) -> bool) -> Option<usize>;
}
// ANCHOR_END: pick
