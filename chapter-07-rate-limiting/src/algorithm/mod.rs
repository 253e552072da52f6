//! The algorithms: each decides for one key, from a state of a few bytes.
//!
//! | module | one key's state | lets through at most, in any time of one period | use it for |
//! |---|---|---|---|
//! | [`gcra`] | 8 bytes | rate + burst | nearly everything |
//! | [`token_bucket`] | 8 bytes | rate + burst, and decides as GCRA does | to understand GCRA |
//! | [`fixed_window`] | 8 bytes | 2 × rate | quotas that people read: "1,000 per hour" |
//! | [`sliding_window`] | 8 bytes | 2 × rate, usually the rate + a few percent | a count per period, without the fixed window's jump at the border |
//! | [`sliding_log`] | 40 bytes, and 8 per request of the last period | the rate, exactly | few keys, low rates, exact limits |
//! | [`governor`] | 8 bytes | rate + burst | the crate `governor`, for comparison |
//!
//! A state is shared by all threads and changed without a lock, except the log's. It starts as `Default`, which is that
//! of a key that has been idle for long; so a key that has become idle can be forgotten without changing a decision.
//! Time is passed in, as a [`Duration`] since a moment that all calls share: nobody needs an `Instant` but who reads the
//! clock. A `now` earlier than another thread's counts as that thread's.

pub mod fixed_window;
pub mod gcra;
pub mod governor;
pub mod sliding_log;
pub mod sliding_window;
pub mod token_bucket;
mod window;

use std::{fmt::Debug, time::Duration};

pub use self::{
    fixed_window::FixedWindow, gcra::Gcra, governor::GovernorGcra, sliding_log::SlidingLog,
    sliding_window::SlidingWindow, token_bucket::TokenBucket,
};

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may pass. If not, nothing was taken.
    pub allowed: bool,
    /// How much would pass now.
    pub remaining: u32,
    /// The time until [`remaining`](Self::remaining) grows; zero if it is as high as it can be.
    pub reset: Duration,
    /// How long to wait until the same request passes, if nobody else takes anything; zero if it was allowed,
    /// [`Duration::MAX`] if its cost is higher than the limit.
    pub retry_after: Duration,
}

impl Decision {
    fn allowed(remaining: u32, reset: Duration) -> Self {
        Self { allowed: true, remaining, reset, retry_after: Duration::ZERO }
    }

    fn refused(remaining: u32, reset: Duration, retry_after: Duration) -> Self {
        Self { allowed: false, remaining, reset, retry_after }
    }
}

/// How requests are counted.
///
/// Called on the request path, by many threads for the same state at once. `now` is the time since a moment that is the
/// same in all calls.
pub trait Algorithm: Debug + Send + Sync + 'static {
    /// What is kept of one key. The default is that of a key never seen.
    type State: Debug + Default + Send + Sync;

    /// Takes `cost` if it is available.
    fn check(&self, state: &Self::State, cost: u32, now: Duration) -> Decision;

    /// Gives back what a [`check`](Self::check) shortly before has taken.
    fn give_back(&self, state: &Self::State, cost: u32, now: Duration);

    /// Whether the state decides as the default does, from now on.
    fn is_idle(&self, state: &Self::State, now: Duration) -> bool;

    /// The most bytes of heap that one state holds.
    fn max_heap_bytes(&self) -> usize {
        0
    }
}
