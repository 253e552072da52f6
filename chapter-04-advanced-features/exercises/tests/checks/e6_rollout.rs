//! The checks of exercise 4.6.

use std::collections::VecDeque;
use std::time::Duration;

use exercises_04::contracts::{Listed, Plan, Reason, Rollout, Status};
use integration_tests::{exercise_checks, rng::Rng};

use world::{Fate, HOLD, NEARLY, World};

mod world;

exercise_checks!(
    exercises_04,
    e6_rollout::rollout,
    [
        green_takes_over_in_steps,
        tick_lists_once_and_writes_only_what_differs,
        each_colour_keeps_its_proportions,
        green_never_gets_ahead_of_a_step,
        large_weights_are_reduced,
        step_is_held_from_the_listing_that_confirms_it,
        without_requests_it_waits,
        requests_before_a_step_do_not_count,
        restarted_counter_is_handled,
        too_many_failures_roll_back,
        rolls_back_as_soon_as_the_outcome_is_clear,
        failures_of_blue_do_not_count,
        ill_green_backend_rolls_back,
        ill_backend_in_the_first_listing_changes_nothing,
        rollback_from_the_last_step_never_leaves_all_weights_zero,
        missing_response_is_retried,
        change_with_a_lost_response_is_found_in_the_listing,
        rejected_weight_rolls_back,
        rejected_weight_is_retried_during_rollback,
        foreign_weight_stops_the_rollout,
        missing_backend_stops_the_rollout,
        other_backends_of_the_group_are_ignored,
    ]
);

type New<R> = fn(Plan) -> R;

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
        assert_eq!(world.tick(), Status::Underway(percent), "the tick that confirms the move");
        world.serve(1_000, 0);
        world.now += HOLD;
    }
    assert_eq!(world.tick_now(), Status::Done, "after the last step");
    world.assert_weights(&blue_has(0), "when green has taken over");
    world.assert_over(&Status::Done);
}

fn tick_lists_once_and_writes_only_what_differs<R: Rollout>(new: New<R>) {
    let mut world = World::usual(new);
    for _ in 0..3 {
        world.tick_twice();
        world.pass();
    }
    assert_eq!(world.tick(), Status::Done, "after the last step");
    assert_eq!(world.list_calls, 1, "the most `list` calls in a tick");
    assert_eq!(world.fake.rewritten, None, "a backend that was set to the weight that it had");
    assert_eq!(world.fake.changes, 8, "changes: 1, 1, 0, 0 to 9, 9, 1, 1, to 1, 1, 1, 1, to 0, 0, 1, 1");
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
    let mut seed = Rng::new(6);
    for round in 0..200 {
        let weights = |seed: &mut Rng, least: usize| -> Vec<u32> {
            (0..=seed.below(3)).map(|_| u32::try_from(least + seed.below(6)).unwrap()).collect()
        };
        let (blue, green) = (weights(&mut seed, 1), weights(&mut seed, 1));
        let mut steps: Vec<u32> = (0..seed.below(5)).map(|_| u32::try_from(1 + seed.below(99)).unwrap()).collect();
        steps.sort_unstable();
        steps.dedup();
        steps.push(100);
        let mut world = World::new(new, &blue, &green, &steps);
        // Someone has tried green before.
        world.fake.get("green-1:80").weight = u32::try_from(seed.below(3)).unwrap();
        let mut ticks = 0;
        while world.tick() != Status::Done {
            ticks += 1;
            assert!(ticks < 200, "round {round}: {blue:?} to {green:?} by {steps:?} should be done, but is not");
            // Interrupted changes must keep the invariants, too.
            world.fake.fates.extend((0..seed.below(4)).map(|_| Fate::Done));
            world.fake.fates.push_back(*seed.pick(&[Fate::Done, Fate::NotMade, Fate::Lost]));
            world.serve(1_000, 0);
            world.now += HOLD / 2;
            world.assert_not_overtaken();
        }
    }
}

fn large_weights_are_reduced<R: Rollout>(new: New<R>) {
    let steps = [1, 50, 99, 100];
    let mut world = World::new(new, &[10_000, 30_000], &[20_000, 20_000], &steps);
    for percent in steps {
        assert_eq!(world.tick_twice(), Status::Underway(percent), "in the step of {percent} %");
        world.assert_share(percent.into());
        let weights = world.fake.weights();
        let is_small = weights.iter().all(|(name, weight)| *name == "other:80" || *weight < 300);
        assert!(is_small, "at {percent} % the smallest integers should be used, but the weights are {weights:?}");
        world.serve(1_000, 0);
        world.now += HOLD;
    }
    world.fake.get("green-2:80").is_up = false;
    assert_eq!(world.tick(), Status::RollingBack(ill("green-2:80")), "after a failure in the last step");
    world.assert_weights(&[("blue-1", 10_000), ("blue-2", 30_000)], "during the rollback, as in the first listing");
}

fn step_is_held_from_the_listing_that_confirms_it<R: Rollout>(new: New<R>) {
    let mut world = World::usual(new);
    // The last change fails at first, so the step begins later.
    world.fake.fates = VecDeque::from([Fate::Done, Fate::Done, Fate::Done, Fate::NotMade]);
    world.tick();
    world.now += HOLD;
    assert_eq!(world.tick(), Status::Underway(10), "the tick that makes the last change");
    assert_eq!(world.tick(), Status::Underway(10), "the tick that confirms all changes: the step begins");
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
    assert_eq!(world.tick(), Status::Underway(10), "held for long, with 98 requests where 100 are required");
    world.serve(1, 0);
    assert_eq!(world.tick(), Status::Underway(50), "held for long, with 100 requests");
}

fn requests_before_a_step_do_not_count<R: Rollout>(new: New<R>) {
    let mut world = World::usual(new);
    world.serve(5_000, 5_000);
    world.tick();
    world.serve(5_000, 5_000);
    world.tick();
    world.now += HOLD;
    let when = "failures before the step and while the weights were changed, and no request since";
    assert_eq!(world.tick(), Status::Underway(10), "{when}");
    assert_eq!(world.pass(), Status::Underway(50), "1000 requests since, all successful");
    world.serve(500, 500);
    assert_eq!(world.tick(), Status::Underway(50), "failures while the weights were changed to the second step");
    world.now += HOLD;
    assert_eq!(world.tick(), Status::Underway(50), "the requests of the first step do not count in the second");
}

fn restarted_counter_is_handled<R: Rollout>(new: New<R>) {
    let mut world = World::watching(new);
    world.serve(200, 0);
    assert_eq!(world.tick(), Status::Underway(10), "no failures of 400");
    let started_again = world.fake.get("green-1:80");
    (started_again.total, started_again.failed) = (40, 13);
    assert_eq!(world.tick(), Status::Underway(10), "one has restarted, and has 13 failures of 40: of 440 in all");
    let started_again = world.fake.get("green-1:80");
    (started_again.total, started_again.failed) = (60, 24);
    let back = Status::RollingBack(Reason::Failures);
    assert_eq!(world.tick(), back, "it has 24 failures of 60 by now: of 460 in all");
}

fn too_many_failures_roll_back<R: Rollout>(new: New<R>) {
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

fn rolls_back_as_soon_as_the_outcome_is_clear<R: Rollout>(new: New<R>) {
    let mut world = World::watching(new);
    world.fake.get("green-1:80").total += 5;
    world.fake.get("green-1:80").failed += 5;
    assert_eq!(world.tick(), Status::Underway(10), "5 failures of 5: the other 95 of 100 may succeed");
    world.fake.get("green-2:80").total += 1;
    world.fake.get("green-2:80").failed += 1;
    let back = Status::RollingBack(Reason::Failures);
    assert_eq!(world.tick(), back, "6 failures of 6: more than 5 of 100, whatever follows");
}

fn failures_of_blue_do_not_count<R: Rollout>(new: New<R>) {
    let mut world = World::watching(new);
    for name in ["blue-1:80", "blue-2:80", "other:80"] {
        let backend = world.fake.get(name);
        (backend.total, backend.failed, backend.is_up) = (100_000, 100_000, false);
    }
    assert_eq!(world.tick(), Status::Underway(10), "all backends but green fail, and are unhealthy");
    assert_eq!(world.pass(), Status::Underway(50), "and so the rollout moves on");
}

fn ill_green_backend_rolls_back<R: Rollout>(new: New<R>) {
    let mut world = World::watching(new);
    world.fake.get("green-2:80").is_up = false;
    assert_eq!(world.tick(), Status::RollingBack(ill("green-2:80")), "one of the green ones is ill");
    world.assert_weights(&blue_has(1), "after that tick");
    world.assert_goes_back(&ill("green-2:80"));
    let mut world = World::usual(new);
    world.fake.fates.push_back(Fate::NotMade);
    assert_eq!(world.tick(), Status::Underway(10), "nothing could be changed yet");
    world.fake.get("green-1:80").is_up = false;
    let rolled_back = Status::RolledBack(ill("green-1:80"));
    assert_eq!(world.tick(), rolled_back, "ill while moving to the first step, and all weights are as they were");
}

fn ill_backend_in_the_first_listing_changes_nothing<R: Rollout>(new: New<R>) {
    let mut world = World::usual(new);
    world.fake.get("green-1:80").is_up = false;
    assert_eq!(world.tick(), Status::RolledBack(ill("green-1:80")), "ill at the first look");
    assert_eq!(world.fake.changes, 0, "changes");
    world.assert_over(&Status::RolledBack(ill("green-1:80")));
}

fn rollback_from_the_last_step_never_leaves_all_weights_zero<R: Rollout>(new: New<R>) {
    for fates in
        [vec![], vec![Fate::NotMade], vec![Fate::Done, Fate::Lost], vec![Fate::Done, Fate::Done, Fate::NotMade]]
    {
        let mut world = World::new(new, &[2, 3], &[1, 1], &[100]);
        assert_eq!(world.tick_twice(), Status::Underway(100), "in a single step of 100 %");
        world.serve(1_000, 500);
        world.fake.fates.extend(fates);
        assert_eq!(world.tick(), Status::RollingBack(Reason::Failures), "half of green's requests fail");
        let mut ticks = 0;
        while world.tick() == Status::RollingBack(Reason::Failures) {
            ticks += 1;
            assert!(
                ticks < 10,
                "it should be back after a few ticks, but is not: is the last nonzero weight rejected?"
            );
        }
        world.assert_not_overtaken();
        world.assert_weights(&[("blue-1", 2), ("blue-2", 3), ("green-1", 0), ("green-2", 0)], "after all");
        world.assert_over(&Status::RolledBack(Reason::Failures));
    }
}

fn missing_response_is_retried<R: Rollout>(new: New<R>) {
    let mut world = World::usual(new);
    world.fake.is_reachable = false;
    assert_eq!(world.tick_twice(), Status::Underway(10), "no response yet");
    assert_eq!(world.fake.changes, 0, "changes, without a listing");
    world.fake.is_reachable = true;
    world.tick_twice();
    world.assert_share(10);
    // Without responses to the end of the step and beyond.
    world.fake.is_reachable = false;
    assert_eq!(world.pass(), Status::Underway(10), "the step is over, without a response");
    world.serve(0, 900);
    world.fake.is_reachable = true;
    assert_eq!(world.tick(), Status::RollingBack(Reason::Failures), "failures that were not seen then are seen now");
    let mut world = World::watching(new);
    world.serve(1_000, 1_000);
    world.fake.fates.push_back(Fate::NotMade);
    assert_eq!(world.tick(), Status::RollingBack(Reason::Failures), "rolling back, and the change is not made");
    world.assert_share(10);
    assert_eq!(world.tick(), Status::RollingBack(Reason::Failures), "the same again");
    world.assert_weights(&blue_has(1), "when the change was made");
    world.assert_goes_back(&Reason::Failures);
}

fn change_with_a_lost_response_is_found_in_the_listing<R: Rollout>(new: New<R>) {
    let mut world = World::usual(new);
    for lost in 0..4 {
        world.fake.fates.push_back(Fate::Lost);
        assert_eq!(world.tick(), Status::Underway(10), "the response to change {lost} is lost");
    }
    world.tick();
    world.assert_share(10);
    assert_eq!(world.fake.rewritten, None, "a backend that was set to the weight that it had, after a lost response");
    assert_eq!(world.pass(), Status::Underway(50), "and then the step is passed");
}

fn rejected_weight_rolls_back<R: Rollout>(new: New<R>) {
    for rejected in 0..4 {
        let mut world = World::usual(new);
        world.fake.fates.extend(vec![Fate::Done; rejected]);
        world.fake.fates.push_back(Fate::Refused);
        let status = world.tick();
        let (Status::RollingBack(reason) | Status::RolledBack(reason)) = status else {
            panic!("after change {rejected} was rejected it should roll back, but is {status:?}");
        };
        let is_named = matches!(&reason, Reason::Refused(name) if world.fake.weights().contains_key(name.as_str()));
        assert!(is_named, "the reason should be the backend whose weight was rejected, but is {reason:?}");
        let weights = [("blue-1", 1), ("blue-2", 1), ("green-1", 0), ("green-2", 0)];
        world.assert_weights(&weights, "after the tick in which one was rejected");
        if rejected > 0 {
            world.assert_goes_back(&reason);
        }
    }
}

fn rejected_weight_is_retried_during_rollback<R: Rollout>(new: New<R>) {
    let mut world = World::watching(new);
    world.fake.get("green-1:80").is_up = false;
    let back = Status::RollingBack(ill("green-1:80"));
    for attempt in 1..=5 {
        world.fake.fates = VecDeque::from([Fate::Refused]);
        assert_eq!(world.tick(), back, "the rollback is rejected, attempt {attempt}");
    }
    world.fake.get("green-1:80").is_up = true;
    world.fake.fates.clear();
    assert_eq!(world.tick(), back, "it is not rejected any more; that green is healthy again changes nothing");
    world.assert_goes_back(&ill("green-1:80"));
}

fn foreign_weight_stops_the_rollout<R: Rollout>(new: New<R>) {
    for name in ["blue-2:80", "green-1:80"] {
        for weight in [0, 7] {
            let mut world = World::watching(new);
            world.fake.get(name).weight = weight;
            assert_eq!(world.tick(), interfered(name), "someone sets {name} to weight {weight} in a step");
            world.assert_over(&interfered(name));
        }
        // While moving: a change is reverted.
        let mut world = World::usual(new);
        let before = world.fake.get(name).weight;
        world.fake.fates = VecDeque::from([Fate::Done, Fate::Done, Fate::Done, Fate::Done]);
        world.tick();
        world.fake.get(name).weight = before;
        assert_eq!(world.tick(), interfered(name), "someone restores the weight of {name} after our change");
        // During the rollback.
        let mut world = World::watching(new);
        world.serve(1_000, 1_000);
        world.fake.fates.push_back(Fate::NotMade);
        world.tick();
        world.fake.get(name).weight = 50;
        let changes = world.fake.changes;
        assert_eq!(world.tick(), interfered(name), "someone sets {name} to weight 50 during the rollback");
        assert_eq!(world.fake.changes, changes, "changes after that");
    }
    // This is checked before anything is judged.
    let mut world = World::watching(new);
    world.serve(1_000, 1_000);
    world.fake.get("green-2:80").is_up = false;
    world.fake.get("blue-1:80").weight = 50;
    assert_eq!(
        world.tick(),
        interfered("blue-1:80"),
        "green fails and is ill, and someone has changed a weight already"
    );
}

fn missing_backend_stops_the_rollout<R: Rollout>(new: New<R>) {
    for name in ["blue-1:80", "green-2:80"] {
        let mut world = World::usual(new);
        world.fake.backends.retain(|backend| backend.name != name);
        assert_eq!(world.tick(), interfered(name), "{name} is missing in the first listing");
        assert_eq!(world.fake.changes, 0, "changes");
        let mut world = World::watching(new);
        world.fake.backends.retain(|backend| backend.name != name);
        assert_eq!(world.tick(), interfered(name), "{name} is removed in a step");
        world.assert_over(&interfered(name));
    }
}

fn other_backends_of_the_group_are_ignored<R: Rollout>(new: New<R>) {
    let mut world = World::watching(new);
    world.fake.get("other:80").weight = 3;
    assert_eq!(world.tick(), Status::Underway(10), "another backend of the group gets another weight");
    world.fake.backends.retain(|backend| backend.name != "other:80");
    let listed = Listed { name: "new:80".to_owned(), is_up: false, weight: 9, total: 1, failed: 1 };
    world.fake.backends.insert(0, listed);
    assert_eq!(world.tick(), Status::Underway(10), "it is removed, and another one joins");
    assert_eq!(world.pass(), Status::Underway(50), "the step is over");
    assert_eq!(world.fake.get("new:80").weight, 9, "the weight of the one that joined");
}
