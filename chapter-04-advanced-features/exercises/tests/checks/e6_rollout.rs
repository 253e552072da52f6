//! The checks of exercise 4.6.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use exercises_04::contracts::{Admin, AdminError, Listed, MAX_WEIGHT, Plan, Reason, Rollout, Status};
use integration_tests::{held_to, seed::Seed};

use crate::beginning;

held_to!(
    exercises_04,
    e6_rollout::rollout,
    [
        green_takes_over_in_steps,
        each_colour_keeps_its_proportions,
        green_never_gets_ahead_of_a_step,
        large_weights_are_made_small,
        a_step_is_held_from_the_look_that_finds_it_done,
        without_requests_it_waits,
        what_was_counted_before_a_step_does_not_count,
        a_count_that_begins_again_is_no_surprise,
        too_many_failures_bring_it_back,
        it_goes_back_as_soon_as_it_is_clear,
        failures_of_blue_are_not_greens,
        a_green_one_that_is_ill_brings_it_back,
        an_ill_one_at_the_first_look_changes_nothing,
        back_from_the_last_step_somebody_always_serves,
        who_does_not_answer_is_asked_again,
        a_change_whose_answer_is_lost_is_looked_for,
        a_refused_weight_brings_it_back,
        on_the_way_back_a_refused_weight_is_tried_again,
        somebody_elses_weight_stops_it,
        a_backend_that_is_gone_stops_it,
        others_in_the_group_are_left_alone,
    ]
);

type New<R> = fn(Plan) -> R;

/// What becomes of a change.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Done,
    Refused,
    /// Not made, and no answer.
    Unheard,
    /// Made, and no answer.
    Lost,
}

/// An admin interface that keeps to the rules, and notes whether its user does.
struct Fake {
    plan: Plan,
    backends: Vec<Listed>,
    is_reachable: bool,
    /// Of the next changes; after that, all are made.
    fates: VecDeque<Fate>,
    looks: usize,
    changes: usize,
    /// Green's share after each change.
    shares: Vec<f64>,
}

impl Fake {
    fn get(&mut self, name: &str) -> &mut Listed {
        let found = self.backends.iter_mut().find(|backend| backend.name == name);
        found.unwrap_or_else(|| panic!("{name} is not in the group"))
    }

    fn is_green(&self, name: &str) -> bool {
        self.plan.green.iter().any(|(green, _)| green == name)
    }

    /// The weights of both colours together.
    fn sums(&self) -> (u64, u64) {
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

    fn weights(&self) -> BTreeMap<&str, u32> {
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
        assert!(weight <= MAX_WEIGHT, "weights should be at most {MAX_WEIGHT}, but {name} is given {weight}");
        if matches!(fate, Fate::Refused) {
            return Err(AdminError::Refused("not today".to_owned()));
        }
        let before = self.get(name).weight;
        assert_ne!(before, weight, "a weight that is right should not be written, but {name} is given it again");
        self.get(name).weight = weight;
        assert_ne!(self.sums(), (0, 0), "somebody should always have a weight, but all are 0 once {name} is");
        self.shares.push(self.share());
        if matches!(fate, Fate::Lost) { Err(AdminError::Unreachable) } else { Ok(()) }
    }
}

/// A rollout, and the world that it sees.
struct World<R> {
    fake: Fake,
    rollout: R,
    now: Instant,
}

const SECOND: Duration = Duration::from_secs(1);
const HOLD: Duration = Duration::from_mins(1);
/// A nanosecond less than that.
const NEARLY: Duration = Duration::from_nanos(59_999_999_999);

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
    fn new(new: New<R>, blue: &[u32], green: &[u32], steps: &[u32]) -> Self {
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
        let (looks, changes, shares) = (0, 0, Vec::new());
        let rollout = new(plan.clone());
        let fake = Fake { plan, backends, is_reachable: true, fates: VecDeque::new(), looks, changes, shares };
        Self { fake, rollout, now: beginning() }
    }

    /// Two of each colour, 10 %, 50 %, 100 %.
    fn usual(new: New<R>) -> Self {
        Self::new(new, &[1, 1], &[1, 1], &[10, 50, 100])
    }

    /// One that is watching its first step.
    fn watching(new: New<R>) -> Self {
        let mut world = Self::usual(new);
        assert_eq!(world.tick_twice(), Status::Underway(10), "in the first step");
        world.assert_share(10);
        world
    }

    /// A second later; what must hold of every tick is held to.
    fn tick(&mut self) -> Status {
        self.now += SECOND;
        self.tick_now()
    }

    fn tick_now(&mut self) -> Status {
        let before = self.fake.share();
        (self.fake.looks, self.fake.shares) = (0, Vec::new());
        let changes = self.fake.changes;
        let status = self.rollout.tick(self.now, &mut self.fake);
        let looks = self.fake.looks;
        assert!(looks <= 1, "a tick should look once, but looks {looks} times");
        let is_blind = looks == 0 && self.fake.changes > changes;
        assert!(!is_blind, "a tick should look before it changes anything, but does not");
        let most = match status {
            Status::Underway(percent) => before.max(f64::from(percent) / 100.0),
            // It was moving to the first step, wherever a weight is refused in these checks.
            Status::RollingBack(Reason::Refused(_)) => before.max(f64::from(self.fake.plan.steps[0]) / 100.0),
            _ => before,
        };
        let share = self.fake.shares.iter().copied().fold(0.0, f64::max);
        assert!(
            share <= most + 1e-9,
            "green should never have more than {:.1} % here ({status:?}), but has {:.1} % on the way",
            most * 100.0,
            share * 100.0
        );
        status
    }

    /// One tick that changes weights, and one that finds them changed.
    fn tick_twice(&mut self) -> Status {
        self.tick();
        self.tick()
    }

    /// Requests that each green backend has had since the last look.
    fn serve(&mut self, total: u64, failed: u64) {
        let Fake { plan, backends, .. } = &mut self.fake;
        for backend in backends.iter_mut().filter(|one| plan.green.iter().any(|(green, _)| *green == one.name)) {
            backend.total += total;
            backend.failed += failed;
        }
    }

    /// The step that is being watched is held to its end, and passed; what the tick after that says.
    fn pass(&mut self) -> Status {
        self.serve(1_000, 0);
        self.now += HOLD;
        self.tick()
    }

    #[track_caller]
    fn assert_share(&self, percent: u64) {
        let (blue, green) = self.fake.sums();
        let weights = self.fake.weights();
        assert_eq!(green * 100, (blue + green) * percent, "green should have exactly {percent} %: {weights:?}");
    }

    #[track_caller]
    fn assert_weights(&self, expected: &[(&str, u32)], when: &str) {
        for (name, weight) in expected {
            let weights = self.fake.weights();
            assert_eq!(weights[format!("{name}:80").as_str()], *weight, "the weight of {name} {when}: {weights:?}");
        }
    }

    /// Nobody is asked anything any more.
    #[track_caller]
    fn assert_over(&mut self, status: &Status) {
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
    fn assert_goes_back(&mut self, reason: &Reason) {
        let over = Status::RolledBack(reason.clone());
        assert_eq!(self.tick(), over, "when a look has found all weights as they were");
        let (_, green) = self.fake.sums();
        assert_eq!(green, 0, "green's weights, when it is rolled back");
        self.assert_over(&over);
    }
}

fn blue_has(weight: u32) -> [(&'static str, u32); 2] {
    [("blue-1", weight), ("blue-2", weight)]
}

fn ill(name: &str) -> Reason {
    Reason::Ill(name.to_owned())
}

fn interfered(name: &str) -> Status {
    Status::Stopped(Reason::Interfered(name.to_owned()))
}

fn green_takes_over_in_steps<R: Rollout>(new: New<R>) {
    let mut world = World::usual(new);
    for percent in [10, 50, 100] {
        assert_eq!(world.tick_now(), Status::Underway(percent), "the tick that moves to {percent} %");
        world.assert_share(percent.into());
        assert_eq!(world.tick(), Status::Underway(percent), "the tick that finds it moved");
        world.serve(1_000, 0);
        world.now += HOLD;
    }
    assert_eq!(world.tick_now(), Status::Done, "after the last step");
    world.assert_weights(&blue_has(0), "when green has taken over");
    world.assert_over(&Status::Done);
}

fn each_colour_keeps_its_proportions<R: Rollout>(new: New<R>) {
    let steps = [1, 5, 25, 33, 50, 60, 90, 100];
    let mut world = World::new(new, &[3, 1, 0], &[1, 2], &steps);
    for percent in steps {
        assert_eq!(world.tick_twice(), Status::Underway(percent), "in the step of {percent} %");
        world.assert_share(percent.into());
        let weights = world.fake.weights();
        let [one, other, none] = ["blue-1:80", "blue-2:80", "blue-3:80"].map(|name| weights[name]);
        assert_eq!((one, none), (3 * other, 0), "blue at {percent} %, where it was 3:1:0: {weights:?}");
        assert_eq!(2 * weights["green-1:80"], weights["green-2:80"], "green at {percent} %, planned 1:2: {weights:?}");
        world.serve(1_000, 0);
        world.now += HOLD;
    }
    assert_eq!(world.tick(), Status::Done, "after the last step");
}

fn green_never_gets_ahead_of_a_step<R: Rollout>(new: New<R>) {
    let mut seed = Seed::new(6);
    for round in 0..200 {
        let weights = |seed: &mut Seed, least: usize| -> Vec<u32> {
            (0..=seed.below(3)).map(|_| u32::try_from(least + seed.below(6)).unwrap()).collect()
        };
        let (blue, green) = (weights(&mut seed, 1), weights(&mut seed, 1));
        let mut steps: Vec<u32> = (0..seed.below(5)).map(|_| u32::try_from(1 + seed.below(99)).unwrap()).collect();
        steps.sort_unstable();
        steps.dedup();
        steps.push(100);
        let mut world = World::new(new, &blue, &green, &steps);
        // Somebody has tried green before.
        world.fake.get("green-1:80").weight = u32::try_from(seed.below(3)).unwrap();
        let mut ticks = 0;
        while world.tick() != Status::Done {
            ticks += 1;
            assert!(ticks < 200, "round {round}: {blue:?} to {green:?} by {steps:?} should be done, but is not");
            // What is done in pieces must be right in pieces.
            world.fake.fates.extend((0..seed.below(4)).map(|_| Fate::Done));
            world.fake.fates.push_back(*seed.pick(&[Fate::Done, Fate::Unheard, Fate::Lost]));
            world.serve(1_000, 0);
            world.now += HOLD / 2;
        }
    }
}

fn large_weights_are_made_small<R: Rollout>(new: New<R>) {
    let steps = [1, 50, 99, 100];
    let mut world = World::new(new, &[10_000, 30_000], &[20_000, 20_000], &steps);
    for percent in steps {
        assert_eq!(world.tick_twice(), Status::Underway(percent), "in the step of {percent} %");
        world.assert_share(percent.into());
        let weights = world.fake.weights();
        let is_small = weights.iter().all(|(name, weight)| *name == "other:80" || *weight < 300);
        assert!(is_small, "at {percent} % the smallest whole numbers should do, but there are {weights:?}");
        world.serve(1_000, 0);
        world.now += HOLD;
    }
    world.fake.get("green-2:80").is_up = false;
    assert_eq!(world.tick(), Status::RollingBack(ill("green-2:80")), "after a failure in the last step");
    world.assert_weights(&[("blue-1", 10_000), ("blue-2", 30_000)], "on the way back, as it was at the first look");
}

fn a_step_is_held_from_the_look_that_finds_it_done<R: Rollout>(new: New<R>) {
    let mut world = World::usual(new);
    // The last change is not made at first; so the step begins later.
    world.fake.fates = VecDeque::from([Fate::Done, Fate::Done, Fate::Done, Fate::Unheard]);
    world.tick();
    world.now += HOLD;
    assert_eq!(world.tick(), Status::Underway(10), "the tick that makes the last change");
    assert_eq!(world.tick(), Status::Underway(10), "the tick that finds all changes made: the step begins");
    world.assert_share(10);
    world.serve(1_000, 0);
    world.now += NEARLY;
    assert_eq!(world.tick_now(), Status::Underway(10), "a nanosecond before the end of the step");
    world.now += Duration::from_nanos(1);
    assert_eq!(world.tick_now(), Status::Underway(50), "at the end of the step");
    world.assert_share(50);
}

fn without_requests_it_waits<R: Rollout>(new: New<R>) {
    let mut world = World::watching(new);
    world.now += HOLD * 20;
    assert_eq!(world.tick(), Status::Underway(10), "held for long, without a request");
    // Of both together 98, and then 100.
    world.serve(49, 0);
    assert_eq!(world.tick(), Status::Underway(10), "held for long, with 98 requests where 100 are wanted");
    world.serve(1, 0);
    assert_eq!(world.tick(), Status::Underway(50), "held for long, with 100 requests");
}

fn what_was_counted_before_a_step_does_not_count<R: Rollout>(new: New<R>) {
    let mut world = World::usual(new);
    world.serve(5_000, 5_000);
    world.tick();
    world.serve(5_000, 5_000);
    world.tick();
    world.now += HOLD;
    let when = "failures before the step and while the weights were changed, and no request since";
    assert_eq!(world.tick(), Status::Underway(10), "{when}");
    assert_eq!(world.pass(), Status::Underway(50), "1000 requests since, all well");
    world.serve(500, 500);
    assert_eq!(world.tick(), Status::Underway(50), "failures while the weights were changed to the second step");
    world.now += HOLD;
    assert_eq!(world.tick(), Status::Underway(50), "the requests of the first step are none of the second");
}

fn a_count_that_begins_again_is_no_surprise<R: Rollout>(new: New<R>) {
    let mut world = World::watching(new);
    world.serve(200, 0);
    assert_eq!(world.tick(), Status::Underway(10), "no failures of 400");
    let started_again = world.fake.get("green-1:80");
    (started_again.total, started_again.failed) = (40, 13);
    assert_eq!(world.tick(), Status::Underway(10), "one has begun again, and has 13 failures of 40: of 440 in all");
    let started_again = world.fake.get("green-1:80");
    (started_again.total, started_again.failed) = (60, 24);
    let back = Status::RollingBack(Reason::Failures);
    assert_eq!(world.tick(), back, "it has 24 failures of 60 by now: of 460 in all");
}

fn too_many_failures_bring_it_back<R: Rollout>(new: New<R>) {
    let mut world = World::watching(new);
    world.serve(400, 20);
    assert_eq!(world.tick(), Status::Underway(10), "40 failures of 800: 5 %, which is allowed");
    world.serve(0, 1);
    assert_eq!(world.tick(), Status::RollingBack(Reason::Failures), "42 failures of 800");
    world.assert_weights(&blue_has(1), "after that tick");
    world.assert_weights(&[("green-1", 0), ("green-2", 0)], "after that tick");
    world.assert_goes_back(&Reason::Failures);
    let mut world = World::watching(new);
    world.serve(100, 6);
    world.now += HOLD;
    let back = Status::RollingBack(Reason::Failures);
    assert_eq!(world.tick(), back, "12 failures of 200, first seen at the end of the step");
}

fn it_goes_back_as_soon_as_it_is_clear<R: Rollout>(new: New<R>) {
    let mut world = World::watching(new);
    world.fake.get("green-1:80").total += 5;
    world.fake.get("green-1:80").failed += 5;
    assert_eq!(world.tick(), Status::Underway(10), "5 failures of 5: the other 95 of 100 may be well");
    world.fake.get("green-2:80").total += 1;
    world.fake.get("green-2:80").failed += 1;
    let back = Status::RollingBack(Reason::Failures);
    assert_eq!(world.tick(), back, "6 failures of 6: more than 5 of 100, whatever comes");
}

fn failures_of_blue_are_not_greens<R: Rollout>(new: New<R>) {
    let mut world = World::watching(new);
    for name in ["blue-1:80", "blue-2:80", "other:80"] {
        let backend = world.fake.get(name);
        (backend.total, backend.failed, backend.is_up) = (100_000, 100_000, false);
    }
    assert_eq!(world.tick(), Status::Underway(10), "everybody but green fails, and is ill");
    assert_eq!(world.pass(), Status::Underway(50), "and so it goes on");
}

fn a_green_one_that_is_ill_brings_it_back<R: Rollout>(new: New<R>) {
    let mut world = World::watching(new);
    world.fake.get("green-2:80").is_up = false;
    assert_eq!(world.tick(), Status::RollingBack(ill("green-2:80")), "one of the green ones is ill");
    world.assert_weights(&blue_has(1), "after that tick");
    world.assert_goes_back(&ill("green-2:80"));
    let mut world = World::usual(new);
    world.fake.fates.push_back(Fate::Unheard);
    assert_eq!(world.tick(), Status::Underway(10), "nothing could be changed yet");
    world.fake.get("green-1:80").is_up = false;
    let gone_back = Status::RolledBack(ill("green-1:80"));
    assert_eq!(world.tick(), gone_back, "ill on the way to the first step, and all weights are as they were");
}

fn an_ill_one_at_the_first_look_changes_nothing<R: Rollout>(new: New<R>) {
    let mut world = World::usual(new);
    world.fake.get("green-1:80").is_up = false;
    assert_eq!(world.tick(), Status::RolledBack(ill("green-1:80")), "ill at the first look");
    assert_eq!(world.fake.changes, 0, "changes");
    world.assert_over(&Status::RolledBack(ill("green-1:80")));
}

fn back_from_the_last_step_somebody_always_serves<R: Rollout>(new: New<R>) {
    for fates in
        [vec![], vec![Fate::Unheard], vec![Fate::Done, Fate::Lost], vec![Fate::Done, Fate::Done, Fate::Unheard]]
    {
        let mut world = World::new(new, &[2, 3], &[1, 1], &[100]);
        assert_eq!(world.tick_twice(), Status::Underway(100), "in a single step of 100 %");
        world.serve(1_000, 500);
        world.fake.fates.extend(fates);
        // That somebody has a weight is held to at each change.
        assert_eq!(world.tick(), Status::RollingBack(Reason::Failures), "half of green's requests fail");
        let mut ticks = 0;
        while world.tick() == Status::RollingBack(Reason::Failures) {
            ticks += 1;
            assert!(ticks < 10, "it should be back after a few ticks, but is not");
        }
        world.assert_weights(&[("blue-1", 2), ("blue-2", 3), ("green-1", 0), ("green-2", 0)], "after all");
        world.assert_over(&Status::RolledBack(Reason::Failures));
    }
}

fn who_does_not_answer_is_asked_again<R: Rollout>(new: New<R>) {
    let mut world = World::usual(new);
    world.fake.is_reachable = false;
    assert_eq!(world.tick_twice(), Status::Underway(10), "nobody has answered yet");
    assert_eq!(world.fake.changes, 0, "changes, without a look");
    world.fake.is_reachable = true;
    world.tick_twice();
    world.assert_share(10);
    // Blind to the end of the step and beyond.
    world.fake.is_reachable = false;
    assert_eq!(world.pass(), Status::Underway(10), "the step is over, and nobody answers");
    world.serve(0, 900);
    world.fake.is_reachable = true;
    assert_eq!(world.tick(), Status::RollingBack(Reason::Failures), "what was not seen then is seen now");
    let mut world = World::watching(new);
    world.serve(1_000, 1_000);
    world.fake.fates.push_back(Fate::Unheard);
    assert_eq!(world.tick(), Status::RollingBack(Reason::Failures), "back, and nobody hears it");
    world.assert_share(10);
    assert_eq!(world.tick(), Status::RollingBack(Reason::Failures), "the same again");
    world.assert_weights(&blue_has(1), "when it was heard");
    world.assert_goes_back(&Reason::Failures);
}

fn a_change_whose_answer_is_lost_is_looked_for<R: Rollout>(new: New<R>) {
    let mut world = World::usual(new);
    // A change that was made is not made again: the fake sees to that.
    for lost in 0..4 {
        world.fake.fates.push_back(Fate::Lost);
        assert_eq!(world.tick(), Status::Underway(10), "the answer to change {lost} is lost");
    }
    world.tick();
    world.assert_share(10);
    assert_eq!(world.pass(), Status::Underway(50), "and then the step is passed");
}

fn a_refused_weight_brings_it_back<R: Rollout>(new: New<R>) {
    for refused in 0..4 {
        let mut world = World::usual(new);
        world.fake.fates.extend(vec![Fate::Done; refused]);
        world.fake.fates.push_back(Fate::Refused);
        let status = world.tick();
        let (Status::RollingBack(reason) | Status::RolledBack(reason)) = status else {
            panic!("after change {refused} was refused it should go back, but is {status:?}");
        };
        let is_named = matches!(&reason, Reason::Refused(name) if world.fake.weights().contains_key(name.as_str()));
        assert!(is_named, "the reason should be the backend whose weight was refused, but is {reason:?}");
        let weights = [("blue-1", 1), ("blue-2", 1), ("green-1", 0), ("green-2", 0)];
        world.assert_weights(&weights, "after the tick in which one was refused");
        if refused > 0 {
            world.assert_goes_back(&reason);
        }
    }
}

fn on_the_way_back_a_refused_weight_is_tried_again<R: Rollout>(new: New<R>) {
    let mut world = World::watching(new);
    world.fake.get("green-1:80").is_up = false;
    let back = Status::RollingBack(ill("green-1:80"));
    for attempt in 1..=5 {
        world.fake.fates = VecDeque::from([Fate::Refused]);
        assert_eq!(world.tick(), back, "the way back is refused, attempt {attempt}");
    }
    world.fake.get("green-1:80").is_up = true;
    world.fake.fates.clear();
    assert_eq!(world.tick(), back, "it is not refused any more; that green is well again changes nothing");
    world.assert_goes_back(&ill("green-1:80"));
}

fn somebody_elses_weight_stops_it<R: Rollout>(new: New<R>) {
    for name in ["blue-2:80", "green-1:80"] {
        for weight in [0, 7] {
            let mut world = World::watching(new);
            world.fake.get(name).weight = weight;
            assert_eq!(world.tick(), interfered(name), "somebody gives {name} the weight {weight} in a step");
            world.assert_over(&interfered(name));
        }
        // On the way: what was changed is changed back.
        let mut world = World::usual(new);
        let before = world.fake.get(name).weight;
        world.fake.fates = VecDeque::from([Fate::Done, Fate::Done, Fate::Done, Fate::Done]);
        world.tick();
        world.fake.get(name).weight = before;
        assert_eq!(world.tick(), interfered(name), "somebody puts back the weight of {name} after our change");
        // On the way back.
        let mut world = World::watching(new);
        world.serve(1_000, 1_000);
        world.fake.fates.push_back(Fate::Unheard);
        world.tick();
        world.fake.get(name).weight = 50;
        let changes = world.fake.changes;
        assert_eq!(world.tick(), interfered(name), "somebody gives {name} the weight 50 on the way back");
        assert_eq!(world.fake.changes, changes, "changes after that");
    }
    // It is looked at before anything is judged.
    let mut world = World::watching(new);
    world.serve(1_000, 1_000);
    world.fake.get("green-2:80").is_up = false;
    world.fake.get("blue-1:80").weight = 50;
    assert_eq!(world.tick(), interfered("blue-1:80"), "green fails and is ill, and somebody is at work already");
}

fn a_backend_that_is_gone_stops_it<R: Rollout>(new: New<R>) {
    for name in ["blue-1:80", "green-2:80"] {
        let mut world = World::usual(new);
        world.fake.backends.retain(|backend| backend.name != name);
        assert_eq!(world.tick(), interfered(name), "{name} is not there at the first look");
        assert_eq!(world.fake.changes, 0, "changes");
        let mut world = World::watching(new);
        world.fake.backends.retain(|backend| backend.name != name);
        assert_eq!(world.tick(), interfered(name), "{name} is taken away in a step");
        world.assert_over(&interfered(name));
    }
}

fn others_in_the_group_are_left_alone<R: Rollout>(new: New<R>) {
    let mut world = World::watching(new);
    world.fake.get("other:80").weight = 3;
    assert_eq!(world.tick(), Status::Underway(10), "another backend of the group gets another weight");
    world.fake.backends.retain(|backend| backend.name != "other:80");
    let listed = Listed { name: "new:80".to_owned(), is_up: false, weight: 9, total: 1, failed: 1 };
    world.fake.backends.insert(0, listed);
    assert_eq!(world.tick(), Status::Underway(10), "it is taken away, and another one comes");
    assert_eq!(world.pass(), Status::Underway(50), "the step is over");
    assert_eq!(world.fake.get("new:80").weight, 9, "the weight of the one that came");
}
