//! The health status that a backend's check results add up to, behind a trait.
//!
//! A [`HealthStatus`] is the part of a health check that is a matter of policy: how many failures mark a backend down.
//! Ours is [`RiseFall`](super::rise_fall::RiseFall). Implement the trait for another policy, such as a share of the
//! last ten checks, and give it to [`Program::health_status`](crate::program::Program::health_status). When the next
//! check runs is the concern of [`CheckState`](super::state::CheckState), so an implementation needs no clock.

use std::fmt::Debug;

/// A change of the health status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthTransition {
    /// Marked up: it may be picked again.
    Up,
    /// Marked down: it must not be picked.
    Down,
}

// ANCHOR: trait
/// The health status of one backend: up or down. A new one is up.
///
/// The checker's thread calls `observe` once per result, in the order of the checks, and `is_in_transition` afterwards.
/// Neither may block, because other backends' checks wait meanwhile. After a panic the result is lost, and the check is
/// repeated. A check that could not run through no fault of the backend is not observed.
pub trait HealthStatus: Debug + Send {
    /// Observes the result of a check. Returns the new status if it has changed: `Up` only if it was down, and `Down`
    /// only if it was up.
    fn observe(&mut self, ok: bool) -> Option<HealthTransition>;

    /// Whether the latest results contradict the status: the next check then follows after the fast interval.
    fn is_in_transition(&self) -> bool;
}

/// Creates the status of a new backend from `fall` and `rise` of the check, both at least 1.
pub type HealthStatusFactory = fn(fall: u32, rise: u32) -> Box<dyn HealthStatus>;
// ANCHOR_END: trait
