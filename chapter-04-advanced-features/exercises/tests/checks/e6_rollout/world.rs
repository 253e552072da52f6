//! What a rollout sees in these checks: an admin interface, and what becomes of a plan.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use exercises_04::contracts::{Admin, AdminError, Listed, MAX_WEIGHT, Plan, Reason, Rollout, Status};

use super::New;
use crate::beginning;

/// What becomes of a change.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    Done,
    Refused,
    /// Not made, and no answer.
    Unheard,
    /// Made, and no answer.
    Lost,
}

/// An admin interface that keeps to the rules, and notes what is done with it.
pub(super) struct Fake {
    pub(super) plan: Plan,
    pub(super) backends: Vec<Listed>,
    pub(super) is_reachable: bool,
    /// Of the next changes; after that, all are made.
    pub(super) fates: VecDeque<Fate>,
    pub(super) looks: usize,
    pub(super) changes: usize,
    /// A backend that was given the weight that it had.
    pub(super) rewritten: Option<String>,
    /// Green's largest share since it was last looked at.
    pub(super) most: f64,
}

impl Fake {
    pub(super) fn get(&mut self, name: &str) -> &mut Listed {
        let found = self.backends.iter_mut().find(|backend| backend.name == name);
        found.unwrap_or_else(|| panic!("{name} is not in the group"))
    }

    fn is_green(&self, name: &str) -> bool {
        self.plan.green.iter().any(|(green, _)| green == name)
    }

    /// The weights of both colours together.
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

impl Admin for Fake {
    fn list(&mut self) -> Result<Vec<Listed>, AdminError> {
        self.looks += 1;
        if self.is_reachable { Ok(self.backends.clone()) } else { Err(AdminError::Unreachable) }
    }

    fn weigh(&mut self, name: &str, weight: u32) -> Result<(), AdminError> {
        self.changes += 1;
        let fate = self.fates.pop_front().unwrap_or(Fate::Done);
        if !self.is_reachable || matches!(fate, Fate::Unheard) {
            return Err(AdminError::Unreachable);
        }
        let Some(before) = self.backends.iter().find(|one| one.name == name).map(|one| one.weight) else {
            return Err(AdminError::Refused(format!("no backend {name}")));
        };
        if before == weight {
            self.rewritten = Some(name.to_owned());
        }
        self.get(name).weight = weight;
        if matches!(fate, Fate::Refused) || weight > MAX_WEIGHT || self.sums() == (0, 0) {
            self.get(name).weight = before;
            return Err(AdminError::Refused(format!("{weight} for {name}, where it has {before}")));
        }
        self.most = self.most.max(self.share());
        if matches!(fate, Fate::Lost) { Err(AdminError::Unreachable) } else { Ok(()) }
    }
}

/// A rollout, and the world that it sees.
pub(super) struct World<R> {
    pub(super) fake: Fake,
    rollout: R,
    pub(super) now: Instant,
    /// The most looks of a tick.
    pub(super) looks: usize,
    /// When green had more than it should.
    overtaken: Option<String>,
}

const SECOND: Duration = Duration::from_secs(1);
pub(super) const HOLD: Duration = Duration::from_mins(1);
/// A nanosecond less than that.
pub(super) const NEARLY: Duration = Duration::from_nanos(59_999_999_999);

fn plan(blue: usize, green: &[u32], steps: &[u32]) -> Plan {
    Plan {
        blue: (1..=blue).map(|number| format!("blue-{number}:80")).collect(),
        green: green.iter().zip(1..).map(|(weight, number)| (format!("green-{number}:80"), *weight)).collect(),
        steps: steps.to_vec(),
        hold: HOLD,
        min_requests: 100,
        max_failed_percent: 5,
    }
}

impl<R: Rollout> World<R> {
    /// Blue ones with these weights, green ones with weight 0, and another one that belongs to nobody here.
    pub(super) fn new(new: New<R>, blue: &[u32], green: &[u32], steps: &[u32]) -> Self {
        let plan = plan(blue.len(), green, steps);
        let blues = plan.blue.iter().zip(blue).map(|(name, weight)| (name.as_str(), *weight));
        let greens = plan.green.iter().map(|(name, _)| (name.as_str(), 0));
        // In an order of its own.
        let all = greens.rev().chain([("other:80", 1_000)]).chain(blues);
        let listed = |(name, weight): (&str, u32)| Listed {
            name: name.to_owned(),
            is_up: true,
            weight,
            total: 70_000,
            failed: 9_000,
        };
        let backends = all.map(listed).collect();
        let rollout = new(plan.clone());
        let (looks, changes, fates) = (0, 0, VecDeque::new());
        let fake = Fake { plan, backends, is_reachable: true, fates, looks, changes, rewritten: None, most: 0.0 };
        Self { fake, rollout, now: beginning(), looks: 0, overtaken: None }
    }

    /// Two of each colour, 10 %, 50 %, 100 %.
    pub(super) fn usual(new: New<R>) -> Self {
        Self::new(new, &[1, 1], &[1, 1], &[10, 50, 100])
    }

    /// One that is watching its first step.
    pub(super) fn watching(new: New<R>) -> Self {
        let mut world = Self::usual(new);
        assert_eq!(world.tick_twice(), Status::Underway(10), "in the first step");
        world.assert_share(10);
        world
    }

    /// A second later.
    pub(super) fn tick(&mut self) -> Status {
        self.now += SECOND;
        self.tick_now()
    }

    pub(super) fn tick_now(&mut self) -> Status {
        let before = self.fake.share();
        (self.fake.looks, self.fake.most) = (0, before);
        let status = self.rollout.tick(self.now, &mut self.fake);
        self.looks = self.looks.max(self.fake.looks);
        let allowed = match status {
            Status::Underway(percent) => before.max(f64::from(percent) / 100.0),
            _ => before,
        };
        let most = self.fake.most;
        if most > allowed + 1e-9 {
            let (most, allowed) = (most * 100.0, allowed * 100.0);
            self.overtaken = Some(format!("{most:.1} %, where {allowed:.1} % are allowed ({status:?})"));
        }
        status
    }

    /// That green never had more than it should.
    #[track_caller]
    pub(super) fn assert_not_overtaken(&self) {
        assert_eq!(self.overtaken, None, "the share that green had on the way, if it was too large");
    }

    /// One tick that changes weights, and one that finds them changed.
    pub(super) fn tick_twice(&mut self) -> Status {
        self.tick();
        self.tick()
    }

    /// Requests that each green backend has had since the last look.
    pub(super) fn serve(&mut self, total: u64, failed: u64) {
        let Fake { plan, backends, .. } = &mut self.fake;
        for backend in backends.iter_mut().filter(|one| plan.green.iter().any(|(green, _)| *green == one.name)) {
            backend.total += total;
            backend.failed += failed;
        }
    }

    /// The step that is being watched is held to its end, and passed; what the tick after that says.
    pub(super) fn pass(&mut self) -> Status {
        self.serve(1_000, 0);
        self.now += HOLD;
        self.tick()
    }

    #[track_caller]
    pub(super) fn assert_share(&self, percent: u64) {
        let (blue, green) = self.fake.sums();
        let weights = self.fake.weights();
        assert_eq!(green * 100, (blue + green) * percent, "green should have exactly {percent} %: {weights:?}");
    }

    #[track_caller]
    pub(super) fn assert_weights(&self, expected: &[(&str, u32)], when: &str) {
        for (name, weight) in expected {
            let weights = self.fake.weights();
            assert_eq!(weights[format!("{name}:80").as_str()], *weight, "the weight of {name} {when}: {weights:?}");
        }
    }

    /// Nobody is asked anything any more.
    #[track_caller]
    pub(super) fn assert_over(&mut self, status: &Status) {
        let changes = self.fake.changes;
        for _ in 0..3 {
            self.serve(100, 100);
            self.now += HOLD;
            assert_eq!(self.tick_now(), *status, "the status, after the end");
            assert_eq!((self.fake.looks, self.fake.changes), (0, changes), "looks and changes after the end");
        }
    }

    /// The way back, to its end.
    #[track_caller]
    pub(super) fn assert_goes_back(&mut self, reason: &Reason) {
        let over = Status::RolledBack(reason.clone());
        assert_eq!(self.tick(), over, "when a look has found all weights as they were");
        let (_, green) = self.fake.sums();
        assert_eq!(green, 0, "green's weights, when it is rolled back");
        self.assert_over(&over);
    }
}
