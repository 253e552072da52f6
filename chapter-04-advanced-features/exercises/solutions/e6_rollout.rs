//! Exercise 4.6, solved.
//!
//! Each tick looks first, and believes what it sees rather than what it has ordered: an order whose answer was lost is
//! then no case of its own. Every backend has the weight that it had and the one that it is to have; any other is
//! somebody else's. What is to be done follows from the difference, in an order in which green never gets ahead.

use std::time::Instant;

use crate::contracts::{Admin, AdminError, Listed, Plan, Reason, Rollout, Status};

/// A switch under way.
#[derive(Debug)]
pub struct Switch {
    plan: Plan,
    /// Those of the plan, blue ones first; empty until the first look.
    members: Vec<Member>,
    phase: Phase,
}

#[derive(Debug)]
struct Member {
    name: String,
    is_green: bool,
    /// What it weighs beside others of its colour.
    part: u64,
    /// When it goes back.
    home: u32,
    had: u32,
    wanted: u32,
    total: u64,
    failed: u64,
}

#[derive(Debug)]
enum Phase {
    /// Forward, to the step of this number; watched since all weights were as they should be.
    Step {
        step: usize,
        watched: Option<Watched>,
    },
    Back(Reason),
    Over(Status),
}

/// What was counted in a step.
#[derive(Debug)]
struct Watched {
    since: Instant,
    total: u64,
    failed: u64,
}

/// A switch that has not begun.
pub fn rollout(plan: Plan) -> Switch {
    Switch { plan, members: Vec::new(), phase: Phase::Step { step: 0, watched: None } }
}

impl Rollout for Switch {
    fn tick(&mut self, now: Instant, admin: &mut dyn Admin) -> Status {
        if !matches!(self.phase, Phase::Over(_))
            && let Ok(listed) = admin.list()
        {
            match self.look(&listed) {
                Ok(seen) => {
                    self.judge(&seen, now);
                    self.go_on(now, admin);
                }
                Err(name) => self.phase = Phase::Over(Status::Stopped(Reason::Interfered(name))),
            }
        }
        match &self.phase {
            Phase::Step { step, .. } => Status::Underway(self.plan.steps[*step]),
            Phase::Back(reason) => Status::RollingBack(reason.clone()),
            Phase::Over(status) => status.clone(),
        }
    }
}

impl Switch {
    /// What is listed of the members, in their order; an error names the one that somebody else has changed.
    fn look<'a>(&mut self, listed: &'a [Listed]) -> Result<Vec<&'a Listed>, String> {
        let find = |name: &str| listed.iter().find(|listed| listed.name == name).ok_or_else(|| name.to_owned());
        if self.members.is_empty() {
            for name in &self.plan.blue {
                let weight = find(name)?.weight;
                self.members.push(Member::new(name, false, weight, weight));
            }
            for (name, part) in &self.plan.green {
                self.members.push(Member::new(name, true, *part, find(name)?.weight));
            }
            self.aim(0);
        }
        let seen: Vec<_> = self.members.iter().map(|member| find(&member.name)).collect::<Result<_, _>>()?;
        for (member, seen) in self.members.iter_mut().zip(&seen) {
            if seen.weight != member.had && seen.weight != member.wanted {
                return Err(member.name.clone());
            }
            member.had = seen.weight;
        }
        Ok(seen)
    }

    /// Counts, and decides whether to stay, to go on or to go back.
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
            self.turn_back(reason);
            return;
        }
        let Some(watched) = watched else { return };
        watched.total += total;
        watched.failed += failed;
        let base = watched.total.max(self.plan.min_requests);
        if watched.failed.saturating_mul(100) > base.saturating_mul(self.plan.max_failed_percent) {
            self.turn_back(Reason::Failures);
        } else if now >= watched.since + self.plan.hold && watched.total >= self.plan.min_requests {
            let next = *step + 1;
            if next == self.plan.steps.len() {
                self.phase = Phase::Over(Status::Done);
            } else {
                self.phase = Phase::Step { step: next, watched: None };
                self.aim(next);
            }
        }
    }

    /// Wants the weights of a step: the smallest whole numbers in the right proportions.
    fn aim(&mut self, step: usize) {
        let percent = u64::from(self.plan.steps[step]);
        let sum = |is_green| self.members.iter().filter(|one| one.is_green == is_green).map(|one| one.part).sum();
        let (blue, green): (u64, u64) = (sum(false), sum(true));
        let weight = |member: &Member| {
            if member.is_green { percent * member.part * blue } else { (100 - percent) * member.part * green }
        };
        let divisor = self.members.iter().map(weight).fold(0, greatest_common_divisor).max(1);
        for member in &mut self.members {
            // What is too large will be refused.
            member.wanted = u32::try_from(weight(member) / divisor).unwrap_or(u32::MAX);
        }
    }

    fn turn_back(&mut self, reason: Reason) {
        for member in &mut self.members {
            member.wanted = member.home;
        }
        self.phase = Phase::Back(reason);
    }

    /// Changes what is not as it should be; if all is, the next thing begins.
    fn go_on(&mut self, now: Instant, admin: &mut dyn Admin) {
        let mut changes: Vec<_> = self.members.iter_mut().filter(|member| member.had != member.wanted).collect();
        if changes.is_empty() {
            match &mut self.phase {
                Phase::Step { watched, .. } => {
                    watched.get_or_insert(Watched { since: now, total: 0, failed: 0 });
                }
                Phase::Back(reason) => self.phase = Phase::Over(Status::RolledBack(reason.clone())),
                Phase::Over(_) => {}
            }
            return;
        }
        changes.sort_by_key(|member| member.turn());
        for member in changes {
            match admin.weigh(&member.name, member.wanted) {
                Ok(()) => member.had = member.wanted,
                Err(AdminError::Refused(_)) if matches!(self.phase, Phase::Step { .. }) => {
                    let reason = Reason::Refused(member.name.clone());
                    self.turn_back(reason);
                    return self.go_on(now, admin);
                }
                // Again after the next look, which shows what has been done.
                Err(_) => return,
            }
        }
    }
}

impl Member {
    fn new(name: &str, is_green: bool, part: u32, weight: u32) -> Self {
        let home = if is_green { 0 } else { weight };
        let name = name.to_owned();
        Self { name, is_green, part: part.into(), home, had: weight, wanted: weight, total: 0, failed: 0 }
    }

    /// When it is changed: what makes green's share smaller comes first. So the share is never above both its old and
    /// its new value, and blue has gone to 0 only when green has a weight.
    fn turn(&self) -> u8 {
        match (self.is_green, self.wanted > self.had) {
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
