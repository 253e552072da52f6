//! Exercise 4.7, solved.
//!
//! One count is enough: that of the results in a row that contradict the status. A result that confirms it sets the
//! count to 0, so failures and successes never need counts of their own, and "in transition" is a count above 0. The
//! first check is no special case but a threshold of 1.

use advanced_features::health::active::health_status::{HealthStatus, HealthTransition};

/// What the results of one backend's checks add up to.
#[derive(Debug)]
struct RiseFall {
    fall: u32,
    rise: u32,
    is_up: bool,
    is_checked: bool,
    /// Results in a row that contradict `is_up`. Below the threshold after each check, so it cannot overflow.
    contrary: u32,
}

/// The status of a new backend.
pub fn health_status(fall: u32, rise: u32) -> Box<dyn HealthStatus> {
    Box::new(RiseFall { fall, rise, is_up: true, is_checked: false, contrary: 0 })
}

impl RiseFall {
    /// How many contrary results in a row change the status.
    fn threshold(&self) -> u32 {
        match (self.is_checked, self.is_up) {
            (false, _) => 1,
            (true, true) => self.fall,
            (true, false) => self.rise,
        }
    }
}

impl HealthStatus for RiseFall {
    fn observe(&mut self, ok: bool) -> Option<HealthTransition> {
        let threshold = self.threshold();
        self.is_checked = true;
        self.contrary = if ok == self.is_up { 0 } else { self.contrary + 1 };
        if self.contrary < threshold {
            return None;
        }
        (self.is_up, self.contrary) = (ok, 0);
        Some(if ok { HealthTransition::Up } else { HealthTransition::Down })
    }

    fn is_in_transition(&self) -> bool {
        self.contrary > 0
    }
}
