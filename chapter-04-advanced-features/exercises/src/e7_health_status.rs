//! Exercise 4.7: a health check state machine in the balancer (an hour).
//!
//! **Contract.** [`health_status`] makes the [`HealthStatus`] of a new backend: it is up, and no check has ended yet.
//! `fall` and `rise` are at least 1. The balancer makes one per backend, and `observe` gets the result of each check.
//!
//! - The first check decides alone: if it fails, the backend is down at once, whatever `fall` is.
//! - After that, `fall` failures in a row mark a backend down that is up, and `rise` successes in a row mark one up that
//!   is down. A result that confirms the status ends the row; the count starts at 0 again.
//! - `observe` returns a transition when the status changes, and only then.
//! - `is_in_transition` is true while results have begun to contradict the status and have not changed it yet.
//! - Statuses are independent of each other. No number of results makes one panic.

use advanced_features::health::active::health_status::{HealthStatus, HealthTransition};

/// What the results of one backend's checks add up to.
#[derive(Debug)]
struct RiseFall {
    is_up: bool,
}

/// The status of a new backend.
pub fn health_status(_fall: u32, _rise: u32) -> Box<dyn HealthStatus> {
    Box::new(RiseFall { is_up: true })
}

impl HealthStatus for RiseFall {
    fn observe(&mut self, ok: bool) -> Option<HealthTransition> {
        // The naive version: the last check is the status.
        let was_up = std::mem::replace(&mut self.is_up, ok);
        match (was_up, ok) {
            (true, false) => Some(HealthTransition::Down),
            (false, true) => Some(HealthTransition::Up),
            _ => None,
        }
    }

    fn is_in_transition(&self) -> bool {
        false
    }
}
