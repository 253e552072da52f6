//! The checks of exercise 4.7: those of the state machine alone, and a suite of the chapter for a balancer with it.

use advanced_features::health::active::health_status::{HealthStatus, HealthStatusFactory, HealthTransition};

use crate::exercise_checks;

exercise_checks!(
    exercises_04,
    e7_health_status::health_status,
    [
        first_check_decides_alone,
        fall_failures_in_a_row_mark_down,
        rise_successes_in_a_row_mark_up,
        with_thresholds_of_one_every_contrary_result_is_a_transition,
        no_transition_is_reported_twice,
        in_transition_only_while_results_contradict_the_status,
        statuses_are_independent,
    ],
    suites ["health"] of "chapter-04-advanced-features" with "your_health_lb" or "solution_health_lb"
);

/// What each of these results (`+` succeeded, `-` failed) leads to: `U` and `D` are transitions, `.` is none.
fn transitions(status: &mut dyn HealthStatus, results: &str) -> String {
    let observed = results.chars().map(|result| match status.observe(result == '+') {
        Some(HealthTransition::Up) => 'U',
        Some(HealthTransition::Down) => 'D',
        None => '.',
    });
    observed.collect()
}

/// Checks rows of `fall`, `rise`, results and the transitions they lead to, each with a new status.
fn assert_transitions(new: HealthStatusFactory, rows: &[(u32, u32, &str, &str)]) {
    for &(fall, rise, results, expected) in rows {
        let seen = transitions(&mut *new(fall, rise), results);
        assert_eq!(seen, expected, "the transitions (U, D) after the results {results}, with fall {fall}, rise {rise}");
    }
}

fn first_check_decides_alone(new: HealthStatusFactory) {
    assert_transitions(
        new,
        &[
            (3, 2, "-", "D"),
            (100, 100, "-", "D"),
            (u32::MAX, u32::MAX, "--", "D."),
            // Up is what it was assumed to be.
            (3, 2, "+", "."),
            // Only the first one: then `fall` and `rise` count.
            (3, 2, "+-", ".."),
            (3, 2, "+--", "..."),
            (3, 2, "-+", "D."),
            (2, 3, "-++-", "D..."),
        ],
    );
}

fn fall_failures_in_a_row_mark_down(new: HealthStatusFactory) {
    assert_transitions(
        new,
        &[
            (3, 2, "+---", "...D"),
            (2, 3, "+--", "..D"),
            (5, 1, "+-----", ".....D"),
            // A success ends the row.
            (3, 2, "+--+--+--+", ".........."),
            (3, 2, "+--+---", "......D"),
            (3, 2, "+-+-+-+-+-", ".........."),
            // Also after it was down, and with a row that began before it was up.
            (3, 2, "-++---", "D.U..D"),
            (3, 2, "--++--+---", "D..U.....D"),
        ],
    );
}

fn rise_successes_in_a_row_mark_up(new: HealthStatusFactory) {
    assert_transitions(
        new,
        &[
            (3, 2, "-++", "D.U"),
            (2, 3, "-+++", "D..U"),
            (1, 5, "-+++++", "D....U"),
            // A failure ends the row.
            (3, 2, "-+-+-+-", "D......"),
            (2, 3, "-++-++-+++", "D........U"),
            // Also after it went down a second time.
            (2, 3, "+--+++--+++", "..D..U.D..U"),
            (2, 3, "+++--++-+++", "....D.....U"),
        ],
    );
}

fn with_thresholds_of_one_every_contrary_result_is_a_transition(new: HealthStatusFactory) {
    assert_transitions(
        new,
        &[
            (1, 1, "+-+-", ".DUD"),
            (1, 1, "-+--++-", "DUD.U.D"),
            (1, 3, "+-++-+++", ".D.....U"),
            (3, 1, "-+--+---", "DU.....D"),
        ],
    );
}

fn no_transition_is_reported_twice(new: HealthStatusFactory) {
    for (fall, rise) in [(1, 1), (2, 2), (3, 2), (2, 5)] {
        let mut status = new(fall, rise);
        for round in 1..=3 {
            let downs = transitions(&mut *status, &"-".repeat(1_000)).matches('D').count();
            assert_eq!(downs, 1, "`Down` in a thousand failures, round {round}, with fall {fall}, rise {rise}");
            let ups = transitions(&mut *status, &"+".repeat(1_000)).matches('U').count();
            assert_eq!(ups, 1, "`Up` in a thousand successes, round {round}, with fall {fall}, rise {rise}");
        }
    }
}

fn in_transition_only_while_results_contradict_the_status(new: HealthStatusFactory) {
    assert!(!new(3, 2).is_in_transition(), "a new status is not in transition");
    // `~` is in transition, `.` is not.
    for (fall, rise, results, expected) in [
        (3, 2, "-", "."),
        (3, 2, "++", ".."),
        (3, 2, "+---", ".~~."),
        (3, 2, "+--+-", ".~~.~"),
        (3, 2, "-+++", ".~.."),
        (3, 2, "-+--", ".~.."),
        (1, 1, "+-+-", "...."),
        (1, 3, "+-++-", "..~~."),
    ] {
        let mut status = new(fall, rise);
        let seen = results.chars().map(|result| {
            status.observe(result == '+');
            if status.is_in_transition() { '~' } else { '.' }
        });
        let seen: String = seen.collect();
        assert_eq!(seen, expected, "in transition (~) after the results {results}, with fall {fall}, rise {rise}");
    }
}

fn statuses_are_independent(new: HealthStatusFactory) {
    let (one, other) = ("+-+-+-+-", "++--++--");
    let alone = [one, other].map(|results| transitions(&mut *new(2, 2), results));
    let mut statuses = [new(2, 2), new(2, 2)];
    let mut seen = [String::new(), String::new()];
    for at in 0..one.len() {
        for (index, results) in [one, other].into_iter().enumerate() {
            seen[index] += &transitions(&mut *statuses[index], &results[at..=at]);
        }
    }
    assert_eq!(seen, alone, "the transitions of two backends with the results {one} and {other}, and of each alone");
}
