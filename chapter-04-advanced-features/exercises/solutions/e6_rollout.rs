//! Exercise 4.6, solved.
//!
//! Each tick lists the backends first, and trusts the listing rather than its own record of changes: so a change whose
//! response was lost needs no special case. Every backend has a last known weight and a wanted one; any other weight was
//! set by someone else. The difference gives the changes, in an order in which green never gets ahead.

use std::time::Instant;

use crate::contracts::{Admin, AdminError, Listed, Plan, Reason, Rollout, Status};

/// A rollout in progress.
#[derive(Debug)]
pub struct Switch {
    plan: Plan,
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
    wanted: u32,
    total: u64,
    failed: u64,
}

#[derive(Debug)]
enum Phase {
    /// Moving to the step with this number, or watching it once all weights are as they should be.
    Step {
        step: usize,
        watched: Option<Watched>,
    },
    RollingBack(Reason),
    Ended(Status),
}

/// The counts of a step.
#[derive(Debug)]
struct Watched {
    since: Instant,
    total: u64,
    failed: u64,
}

/// A rollout that has not begun.
pub fn rollout(plan: Plan) -> Switch {
    Switch { plan, members: Vec::new(), phase: Phase::Step { step: 0, watched: None } }
}

impl Rollout for Switch {
    fn tick(&mut self, now: Instant, admin: &mut dyn Admin) -> Status {
        if !matches!(self.phase, Phase::Ended(_))
            && let Ok(listed) = admin.list()
        {
            match self.update(&listed) {
                Ok(seen) => {
                    self.judge(&seen, now);
                    self.apply_changes(now, admin);
                }
                Err(name) => self.phase = Phase::Ended(Status::Stopped(Reason::Interfered(name))),
            }
        }
        match &self.phase {
            Phase::Step { step, .. } => Status::Underway(self.plan.steps[*step]),
            Phase::RollingBack(reason) => Status::RollingBack(reason.clone()),
            Phase::Ended(status) => status.clone(),
        }
    }
}

impl Switch {
    /// The listed members, in their order; an error names the one that someone else has changed.
    fn update<'a>(&mut self, listed: &'a [Listed]) -> Result<Vec<&'a Listed>, String> {
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
        let seen: Vec<_> = self.members.iter().map(|member| find(&member.name)).collect::<Result<_, _>>()?;
        for (member, seen) in self.members.iter_mut().zip(&seen) {
            if seen.weight != member.current && seen.weight != member.wanted {
                return Err(member.name.clone());
            }
            member.current = seen.weight;
        }
        Ok(seen)
    }

    /// Counts, and decides whether to stay, to move on or to roll back.
    fn judge(&mut self, seen: &[&Listed], now: Instant) {
        let (mut total, mut failed) = (0, 0);
        for (member, seen) in self.members.iter_mut().zip(seen).filter(|(member, _)| member.is_green) {
            let (before, before_failed) =
                if seen.total < member.total { (0, 0) } else { (member.total, member.failed) };
            total += seen.total - before;
            failed += seen.failed.saturating_sub(before_failed);
            (member.total, member.failed) = (seen.total, seen.failed);
        }
        let Phase::Step { step, watched } = &mut self.phase else { return };
        let ill = self.members.iter().zip(seen).find(|(member, seen)| member.is_green && !seen.is_up);
        if let Some((member, _)) = ill {
            let reason = Reason::Ill(member.name.clone());
            self.roll_back(reason);
            return;
        }
        let Some(watched) = watched else { return };
        watched.total += total;
        watched.failed += failed;
        let base = watched.total.max(self.plan.min_requests);
        if watched.failed.saturating_mul(100) > base.saturating_mul(self.plan.max_failed_percent) {
            self.roll_back(Reason::Failures);
        } else if now >= watched.since + self.plan.hold && watched.total >= self.plan.min_requests {
            let next = *step + 1;
            if next == self.plan.steps.len() {
                self.phase = Phase::Ended(Status::Done);
            } else {
                self.phase = Phase::Step { step: next, watched: None };
                self.plan_step(next);
            }
        }
    }

    /// Sets the wanted weights of a step: the smallest integers in the right proportions.
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
            member.wanted = u32::try_from(weight(member) / divisor).unwrap_or(u32::MAX);
        }
    }

    fn roll_back(&mut self, reason: Reason) {
        for member in &mut self.members {
            member.wanted = member.original;
        }
        self.phase = Phase::RollingBack(reason);
    }

    /// Changes the weights that differ from the wanted ones; if none does, the next phase begins.
    fn apply_changes(&mut self, now: Instant, admin: &mut dyn Admin) {
        let mut changes: Vec<_> = self.members.iter_mut().filter(|member| member.current != member.wanted).collect();
        if changes.is_empty() {
            match &mut self.phase {
                Phase::Step { watched, .. } => {
                    watched.get_or_insert(Watched { since: now, total: 0, failed: 0 });
                }
                Phase::RollingBack(reason) => self.phase = Phase::Ended(Status::RolledBack(reason.clone())),
                Phase::Ended(_) => {}
            }
            return;
        }
        changes.sort_by_key(|member| member.change_order());
        for member in changes {
            match admin.weigh(&member.name, member.wanted) {
                Ok(()) => member.current = member.wanted,
                Err(AdminError::Refused(_)) if matches!(self.phase, Phase::Step { .. }) => {
                    let reason = Reason::Refused(member.name.clone());
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
            wanted: weight,
            total: 0,
            failed: 0,
        }
    }

    /// Its position in the order of changes: those that make green's share smaller come first. So the share is never
    /// above both its old and its new value, and blue becomes 0 only when green has a weight.
    fn change_order(&self) -> u8 {
        match (self.is_green, self.wanted > self.current) {
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
