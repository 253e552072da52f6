//! The checks of exercise 8.2.

use crate::exercise_checks;

type Increase = fn(&[f64]) -> Option<f64>;

exercise_checks!(
    exercises_08,
    e2_increase::increase,
    [
        one_scrape_says_nothing,
        a_counter_that_was_not_restarted_has_grown_by_the_difference,
        after_a_restart_all_of_the_value_is_growth,
        several_restarts_are_all_seen,
        a_restart_that_overtakes_the_old_value_is_not_seen,
    ]
);

fn assert_grown(increase: Increase, values: &[f64], expected: Option<f64>) {
    assert_eq!(increase(values), expected, "{values:?}");
}

fn one_scrape_says_nothing(increase: Increase) {
    assert_grown(increase, &[], None);
    assert_grown(increase, &[7.0], None);
}

fn a_counter_that_was_not_restarted_has_grown_by_the_difference(increase: Increase) {
    assert_grown(increase, &[7.0, 7.0], Some(0.0));
    assert_grown(increase, &[7.0, 9.0, 12.0], Some(5.0));
    assert_grown(increase, &[0.0, 1e9], Some(1e9));
}

fn after_a_restart_all_of_the_value_is_growth(increase: Increase) {
    // 5 before the restart, 3 after it.
    assert_grown(increase, &[95.0, 100.0, 3.0], Some(8.0));
    assert_grown(increase, &[100.0, 0.0], Some(0.0));
    assert_grown(increase, &[100.0, 0.0, 4.0], Some(4.0));
}

fn several_restarts_are_all_seen(increase: Increase) {
    assert_grown(increase, &[10.0, 20.0, 5.0, 6.0, 1.0, 2.0], Some(10.0 + 5.0 + 1.0 + 1.0 + 1.0));
}

/// Nobody can see that: a short interval between scrapes makes it unlikely.
fn a_restart_that_overtakes_the_old_value_is_not_seen(increase: Increase) {
    assert_grown(increase, &[10.0, 12.0], Some(2.0));
}
