//! The health status by rise and fall: consecutive results change it, as in HAProxy.
//!
//! One failed check may be noise; three in a row are not. So results are counted: `fall` consecutive failures mark a
//! backend down, `rise` consecutive successes mark it up. A new backend is assumed to be up, but unverified: its first
//! check decides alone, so that a backend that never ran is down after one check.

use super::health_status::{HealthStatus, HealthTransition};

/// Counts the consecutive results that contradict the status.
#[derive(Debug)]
pub struct RiseFall {
    fall: u32,
    rise: u32,
    is_up: bool,
    /// No check has ended yet.
    is_unchecked: bool,
    /// Consecutive results that contradict `is_up`.
    consecutive_contrary: u32,
}

impl RiseFall {
    /// The status of a new backend. It is the [`HealthStatusFactory`](super::health_status::HealthStatusFactory) of a
    /// check that names no other.
    pub fn boxed(fall: u32, rise: u32) -> Box<dyn HealthStatus> {
        Box::new(Self { fall, rise, is_up: true, is_unchecked: true, consecutive_contrary: 0 })
    }
}

impl HealthStatus for RiseFall {
    fn observe(&mut self, ok: bool) -> Option<HealthTransition> {
        let threshold = if self.is_unchecked {
            1
        } else if self.is_up {
            self.fall
        } else {
            self.rise
        };
        self.is_unchecked = false;
        self.consecutive_contrary = if ok == self.is_up { 0 } else { self.consecutive_contrary + 1 };
        if self.consecutive_contrary < threshold {
            return None;
        }
        self.is_up = ok;
        self.consecutive_contrary = 0;
        Some(if ok { HealthTransition::Up } else { HealthTransition::Down })
    }

    fn is_in_transition(&self) -> bool {
        self.consecutive_contrary > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_consecutive_contrary_results_change_the_status() {
        // `+` is a success and `-` a failure. Then what each leads to: `U` and `D` are transitions, `~` means that the
        // results contradict the status, and `.` that they confirm it.
        for (fall, rise, results, expected) in [
            (3, 2, "-++", "D~U"),
            (3, 2, "+---", ".~~D"),
            (3, 2, "+--+--+---", ".~~.~~.~~D"),
            (3, 2, "-+-+-++", "D~.~.~U"),
            (3, 2, "-----", "D...."),
            (3, 2, "++++-", "....~"),
            (1, 1, "+--++-", ".D.U.D"),
            (1, 3, "+-+++-", ".D~~UD"),
            (100, 1, "-+-", "DU~"),
        ] {
            let mut status = RiseFall::boxed(fall, rise);
            let seen = results.chars().map(|result| match (status.observe(result == '+'), status.is_in_transition()) {
                (Some(HealthTransition::Up), false) => 'U',
                (Some(HealthTransition::Down), false) => 'D',
                (None, true) => '~',
                (None, false) => '.',
                (Some(_), true) => '!',
            });
            assert_eq!(seen.collect::<String>(), expected, "fall {fall}, rise {rise}: {results}");
        }
    }
}
