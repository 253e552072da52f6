//! Exercise 4.6: blue-green rollout (project).
//!
//! **Contract.** [`rollout`] makes a [`Rollout`] that moves the traffic from blue backends to green ones, in steps, and
//! rolls back when green fails. A tick calls `list` at most once, and acts on that listing.
//!
//! - **Shares.** In a step of *p* percent the green weights together are *p* percent of all the plan's weights,
//!   exactly. Within green they are in proportion to the plan's, within blue to those of the first listing. Use the
//!   smallest integers: these fit.
//! - **During the changes**, in whatever order, green never has a larger share than the step that is moved to (or than
//!   before, if that was larger), and the weights are never all 0. A weight that is right is not written.
//! - **The observation** of a step begins with the first listing in which all weights are as they should be. From one
//!   listing to the next, the increase of green's `total` and `failed` is counted. A `total` that is lower than in the
//!   last listing has restarted at 0.
//! - **Passed**: a step without too many failures that was observed for `hold`, with at least `min_requests` counted;
//!   the same tick moves on to the next one. After the last one it is `Done`. A step without requests is not passed.
//! - **Failures**: more than `max_failed_percent` of the counted requests, or of `min_requests` as long as that is
//!   more. So a step ends early when its outcome is clear.
//! - **Unhealthy**: a green backend that is not up, in any listing before the rollout is done, including the first one.
//! - **Rolling back** starts in the same tick, on failures, on an unhealthy backend, and after a rejected weight: blue
//!   gets the weights of the first listing, green gets 0. When a listing confirms them, it is `RolledBack`. During the
//!   rollback, failures and health are ignored; a rejected weight is tried again.
//! - **No response**: what could not be done is done in a later tick. The change may have been made nevertheless.
//!   Without a listing no step is passed and no failure is counted.
//! - **External change**: a backend of the plan is not listed, or its weight is neither the last one that we set nor
//!   the next one (before the first change: any weight is accepted). Then nothing is changed any more: `Stopped`. This
//!   is checked before failures and health.
//! - After the end the admin interface is not called any more.

use std::time::Instant;

use crate::contracts::{AdminApi, Rollout, RolloutPlan, RolloutStatus};

/// A rollout in progress.
#[derive(Debug)]
pub struct BlueGreenRollout {
    plan: RolloutPlan,
    step: usize,
    observed_since: Option<Instant>,
}

/// A rollout that has not begun.
pub fn rollout(plan: RolloutPlan) -> BlueGreenRollout {
    BlueGreenRollout { plan, step: 0, observed_since: None }
}

impl Rollout for BlueGreenRollout {
    fn tick(&mut self, now: Instant, admin: &mut dyn AdminApi) -> RolloutStatus {
        if self.observed_since.is_some_and(|since| now >= since + self.plan.hold) {
            self.step += 1;
            self.observed_since = None;
        }
        let Some(percent) = self.plan.steps.get(self.step).copied() else { return RolloutStatus::Done };
        if self.observed_since.is_none() {
            // Were these changes made?
            for (name, weight) in &self.plan.green {
                let _ = admin.set_weight(name, weight * percent);
            }
            for name in &self.plan.blue {
                let _ = admin.set_weight(name, 100 - percent);
            }
            self.observed_since = Some(now);
        }
        RolloutStatus::InProgress(percent)
    }
}
