//! The checks of exercise 4.6.

use std::collections::VecDeque;
use std::time::Duration;

use exercises_04::contracts::{AbortReason, BackendStatus, Rollout, RolloutPlan, RolloutStatus};
use integration_tests::rng::Rng;

use simulation::{ChangeOutcome, HOLD, NEARLY_HOLD, Simulation};

use crate::exercise_checks;

mod simulation;

exercise_checks!(
    exercises_04,
    e6_rollout::rollout,
    [
        green_takes_over_in_steps,
        tick_lists_once_and_writes_only_what_differs,
        each_colour_keeps_its_proportions,
        green_never_exceeds_the_share_of_a_step,
        large_weights_are_reduced,
        step_is_held_from_the_listing_that_confirms_it,
        step_without_requests_is_not_passed,
        requests_before_a_step_do_not_count,
        restarted_counter_is_handled,
        too_many_failures_roll_back,
        rolls_back_as_soon_as_the_outcome_is_clear,
        failures_of_blue_do_not_count,
        unhealthy_green_backend_rolls_back,
        unhealthy_backend_in_the_first_listing_changes_nothing,
        rollback_from_the_last_step_never_leaves_all_weights_zero,
        missing_response_is_retried,
        change_with_a_lost_response_is_found_in_the_listing,
        rejected_weight_rolls_back,
        rejected_weight_is_retried_during_rollback,
        external_weight_change_stops_the_rollout,
        missing_backend_stops_the_rollout,
        other_backends_of_the_group_are_ignored,
    ]
);

type New<R> = fn(RolloutPlan) -> R;

fn blue_weights(weight: u32) -> [(&'static str, u32); 2] {
    [("blue-1", weight), ("blue-2", weight)]
}

fn unhealthy(name: &str) -> AbortReason {
    AbortReason::Unhealthy(name.to_owned())
}

fn external_change(name: &str) -> RolloutStatus {
    RolloutStatus::Stopped(AbortReason::ExternalChange(name.to_owned()))
}

fn green_takes_over_in_steps<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::two_by_two(new);
    for percent in [10, 50, 100] {
        assert_eq!(simulation.tick_now(), RolloutStatus::InProgress(percent), "the tick that moves to {percent} %");
        simulation.assert_share(percent.into());
        assert_eq!(simulation.tick(), RolloutStatus::InProgress(percent), "the tick that confirms the move");
        simulation.serve(1_000, 0);
        simulation.now += HOLD;
    }
    assert_eq!(simulation.tick_now(), RolloutStatus::Done, "after the last step");
    simulation.assert_weights(&blue_weights(0), "when green has taken over");
    simulation.assert_ended(&RolloutStatus::Done);
}

fn tick_lists_once_and_writes_only_what_differs<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::two_by_two(new);
    for _ in 0..3 {
        simulation.tick_twice();
        simulation.pass_step();
    }
    assert_eq!(simulation.tick(), RolloutStatus::Done, "after the last step");
    assert_eq!(simulation.list_calls, 1, "the most `list` calls in a tick");
    assert_eq!(simulation.admin.rewritten, None, "a backend that was set to the weight that it had");
    assert_eq!(simulation.admin.changes, 8, "changes: 1, 1, 0, 0 to 9, 9, 1, 1, to 1, 1, 1, 1, to 0, 0, 1, 1");
}

fn each_colour_keeps_its_proportions<R: Rollout>(new: New<R>) {
    let steps = [1, 5, 25, 33, 50, 60, 90, 100];
    let mut simulation = Simulation::new(new, &[3, 1, 0], &[1, 2], &steps);
    for percent in steps {
        assert_eq!(simulation.tick_twice(), RolloutStatus::InProgress(percent), "in the step of {percent} %");
        simulation.assert_share(percent.into());
        let weights = simulation.admin.weights();
        let [one, other, none] = ["blue-1:80", "blue-2:80", "blue-3:80"].map(|name| weights[name]);
        assert_eq!((one, none), (3 * other, 0), "blue at {percent} %, where it was 3:1:0: {weights:?}");
        assert_eq!(2 * weights["green-1:80"], weights["green-2:80"], "green at {percent} %, planned 1:2: {weights:?}");
        simulation.serve(1_000, 0);
        simulation.now += HOLD;
    }
    assert_eq!(simulation.tick(), RolloutStatus::Done, "after the last step");
}

fn green_never_exceeds_the_share_of_a_step<R: Rollout>(new: New<R>) {
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
        let mut simulation = Simulation::new(new, &blue, &green, &steps);
        // Someone has tried green before.
        simulation.admin.get("green-1:80").weight = u32::try_from(seed.below(3)).unwrap();
        let mut ticks = 0;
        while simulation.tick() != RolloutStatus::Done {
            ticks += 1;
            assert!(ticks < 200, "round {round}: {blue:?} to {green:?} by {steps:?} should be done, but is not");
            // Interrupted changes must keep the invariants, too.
            simulation.admin.outcomes.extend((0..seed.below(4)).map(|_| ChangeOutcome::Made));
            simulation.admin.outcomes.push_back(*seed.pick(&[
                ChangeOutcome::Made,
                ChangeOutcome::NotMade,
                ChangeOutcome::ResponseLost,
            ]));
            simulation.serve(1_000, 0);
            simulation.now += HOLD / 2;
            simulation.assert_share_never_exceeded();
        }
    }
}

fn large_weights_are_reduced<R: Rollout>(new: New<R>) {
    let steps = [1, 50, 99, 100];
    let mut simulation = Simulation::new(new, &[10_000, 30_000], &[20_000, 20_000], &steps);
    for percent in steps {
        assert_eq!(simulation.tick_twice(), RolloutStatus::InProgress(percent), "in the step of {percent} %");
        simulation.assert_share(percent.into());
        let weights = simulation.admin.weights();
        let is_small = weights.iter().all(|(name, weight)| *name == "other:80" || *weight < 300);
        assert!(is_small, "at {percent} % the smallest integers should be used, but the weights are {weights:?}");
        simulation.serve(1_000, 0);
        simulation.now += HOLD;
    }
    simulation.admin.get("green-2:80").is_up = false;
    assert_eq!(
        simulation.tick(),
        RolloutStatus::RollingBack(unhealthy("green-2:80")),
        "after a failure in the last step"
    );
    simulation
        .assert_weights(&[("blue-1", 10_000), ("blue-2", 30_000)], "during the rollback, as in the first listing");
}

fn step_is_held_from_the_listing_that_confirms_it<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::two_by_two(new);
    // The last change fails at first, so the step begins later.
    simulation.admin.outcomes =
        VecDeque::from([ChangeOutcome::Made, ChangeOutcome::Made, ChangeOutcome::Made, ChangeOutcome::NotMade]);
    simulation.tick();
    simulation.now += HOLD;
    assert_eq!(simulation.tick(), RolloutStatus::InProgress(10), "the tick that makes the last change");
    assert_eq!(simulation.tick(), RolloutStatus::InProgress(10), "the tick that confirms all changes: the step begins");
    simulation.assert_share(10);
    simulation.serve(1_000, 0);
    simulation.now += NEARLY_HOLD;
    assert_eq!(simulation.tick_now(), RolloutStatus::InProgress(10), "a nanosecond before the end of the step");
    simulation.now += Duration::from_nanos(1);
    assert_eq!(simulation.tick_now(), RolloutStatus::InProgress(50), "at the end of the step");
    simulation.assert_share(50);
}

fn step_without_requests_is_not_passed<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::watching(new);
    simulation.now += HOLD * 20;
    assert_eq!(simulation.tick(), RolloutStatus::InProgress(10), "held for long, without a request");
    // Of both together 98, and then 100.
    simulation.serve(49, 0);
    assert_eq!(
        simulation.tick(),
        RolloutStatus::InProgress(10),
        "held for long, with 98 requests where 100 are required"
    );
    simulation.serve(1, 0);
    assert_eq!(simulation.tick(), RolloutStatus::InProgress(50), "held for long, with 100 requests");
}

fn requests_before_a_step_do_not_count<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::two_by_two(new);
    simulation.serve(5_000, 5_000);
    simulation.tick();
    simulation.serve(5_000, 5_000);
    simulation.tick();
    simulation.now += HOLD;
    let when = "failures before the step and while the weights were changed, and no request since";
    assert_eq!(simulation.tick(), RolloutStatus::InProgress(10), "{when}");
    assert_eq!(simulation.pass_step(), RolloutStatus::InProgress(50), "1000 requests since, all successful");
    simulation.serve(500, 500);
    assert_eq!(
        simulation.tick(),
        RolloutStatus::InProgress(50),
        "failures while the weights were changed to the second step"
    );
    simulation.now += HOLD;
    assert_eq!(
        simulation.tick(),
        RolloutStatus::InProgress(50),
        "the requests of the first step do not count in the second"
    );
}

fn restarted_counter_is_handled<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::watching(new);
    simulation.serve(200, 0);
    assert_eq!(simulation.tick(), RolloutStatus::InProgress(10), "no failures of 400");
    let started_again = simulation.admin.get("green-1:80");
    (started_again.total, started_again.failed) = (40, 13);
    assert_eq!(
        simulation.tick(),
        RolloutStatus::InProgress(10),
        "one has restarted, and has 13 failures of 40: of 440 in all"
    );
    let started_again = simulation.admin.get("green-1:80");
    (started_again.total, started_again.failed) = (60, 24);
    let back = RolloutStatus::RollingBack(AbortReason::Failures);
    assert_eq!(simulation.tick(), back, "it has 24 failures of 60 by now: of 460 in all");
}

fn too_many_failures_roll_back<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::watching(new);
    simulation.serve(400, 20);
    assert_eq!(simulation.tick(), RolloutStatus::InProgress(10), "40 failures of 800: 5 %, which is allowed");
    simulation.serve(0, 1);
    assert_eq!(simulation.tick(), RolloutStatus::RollingBack(AbortReason::Failures), "42 failures of 800");
    simulation.assert_weights(&blue_weights(1), "after that tick");
    simulation.assert_weights(&[("green-1", 0), ("green-2", 0)], "after that tick");
    simulation.assert_rolls_back(&AbortReason::Failures);
    let mut simulation = Simulation::watching(new);
    simulation.serve(100, 6);
    simulation.now += HOLD;
    let back = RolloutStatus::RollingBack(AbortReason::Failures);
    assert_eq!(simulation.tick(), back, "12 failures of 200, first seen at the end of the step");
}

fn rolls_back_as_soon_as_the_outcome_is_clear<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::watching(new);
    simulation.admin.get("green-1:80").total += 5;
    simulation.admin.get("green-1:80").failed += 5;
    assert_eq!(simulation.tick(), RolloutStatus::InProgress(10), "5 failures of 5: the other 95 of 100 may succeed");
    simulation.admin.get("green-2:80").total += 1;
    simulation.admin.get("green-2:80").failed += 1;
    let back = RolloutStatus::RollingBack(AbortReason::Failures);
    assert_eq!(simulation.tick(), back, "6 failures of 6: more than 5 of 100, whatever follows");
}

fn failures_of_blue_do_not_count<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::watching(new);
    for name in ["blue-1:80", "blue-2:80", "other:80"] {
        let backend = simulation.admin.get(name);
        (backend.total, backend.failed, backend.is_up) = (100_000, 100_000, false);
    }
    assert_eq!(simulation.tick(), RolloutStatus::InProgress(10), "all backends but green fail, and are unhealthy");
    assert_eq!(simulation.pass_step(), RolloutStatus::InProgress(50), "and so the rollout moves on");
}

fn unhealthy_green_backend_rolls_back<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::watching(new);
    simulation.admin.get("green-2:80").is_up = false;
    assert_eq!(
        simulation.tick(),
        RolloutStatus::RollingBack(unhealthy("green-2:80")),
        "one of the green ones is unhealthy"
    );
    simulation.assert_weights(&blue_weights(1), "after that tick");
    simulation.assert_rolls_back(&unhealthy("green-2:80"));
    let mut simulation = Simulation::two_by_two(new);
    simulation.admin.outcomes.push_back(ChangeOutcome::NotMade);
    assert_eq!(simulation.tick(), RolloutStatus::InProgress(10), "nothing could be changed yet");
    simulation.admin.get("green-1:80").is_up = false;
    let rolled_back = RolloutStatus::RolledBack(unhealthy("green-1:80"));
    assert_eq!(
        simulation.tick(),
        rolled_back,
        "unhealthy while moving to the first step, and all weights are as they were"
    );
}

fn unhealthy_backend_in_the_first_listing_changes_nothing<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::two_by_two(new);
    simulation.admin.get("green-1:80").is_up = false;
    assert_eq!(simulation.tick(), RolloutStatus::RolledBack(unhealthy("green-1:80")), "unhealthy in the first listing");
    assert_eq!(simulation.admin.changes, 0, "changes");
    simulation.assert_ended(&RolloutStatus::RolledBack(unhealthy("green-1:80")));
}

fn rollback_from_the_last_step_never_leaves_all_weights_zero<R: Rollout>(new: New<R>) {
    for outcomes in [
        vec![],
        vec![ChangeOutcome::NotMade],
        vec![ChangeOutcome::Made, ChangeOutcome::ResponseLost],
        vec![ChangeOutcome::Made, ChangeOutcome::Made, ChangeOutcome::NotMade],
    ] {
        let mut simulation = Simulation::new(new, &[2, 3], &[1, 1], &[100]);
        assert_eq!(simulation.tick_twice(), RolloutStatus::InProgress(100), "in a single step of 100 %");
        simulation.serve(1_000, 500);
        simulation.admin.outcomes.extend(outcomes);
        assert_eq!(
            simulation.tick(),
            RolloutStatus::RollingBack(AbortReason::Failures),
            "half of green's requests fail"
        );
        let mut ticks = 0;
        while simulation.tick() == RolloutStatus::RollingBack(AbortReason::Failures) {
            ticks += 1;
            assert!(
                ticks < 10,
                "it should be back after a few ticks, but is not: is the last nonzero weight rejected?"
            );
        }
        simulation.assert_share_never_exceeded();
        simulation.assert_weights(&[("blue-1", 2), ("blue-2", 3), ("green-1", 0), ("green-2", 0)], "after all");
        simulation.assert_ended(&RolloutStatus::RolledBack(AbortReason::Failures));
    }
}

fn missing_response_is_retried<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::two_by_two(new);
    simulation.admin.is_reachable = false;
    assert_eq!(simulation.tick_twice(), RolloutStatus::InProgress(10), "no response yet");
    assert_eq!(simulation.admin.changes, 0, "changes, without a listing");
    simulation.admin.is_reachable = true;
    simulation.tick_twice();
    simulation.assert_share(10);
    // Without responses to the end of the step and beyond.
    simulation.admin.is_reachable = false;
    assert_eq!(simulation.pass_step(), RolloutStatus::InProgress(10), "the step is over, without a response");
    simulation.serve(0, 900);
    simulation.admin.is_reachable = true;
    assert_eq!(
        simulation.tick(),
        RolloutStatus::RollingBack(AbortReason::Failures),
        "failures that were not seen then are seen now"
    );
    let mut simulation = Simulation::watching(new);
    simulation.serve(1_000, 1_000);
    simulation.admin.outcomes.push_back(ChangeOutcome::NotMade);
    assert_eq!(
        simulation.tick(),
        RolloutStatus::RollingBack(AbortReason::Failures),
        "rolling back, and the change is not made"
    );
    simulation.assert_share(10);
    assert_eq!(simulation.tick(), RolloutStatus::RollingBack(AbortReason::Failures), "the same again");
    simulation.assert_weights(&blue_weights(1), "when the change was made");
    simulation.assert_rolls_back(&AbortReason::Failures);
}

fn change_with_a_lost_response_is_found_in_the_listing<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::two_by_two(new);
    for lost in 0..4 {
        simulation.admin.outcomes.push_back(ChangeOutcome::ResponseLost);
        assert_eq!(simulation.tick(), RolloutStatus::InProgress(10), "the response to change {lost} is lost");
    }
    simulation.tick();
    simulation.assert_share(10);
    assert_eq!(
        simulation.admin.rewritten, None,
        "a backend that was set to the weight that it had, after a lost response"
    );
    assert_eq!(simulation.pass_step(), RolloutStatus::InProgress(50), "and then the step is passed");
}

fn rejected_weight_rolls_back<R: Rollout>(new: New<R>) {
    for rejected in 0..4 {
        let mut simulation = Simulation::two_by_two(new);
        simulation.admin.outcomes.extend(vec![ChangeOutcome::Made; rejected]);
        simulation.admin.outcomes.push_back(ChangeOutcome::Rejected);
        let status = simulation.tick();
        let (RolloutStatus::RollingBack(reason) | RolloutStatus::RolledBack(reason)) = status else {
            panic!("after change {rejected} was rejected it should roll back, but is {status:?}");
        };
        let weights = simulation.admin.weights();
        let is_named = matches!(&reason, AbortReason::WeightRejected(name) if weights.contains_key(name.as_str()));
        assert!(is_named, "the reason should be the backend whose weight was rejected, but is {reason:?}");
        let weights = [("blue-1", 1), ("blue-2", 1), ("green-1", 0), ("green-2", 0)];
        simulation.assert_weights(&weights, "after the tick in which one was rejected");
        if rejected > 0 {
            simulation.assert_rolls_back(&reason);
        }
    }
}

fn rejected_weight_is_retried_during_rollback<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::watching(new);
    simulation.admin.get("green-1:80").is_up = false;
    let back = RolloutStatus::RollingBack(unhealthy("green-1:80"));
    for attempt in 1..=5 {
        simulation.admin.outcomes = VecDeque::from([ChangeOutcome::Rejected]);
        assert_eq!(simulation.tick(), back, "the rollback is rejected, attempt {attempt}");
    }
    simulation.admin.get("green-1:80").is_up = true;
    simulation.admin.outcomes.clear();
    assert_eq!(simulation.tick(), back, "it is not rejected any more; that green is healthy again changes nothing");
    simulation.assert_rolls_back(&unhealthy("green-1:80"));
}

fn external_weight_change_stops_the_rollout<R: Rollout>(new: New<R>) {
    for name in ["blue-2:80", "green-1:80"] {
        for weight in [0, 7] {
            let mut simulation = Simulation::watching(new);
            simulation.admin.get(name).weight = weight;
            assert_eq!(simulation.tick(), external_change(name), "someone sets {name} to weight {weight} in a step");
            simulation.assert_ended(&external_change(name));
        }
        // While moving: a change is reverted.
        let mut simulation = Simulation::two_by_two(new);
        let before = simulation.admin.get(name).weight;
        simulation.admin.outcomes =
            VecDeque::from([ChangeOutcome::Made, ChangeOutcome::Made, ChangeOutcome::Made, ChangeOutcome::Made]);
        simulation.tick();
        simulation.admin.get(name).weight = before;
        assert_eq!(simulation.tick(), external_change(name), "someone restores the weight of {name} after our change");
        // During the rollback.
        let mut simulation = Simulation::watching(new);
        simulation.serve(1_000, 1_000);
        simulation.admin.outcomes.push_back(ChangeOutcome::NotMade);
        simulation.tick();
        simulation.admin.get(name).weight = 50;
        let changes = simulation.admin.changes;
        assert_eq!(simulation.tick(), external_change(name), "someone sets {name} to weight 50 during the rollback");
        assert_eq!(simulation.admin.changes, changes, "changes after that");
    }
    // This is checked before failures and health.
    let mut simulation = Simulation::watching(new);
    simulation.serve(1_000, 1_000);
    simulation.admin.get("green-2:80").is_up = false;
    simulation.admin.get("blue-1:80").weight = 50;
    assert_eq!(
        simulation.tick(),
        external_change("blue-1:80"),
        "green fails and is unhealthy, and someone has changed a weight already"
    );
}

fn missing_backend_stops_the_rollout<R: Rollout>(new: New<R>) {
    for name in ["blue-1:80", "green-2:80"] {
        let mut simulation = Simulation::two_by_two(new);
        simulation.admin.backends.retain(|backend| backend.name != name);
        assert_eq!(simulation.tick(), external_change(name), "{name} is missing in the first listing");
        assert_eq!(simulation.admin.changes, 0, "changes");
        let mut simulation = Simulation::watching(new);
        simulation.admin.backends.retain(|backend| backend.name != name);
        assert_eq!(simulation.tick(), external_change(name), "{name} is removed in a step");
        simulation.assert_ended(&external_change(name));
    }
}

fn other_backends_of_the_group_are_ignored<R: Rollout>(new: New<R>) {
    let mut simulation = Simulation::watching(new);
    simulation.admin.get("other:80").weight = 3;
    assert_eq!(simulation.tick(), RolloutStatus::InProgress(10), "another backend of the group gets another weight");
    simulation.admin.backends.retain(|backend| backend.name != "other:80");
    let listed = BackendStatus { name: "new:80".to_owned(), is_up: false, weight: 9, total: 1, failed: 1 };
    simulation.admin.backends.insert(0, listed);
    assert_eq!(simulation.tick(), RolloutStatus::InProgress(10), "it is removed, and another one joins");
    assert_eq!(simulation.pass_step(), RolloutStatus::InProgress(50), "the step is over");
    assert_eq!(simulation.admin.get("new:80").weight, 9, "the weight of the one that joined");
}
