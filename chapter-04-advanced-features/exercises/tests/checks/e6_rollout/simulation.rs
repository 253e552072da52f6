//! The environment of a rollout in these checks: a fake admin interface, and a simulated group.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use exercises_04::contracts::{
    AbortReason, AdminApi, AdminError, BackendStatus, MAX_WEIGHT, Rollout, RolloutPlan, RolloutStatus,
};

use super::New;
use crate::beginning;

/// The outcome of a change.
#[derive(Debug, Clone, Copy)]
pub(super) enum ChangeOutcome {
    Made,
    Rejected,
    /// Not made, and no response.
    NotMade,
    /// Made, and no response.
    ResponseLost,
}

/// A fake admin interface that follows the rules, and records how it is used.
pub(super) struct FakeAdminApi {
    pub(super) plan: RolloutPlan,
    pub(super) backends: Vec<BackendStatus>,
    pub(super) is_reachable: bool,
    /// Outcomes of the next changes; after that, all are made.
    pub(super) outcomes: VecDeque<ChangeOutcome>,
    pub(super) list_calls: usize,
    pub(super) changes: usize,
    /// A backend that was set to the weight that it had.
    pub(super) rewritten: Option<String>,
    /// Green's largest share in this tick.
    pub(super) max_share: f64,
}

impl FakeAdminApi {
    pub(super) fn get(&mut self, name: &str) -> &mut BackendStatus {
        let found = self.backends.iter_mut().find(|backend| backend.name == name);
        found.unwrap_or_else(|| panic!("{name} is not in the group"))
    }

    fn is_green(&self, name: &str) -> bool {
        self.plan.green.iter().any(|(green, _)| green == name)
    }

    /// The sums of the weights, blue and green.
    pub(super) fn sums(&self) -> (u64, u64) {
        let sum = |is_wanted: &dyn Fn(&str) -> bool| {
            self.backends.iter().filter(|one| is_wanted(&one.name)).map(|one| u64::from(one.weight)).sum()
        };
        (sum(&|name| self.plan.blue.iter().any(|blue| blue == name)), sum(&|name| self.is_green(name)))
    }

    #[expect(clippy::cast_precision_loss, reason = "weights are small")]
    fn share(&self) -> f64 {
        let (blue, green) = self.sums();
        green as f64 / (blue + green).max(1) as f64
    }

    pub(super) fn weights(&self) -> BTreeMap<&str, u32> {
        self.backends.iter().map(|backend| (backend.name.as_str(), backend.weight)).collect()
    }
}

impl AdminApi for FakeAdminApi {
    fn list(&mut self) -> Result<Vec<BackendStatus>, AdminError> {
        self.list_calls += 1;
        if self.is_reachable { Ok(self.backends.clone()) } else { Err(AdminError::Unreachable) }
    }

    fn set_weight(&mut self, name: &str, weight: u32) -> Result<(), AdminError> {
        self.changes += 1;
        let outcome = self.outcomes.pop_front().unwrap_or(ChangeOutcome::Made);
        if !self.is_reachable || matches!(outcome, ChangeOutcome::NotMade) {
            return Err(AdminError::Unreachable);
        }
        let Some(before) = self.backends.iter().find(|one| one.name == name).map(|one| one.weight) else {
            return Err(AdminError::Rejected(format!("no backend {name}")));
        };
        if before == weight {
            self.rewritten = Some(name.to_owned());
        }
        self.get(name).weight = weight;
        if matches!(outcome, ChangeOutcome::Rejected) || weight > MAX_WEIGHT || self.sums() == (0, 0) {
            self.get(name).weight = before;
            return Err(AdminError::Rejected(format!("{weight} for {name}, where it has {before}")));
        }
        self.max_share = self.max_share.max(self.share());
        if matches!(outcome, ChangeOutcome::ResponseLost) { Err(AdminError::Unreachable) } else { Ok(()) }
    }
}

/// A rollout, and its environment.
pub(super) struct Simulation<R> {
    pub(super) admin: FakeAdminApi,
    rollout: R,
    pub(super) now: Instant,
    /// The most `list` calls in a tick.
    pub(super) list_calls: usize,
    /// The last time green had more than its share.
    excessive_share: Option<String>,
}

const SECOND: Duration = Duration::from_secs(1);
pub(super) const HOLD: Duration = Duration::from_mins(1);
/// A nanosecond less than that.
pub(super) const NEARLY_HOLD: Duration = Duration::from_nanos(59_999_999_999);

fn plan(blue: usize, green: &[u32], steps: &[u32]) -> RolloutPlan {
    RolloutPlan {
        blue: (1..=blue).map(|number| format!("blue-{number}:80")).collect(),
        green: green.iter().zip(1..).map(|(weight, number)| (format!("green-{number}:80"), *weight)).collect(),
        steps: steps.to_vec(),
        hold: HOLD,
        min_requests: 100,
        max_failed_percent: 5,
    }
}

impl<R: Rollout> Simulation<R> {
    /// Blue backends with these weights, green ones with weight 0, and another one outside the plan.
    pub(super) fn new(new: New<R>, blue: &[u32], green: &[u32], steps: &[u32]) -> Self {
        let plan = plan(blue.len(), green, steps);
        let blues = plan.blue.iter().zip(blue).map(|(name, weight)| (name.as_str(), *weight));
        let greens = plan.green.iter().map(|(name, _)| (name.as_str(), 0));
        // In an arbitrary order.
        let all = greens.rev().chain([("other:80", 1_000)]).chain(blues);
        let listed = |(name, weight): (&str, u32)| BackendStatus {
            name: name.to_owned(),
            is_up: true,
            weight,
            total: 70_000,
            failed: 9_000,
        };
        let backends = all.map(listed).collect();
        let rollout = new(plan.clone());
        let (list_calls, changes, outcomes) = (0, 0, VecDeque::new());
        let admin = FakeAdminApi {
            plan,
            backends,
            is_reachable: true,
            outcomes,
            list_calls,
            changes,
            rewritten: None,
            max_share: 0.0,
        };
        Self { admin, rollout, now: beginning(), list_calls: 0, excessive_share: None }
    }

    /// Two of each colour, with steps of 10 %, 50 %, 100 %.
    pub(super) fn two_by_two(new: New<R>) -> Self {
        Self::new(new, &[1, 1], &[1, 1], &[10, 50, 100])
    }

    /// A rollout that is watching its first step.
    pub(super) fn watching(new: New<R>) -> Self {
        let mut simulation = Self::two_by_two(new);
        assert_eq!(simulation.tick_twice(), RolloutStatus::InProgress(10), "in the first step");
        simulation.assert_share(10);
        simulation
    }

    /// A tick, one second later.
    pub(super) fn tick(&mut self) -> RolloutStatus {
        self.now += SECOND;
        self.tick_now()
    }

    pub(super) fn tick_now(&mut self) -> RolloutStatus {
        let before = self.admin.share();
        (self.admin.list_calls, self.admin.max_share) = (0, before);
        let status = self.rollout.tick(self.now, &mut self.admin);
        self.list_calls = self.list_calls.max(self.admin.list_calls);
        let allowed = match status {
            RolloutStatus::InProgress(percent) => before.max(f64::from(percent) / 100.0),
            _ => before,
        };
        let max_share = self.admin.max_share;
        if max_share > allowed + 1e-9 {
            let (max_share, allowed) = (max_share * 100.0, allowed * 100.0);
            self.excessive_share = Some(format!("{max_share:.1} %, where {allowed:.1} % are allowed ({status:?})"));
        }
        status
    }

    /// Asserts that green never had more than its share.
    #[track_caller]
    pub(super) fn assert_share_never_exceeded(&self) {
        assert_eq!(self.excessive_share, None, "a share of green that was too large");
    }

    /// One tick that changes weights, and one that confirms the changes.
    pub(super) fn tick_twice(&mut self) -> RolloutStatus {
        self.tick();
        self.tick()
    }

    /// Adds requests to each green backend.
    pub(super) fn serve(&mut self, total: u64, failed: u64) {
        let FakeAdminApi { plan, backends, .. } = &mut self.admin;
        for backend in backends.iter_mut().filter(|one| plan.green.iter().any(|(green, _)| *green == one.name)) {
            backend.total += total;
            backend.failed += failed;
        }
    }

    /// Holds the watched step to its end, successfully. Returns the status of the tick after that.
    pub(super) fn pass_step(&mut self) -> RolloutStatus {
        self.serve(1_000, 0);
        self.now += HOLD;
        self.tick()
    }

    #[track_caller]
    pub(super) fn assert_share(&self, percent: u64) {
        let (blue, green) = self.admin.sums();
        let weights = self.admin.weights();
        assert_eq!(green * 100, (blue + green) * percent, "green should have exactly {percent} %: {weights:?}");
    }

    #[track_caller]
    pub(super) fn assert_weights(&self, expected: &[(&str, u32)], when: &str) {
        for (name, weight) in expected {
            let weights = self.admin.weights();
            assert_eq!(weights[format!("{name}:80").as_str()], *weight, "the weight of {name} {when}: {weights:?}");
        }
    }

    /// Asserts that the admin interface is not called any more.
    #[track_caller]
    pub(super) fn assert_ended(&mut self, status: &RolloutStatus) {
        let changes = self.admin.changes;
        for _ in 0..3 {
            self.serve(100, 100);
            self.now += HOLD;
            assert_eq!(self.tick_now(), *status, "the status, after the end");
            assert_eq!(
                (self.admin.list_calls, self.admin.changes),
                (0, changes),
                "`list` calls and changes after the end"
            );
        }
    }

    /// Completes the rollback.
    #[track_caller]
    pub(super) fn assert_rolls_back(&mut self, reason: &AbortReason) {
        let over = RolloutStatus::RolledBack(reason.clone());
        assert_eq!(self.tick(), over, "when a listing has confirmed all weights");
        let (_, green) = self.admin.sums();
        assert_eq!(green, 0, "green's weights, when it is rolled back");
        self.assert_ended(&over);
    }
}
