//! Exercise 4.6: from blue to green (project).
//!
//! **Contract.** [`rollout`] makes a [`Rollout`] that moves the traffic from blue backends to green ones, in steps, and
//! brings it back when green does not do well. A tick looks (`list`) once at most, and does what that look calls for.
//!
//! - **Shares.** In a step of *p* percent the green weights together are *p* percent of all the plan's weights, exactly.
//!   Within green they are in proportion to the plan's, within blue to what the first look has found. Take the smallest
//!   whole numbers: these fit.
//! - **On the way**, whatever the order of the changes, green never has a larger share than the step that is moved to
//!   (or than before, if that was larger), and never are all weights 0. A weight that is right is not written.
//! - **Watching** a step begins with the first look that finds all weights as they should be. From look to look, what
//!   has been added to green's `total` and `failed` is counted. Whose `total` is lower than at the last look has begun
//!   again at 0.
//! - **Passed** is a step without too many failures that was watched for `hold`, with at least `min_requests` counted:
//!   the same tick moves on to the next one. After the last one it is `Done`. Without requests it waits.
//! - **Failures**: more than `max_failed_percent` of what is counted, or of `min_requests` as long as that is more. So
//!   the end of the step is not waited for when it is clear how it will end.
//! - **Ill**: a green backend that is not up. At any look on the way to green, the first one too.
//! - **Back** the same tick goes, for failures, for an ill one, and after a weight was refused: blue has the weights
//!   that the first look found, green has 0. When a look finds it so, it is `RolledBack`. On the way back nothing is
//!   judged; a weight that is refused is tried again.
//! - **Nobody answers**: what could not be done is done at a later tick. The change may have been made all the same. No
//!   step is passed and nobody is judged without a look.
//! - **Somebody else is at work**: a backend of the plan is not listed, or has another weight than we gave it last and
//!   than it is to get (before the first change: any will do). Then nothing is changed any more: `Stopped`. This is
//!   looked for before anything is judged.
//! - After the end nobody is asked anything.

use std::time::Instant;

use crate::contracts::{Admin, Plan, Rollout, Status};

/// A switch under way.
#[derive(Debug)]
pub struct Switch {
    plan: Plan,
    step: usize,
    since: Option<Instant>,
}

/// A switch that has not begun.
pub fn rollout(plan: Plan) -> Switch {
    Switch { plan, step: 0, since: None }
}

impl Rollout for Switch {
    fn tick(&mut self, now: Instant, admin: &mut dyn Admin) -> Status {
        if self.since.is_some_and(|since| now >= since + self.plan.hold) {
            self.step += 1;
            self.since = None;
        }
        let Some(percent) = self.plan.steps.get(self.step).copied() else { return Status::Done };
        if self.since.is_none() {
            // Is anybody to know whether these were heard?
            for (name, weight) in &self.plan.green {
                let _ = admin.weigh(name, weight * percent);
            }
            for name in &self.plan.blue {
                let _ = admin.weigh(name, 100 - percent);
            }
            self.since = Some(now);
        }
        Status::Underway(percent)
    }
}
