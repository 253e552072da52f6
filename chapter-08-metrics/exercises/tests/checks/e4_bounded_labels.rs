//! The checks of exercise 8.4.

use exercises_08::contracts::BoundedLabels;
use integration_tests::rng::Rng;

use crate::exercise_checks;

exercise_checks!(
    exercises_08,
    e4_bounded_labels::labels,
    [
        the_first_values_get_series_in_their_order,
        a_value_that_has_a_series_keeps_it,
        further_values_are_counted_together,
        the_value_other_takes_no_series,
        long_values_are_cut_at_a_character,
        the_sum_is_the_number_of_events,
    ]
);

fn series<L: BoundedLabels>(labels: &L) -> Vec<(String, u64)> {
    labels.series()
}

fn pairs(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
    pairs.iter().map(|(value, count)| ((*value).to_owned(), *count)).collect()
}

fn counted<L: BoundedLabels>(new: fn(usize) -> L, most: usize, values: &[&str]) -> L {
    let mut labels = new(most);
    for value in values {
        labels.count(value);
    }
    labels
}

fn the_first_values_get_series_in_their_order<L: BoundedLabels>(new: fn(usize) -> L) {
    let labels = counted(new, 3, &["c", "a", "c", "b", "c"]);
    assert_eq!(series(&labels), pairs(&[("c", 3), ("a", 1), ("b", 1)]));
    assert_eq!(labels.dropped(), 0);
    assert_eq!(series(&counted(new, 3, &[])), []);
    assert_eq!(series(&counted(new, 0, &["a"])), pairs(&[("other", 1)]));
}

fn a_value_that_has_a_series_keeps_it<L: BoundedLabels>(new: fn(usize) -> L) {
    let mut labels = counted(new, 2, &["a", "b"]);
    for number in 0..1_000 {
        labels.count(&format!("attack-{number}"));
    }
    labels.count("a");
    assert_eq!(series(&labels), pairs(&[("a", 2), ("b", 1), ("other", 1_000)]));
}

fn further_values_are_counted_together<L: BoundedLabels>(new: fn(usize) -> L) {
    let labels = counted(new, 1, &["a", "b", "c", "b", "a"]);
    assert_eq!(series(&labels), pairs(&[("a", 2), ("other", 3)]));
    assert!(labels.dropped() >= 1);
}

fn the_value_other_takes_no_series<L: BoundedLabels>(new: fn(usize) -> L) {
    let labels = counted(new, 2, &["other", "a", "other", "b", "c"]);
    assert_eq!(series(&labels), pairs(&[("a", 1), ("b", 1), ("other", 3)]));
}

fn long_values_are_cut_at_a_character<L: BoundedLabels>(new: fn(usize) -> L) {
    let long = "x".repeat(64);
    let labels = counted(new, 2, &[&long, &format!("{long}a"), &format!("{long}b")]);
    assert_eq!(series(&labels), pairs(&[(&long, 3)]));
    // The 64th byte is inside of a character of two.
    let (value, cut) = ("ä".repeat(32) + "ä", "ä".repeat(32));
    let odd = format!("y{value}");
    let labels = counted(new, 2, &[&value, &odd]);
    assert_eq!(series(&labels), pairs(&[(&cut, 1), (&format!("y{}", "ä".repeat(31)), 1)]));
}

fn the_sum_is_the_number_of_events<L: BoundedLabels>(new: fn(usize) -> L) {
    let (mut labels, mut rng) = (new(50), Rng::new(4));
    for _ in 0..20_000 {
        let value = rng.below(200).to_string();
        labels.count(&value);
    }
    let all = series(&labels);
    assert_eq!(all.len(), 51);
    assert_eq!(all.iter().map(|(_, count)| count).sum::<u64>(), 20_000);
}
