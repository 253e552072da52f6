//! The checks of exercise 4.6.

use std::collections::VecDeque;
use std::time::Duration;

use exercises_04::contracts::{Listed, Plan, Reason, Rollout, Status};
use integration_tests::{held_to, seed::Seed};

use world::{Fate, HOLD, NEARLY, World};

mod world;

held_to!(
    exercises_04,
    e6_rollout::rollout,
    [
        green_takes_over_in_steps,
        a_tick_looks_once_and_writes_what_differs,
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

fn a_tick_looks_once_and_writes_what_differs<R: Rollout>(new: New<R>) {
    let mut world = World::usual(new);
    for _ in 0..3 {
        world.tick_twice();
        world.pass();
    }
    assert_eq!(world.tick(), Status::Done, "after the last step");
    assert_eq!(world.looks, 1, "the most looks of a tick");
    assert_eq!(world.fake.rewritten, None, "a backend that was given the weight that it had");
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
            world.assert_not_overtaken();
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
        assert_eq!(world.tick(), Status::RollingBack(Reason::Failures), "half of green's requests fail");
        let mut ticks = 0;
        while world.tick() == Status::RollingBack(Reason::Failures) {
            ticks += 1;
            assert!(ticks < 10, "it should be back after a few ticks, but is not: is a weight refused, the last one?");
        }
        world.assert_not_overtaken();
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
    for lost in 0..4 {
        world.fake.fates.push_back(Fate::Lost);
        assert_eq!(world.tick(), Status::Underway(10), "the answer to change {lost} is lost");
    }
    world.tick();
    world.assert_share(10);
    assert_eq!(world.fake.rewritten, None, "a backend that was given the weight that it had, after a lost answer");
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
