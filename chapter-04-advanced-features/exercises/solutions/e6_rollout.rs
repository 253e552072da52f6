//! Exercise 4.6, solved.
//!
//! Each tick lists the backends first, and trusts the listing rather than its own record of changes: so a change whose
//! response was lost needs no special case. Every backend has a last known weight and a target; any other weight was
//! set by someone else. The difference gives the changes, in an order in which green never exceeds its share.

use std::time::Instant;

use crate::contracts::{AbortReason, AdminApi, AdminError, BackendStatus, Rollout, RolloutPlan, RolloutStatus};

/// A rollout in progress.
#[derive(Debug)]
pub struct BlueGreenRollout {
    plan: RolloutPlan,
    /// The backends of the plan, blue ones first; empty until the first listing.
    members: Vec<Member>,
    phase: Phase,
}

#[derive(Debug)]
struct Member {
    name: String,
    is_green: bool,
    /// Its weight relative to others of its colour.
    relative_weight: u64,
    /// Its weight after a rollback.
    original: u32,
    /// Its last known weight.
    current: u32,
    target: u32,
    total: u64,
    failed: u64,
}

#[derive(Debug)]
enum Phase {
    /// Moving to the step with this number, or observing it once all weights are as they should be.
    Step {
        step: usize,
        counts: Option<StepCounts>,
    },
    RollingBack(AbortReason),
    Ended(RolloutStatus),
}

/// The counts of a step.
#[derive(Debug)]
struct StepCounts {
    since: Instant,
    total: u64,
    failed: u64,
}

/// A rollout that has not begun.
pub fn rollout(plan: RolloutPlan) -> BlueGreenRollout {
    BlueGreenRollout { plan, members: Vec::new(), phase: Phase::Step { step: 0, counts: None } }
}

impl Rollout for BlueGreenRollout {
    fn tick(&mut self, now: Instant, admin: &mut dyn AdminApi) -> RolloutStatus {
        if !matches!(self.phase, Phase::Ended(_))
            && let Ok(listed) = admin.list()
        {
            match self.update(&listed) {
                Ok(listed) => {
                    self.evaluate_step(&listed, now);
                    self.apply_changes(now, admin);
                }
                Err(name) => self.phase = Phase::Ended(RolloutStatus::Stopped(AbortReason::ExternalChange(name))),
            }
        }
        match &self.phase {
            Phase::Step { step, .. } => RolloutStatus::InProgress(self.plan.steps[*step]),
            Phase::RollingBack(reason) => RolloutStatus::RollingBack(reason.clone()),
            Phase::Ended(status) => status.clone(),
        }
    }
}

impl BlueGreenRollout {
    /// The listed members, in their order; an error names the one that someone else has changed.
    fn update<'a>(&mut self, listed: &'a [BackendStatus]) -> Result<Vec<&'a BackendStatus>, String> {
        let find = |name: &str| listed.iter().find(|listed| listed.name == name).ok_or_else(|| name.to_owned());
        if self.members.is_empty() {
            for name in &self.plan.blue {
                let weight = find(name)?.weight;
                self.members.push(Member::new(name, false, weight, weight));
            }
            for (name, relative_weight) in &self.plan.green {
                self.members.push(Member::new(name, true, *relative_weight, find(name)?.weight));
            }
            self.plan_step(0);
        }
        let listed: Vec<_> = self.members.iter().map(|member| find(&member.name)).collect::<Result<_, _>>()?;
        for (member, listed) in self.members.iter_mut().zip(&listed) {
            if listed.weight != member.current && listed.weight != member.target {
                return Err(member.name.clone());
            }
            member.current = listed.weight;
        }
        Ok(listed)
    }

    /// Counts, and decides whether to stay, to move on or to roll back.
    fn evaluate_step(&mut self, listed: &[&BackendStatus], now: Instant) {
        let (mut total, mut failed) = (0, 0);
        for (member, listed) in self.members.iter_mut().zip(listed).filter(|(member, _)| member.is_green) {
            let (before, before_failed) =
                if listed.total < member.total { (0, 0) } else { (member.total, member.failed) };
            total += listed.total - before;
            failed += listed.failed.saturating_sub(before_failed);
            (member.total, member.failed) = (listed.total, listed.failed);
        }
        let Phase::Step { step, counts } = &mut self.phase else { return };
        let unhealthy = self.members.iter().zip(listed).find(|(member, listed)| member.is_green && !listed.is_up);
        if let Some((member, _)) = unhealthy {
            let reason = AbortReason::Unhealthy(member.name.clone());
            self.roll_back(reason);
            return;
        }
        let Some(counts) = counts else { return };
        counts.total += total;
        counts.failed += failed;
        let base = counts.total.max(self.plan.min_requests);
        if counts.failed.saturating_mul(100) > base.saturating_mul(self.plan.max_failed_percent) {
            self.roll_back(AbortReason::Failures);
        } else if now >= counts.since + self.plan.hold && counts.total >= self.plan.min_requests {
            let next = *step + 1;
            if next == self.plan.steps.len() {
                self.phase = Phase::Ended(RolloutStatus::Done);
            } else {
                self.phase = Phase::Step { step: next, counts: None };
                self.plan_step(next);
            }
        }
    }

    /// Sets the target weights of a step: the smallest integers in the right proportions.
    fn plan_step(&mut self, step: usize) {
        let percent = u64::from(self.plan.steps[step]);
        let sum =
            |is_green| self.members.iter().filter(|one| one.is_green == is_green).map(|one| one.relative_weight).sum();
        let (blue, green): (u64, u64) = (sum(false), sum(true));
        let weight = |member: &Member| {
            if member.is_green {
                percent * member.relative_weight * blue
            } else {
                (100 - percent) * member.relative_weight * green
            }
        };
        let divisor = self.members.iter().map(weight).fold(0, greatest_common_divisor).max(1);
        for member in &mut self.members {
            // A weight that is too large will be rejected.
            member.target = u32::try_from(weight(member) / divisor).unwrap_or(u32::MAX);
        }
    }

    fn roll_back(&mut self, reason: AbortReason) {
        for member in &mut self.members {
            member.target = member.original;
        }
        self.phase = Phase::RollingBack(reason);
    }

    /// Changes the weights that differ from their targets; if none does, the next phase begins.
    fn apply_changes(&mut self, now: Instant, admin: &mut dyn AdminApi) {
        let mut changes: Vec<_> = self.members.iter_mut().filter(|member| member.current != member.target).collect();
        if changes.is_empty() {
            match &mut self.phase {
                Phase::Step { counts, .. } => {
                    counts.get_or_insert(StepCounts { since: now, total: 0, failed: 0 });
                }
                Phase::RollingBack(reason) => self.phase = Phase::Ended(RolloutStatus::RolledBack(reason.clone())),
                Phase::Ended(_) => {}
            }
            return;
        }
        changes.sort_by_key(|member| member.change_order());
        for member in changes {
            match admin.set_weight(&member.name, member.target) {
                Ok(()) => member.current = member.target,
                Err(AdminError::Rejected(_)) if matches!(self.phase, Phase::Step { .. }) => {
                    let reason = AbortReason::WeightRejected(member.name.clone());
                    self.roll_back(reason);
                    return self.apply_changes(now, admin);
                }
                // Again after the next listing, which shows what has been done.
                Err(_) => return,
            }
        }
    }
}

impl Member {
    fn new(name: &str, is_green: bool, relative_weight: u32, weight: u32) -> Self {
        let original = if is_green { 0 } else { weight };
        let name = name.to_owned();
        Self {
            name,
            is_green,
            relative_weight: relative_weight.into(),
            original,
            current: weight,
            target: weight,
            total: 0,
            failed: 0,
        }
    }

    /// Its position in the order of changes: those that make green's share smaller come first. So the share is never
    /// above both its old and its new value, and blue becomes 0 only when green has a weight.
    fn change_order(&self) -> u8 {
        match (self.is_green, self.target > self.current) {
            (false, true) => 0,
            (true, false) => 1,
            (true, true) => 2,
            (false, false) => 3,
        }
    }
}

fn greatest_common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}
