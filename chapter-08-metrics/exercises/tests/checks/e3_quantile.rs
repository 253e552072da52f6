//! The checks of exercise 8.3.

use exercises_08::contracts::Bucket;

use crate::exercise_checks;

type Quantile = fn(f64, &[Bucket]) -> Option<f64>;

exercise_checks!(
    exercises_08,
    e3_quantile::quantile,
    [
        nothing_is_known_of_nothing,
        numbers_are_spread_evenly_within_a_bucket,
        the_first_bucket_begins_at_zero,
        an_empty_bucket_holds_no_percentile,
        beyond_the_last_bound_only_the_bound_is_known,
        a_share_outside_of_0_to_1_is_refused,
    ]
);

/// Buckets with these bounds and counts, not cumulative; the last bound is infinite.
fn buckets(bounds: &[f64], counts: &[u64]) -> Vec<Bucket> {
    let bounds = bounds.iter().copied().chain([f64::INFINITY]);
    let mut cumulative = 0;
    let bucket = |(bound, count): (f64, &u64)| {
        cumulative += count;
        Bucket { bound, cumulative }
    };
    bounds.zip(counts).map(bucket).collect()
}

fn assert_near(quantile: Quantile, q: f64, buckets: &[Bucket], expected: f64) {
    let found = quantile(q, buckets);
    assert!(
        found.is_some_and(|found| (found - expected).abs() < 1e-9),
        "{q} of {buckets:?}: {found:?}, not {expected}"
    );
}

fn nothing_is_known_of_nothing(quantile: Quantile) {
    assert_eq!(quantile(0.5, &[]), None);
    assert_eq!(quantile(0.5, &buckets(&[1.0, 2.0], &[0, 0, 0])), None);
}

fn numbers_are_spread_evenly_within_a_bucket(quantile: Quantile) {
    let all = buckets(&[1.0, 2.0, 4.0], &[10, 10, 80, 0]);
    assert_near(quantile, 0.2, &all, 2.0);
    assert_near(quantile, 0.15, &all, 1.5);
    assert_near(quantile, 0.6, &all, 3.0);
    assert_near(quantile, 0.99, &all, 3.975);
    assert_near(quantile, 1.0, &all, 4.0);
}

fn the_first_bucket_begins_at_zero(quantile: Quantile) {
    let all = buckets(&[5.0, 10.0], &[100, 0, 0]);
    assert_near(quantile, 0.5, &all, 2.5);
    assert_near(quantile, 0.0, &all, 0.0);
}

fn an_empty_bucket_holds_no_percentile(quantile: Quantile) {
    let all = buckets(&[1.0, 2.0, 4.0, 8.0], &[0, 0, 10, 0, 0]);
    assert_near(quantile, 0.0, &all, 2.0);
    assert_near(quantile, 0.5, &all, 3.0);
    assert_near(quantile, 1.0, &all, 4.0);
}

fn beyond_the_last_bound_only_the_bound_is_known(quantile: Quantile) {
    let all = buckets(&[1.0, 2.0], &[1, 1, 98]);
    assert_near(quantile, 0.5, &all, 2.0);
    assert_near(quantile, 0.02, &all, 2.0);
    assert_near(quantile, 0.01, &all, 1.0);
    assert_eq!(quantile(0.5, &buckets(&[], &[7])), None, "no bound at all");
}

fn a_share_outside_of_0_to_1_is_refused(quantile: Quantile) {
    let all = buckets(&[1.0, 2.0], &[1, 1, 1]);
    for q in [-0.1, 1.1, 99.0, f64::NAN] {
        assert_eq!(quantile(q, &all), None, "{q}");
    }
}
