//! The checks of exercise 8.7.

use std::time::Duration;

use exercises_08::contracts::{BackendCounters, Bucket, Reading, RecentReadings};
use exercises_08::solutions::e3_quantile::quantile;
use integration_tests::wait::ms;

use crate::exercise_checks;

type New<R> = fn(Vec<f64>, Duration) -> R;

exercise_checks!(
    exercises_08,
    e7_recent_readings::recent,
    [
        a_rate_is_over_the_time_that_has_passed,
        the_first_reading_counts_since_the_start,
        a_restart_voids_what_was_read_before,
        a_repeated_reading_takes_the_place_of_the_last,
        percentiles_are_of_the_last_seconds_only,
        buckets_are_cumulative_and_the_last_is_infinite,
        a_backend_is_found_by_its_id,
        a_backend_that_came_later_is_compared_with_its_first_reading,
        a_counter_that_shrinks_alone_has_not_grown,
        only_what_a_span_needs_is_kept,
    ]
);

const BOUNDS: [f64; 3] = [0.001, 0.01, 0.1];
const LONGEST: Duration = Duration::from_secs(10);

fn recent<R: RecentReadings>(new: New<R>) -> R {
    new(BOUNDS.to_vec(), LONGEST)
}

fn counters(id: u64, buckets: [u64; 4]) -> BackendCounters {
    BackendCounters { id, requests: buckets.iter().sum(), buckets: buckets.to_vec() }
}

/// A reading at this time, of backends that have counted so many quick requests.
fn reading(uptime_ms: u64, backends: &[(u64, u64)]) -> Reading {
    let backends = backends.iter().map(|(id, quick)| counters(*id, [*quick, 0, 0, 0]));
    Reading { uptime: ms(uptime_ms), backends: backends.collect() }
}

fn assert_rate<R: RecentReadings>(recent: &R, id: u64, span: u64, expected: Option<f64>) {
    let found = recent.rate(id, Duration::from_secs(span));
    let is_near = match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
        (found, expected) => found == expected,
    };
    assert!(is_near, "backend {id}, the last {span} s: {found:?}, not {expected:?}");
}

/// The counts of the buckets over the last ten seconds.
fn counts<R: RecentReadings>(recent: &R, id: u64) -> Option<Vec<u64>> {
    let buckets = recent.buckets(id, LONGEST)?;
    Some(buckets.iter().map(|bucket| bucket.cumulative).collect())
}

fn a_rate_is_over_the_time_that_has_passed<R: RecentReadings>(new: New<R>) {
    let mut recent = recent(new);
    for (uptime, requests) in [(100_000, 1_000), (101_000, 1_100), (102_500, 1_400), (103_000, 1_410)] {
        recent.push(reading(uptime, &[(7, requests)]));
    }
    assert_rate(&recent, 7, 1, Some(310.0 / 2.0));
    assert_rate(&recent, 7, 2, Some(310.0 / 2.0));
    assert_rate(&recent, 7, 3, Some(410.0 / 3.0));
    // No reading is so old.
    assert_rate(&recent, 7, 10, Some(410.0 / 3.0));
    // One that is a minute late.
    recent.push(reading(163_000, &[(7, 7_410)]));
    assert_rate(&recent, 7, 1, Some(100.0));
    assert_rate(&recent, 7, 10, Some(100.0));
}

fn the_first_reading_counts_since_the_start<R: RecentReadings>(new: New<R>) {
    let mut recent = recent(new);
    assert_eq!((recent.rate(7, LONGEST), recent.buckets(7, LONGEST)), (None, None), "nothing was read");
    recent.push(reading(20_000, &[(7, 100)]));
    assert_rate(&recent, 7, 2, Some(5.0));
    assert_eq!(counts(&recent, 7), Some(vec![100; 4]));
    assert_rate(&recent, 8, 2, None);
    // It is no reading of a start with zeros: from the second one on, those two are compared.
    recent.push(reading(21_000, &[(7, 101)]));
    assert_rate(&recent, 7, 10, Some(1.0));
    let mut early = new(BOUNDS.to_vec(), LONGEST);
    early.push(reading(0, &[(7, 3)]));
    assert_rate(&early, 7, 2, None);
}

fn a_restart_voids_what_was_read_before<R: RecentReadings>(new: New<R>) {
    // The new process has counted less than the old one, or more.
    for requests in [30, 9_000] {
        let mut recent = recent(new);
        recent.push(reading(50_000, &[(7, 4_000)]));
        recent.push(reading(51_000, &[(7, 4_100)]));
        recent.push(reading(3_000, &[(7, requests)]));
        #[expect(clippy::cast_precision_loss, reason = "they are small")]
        let since_start = requests as f64 / 3.0;
        assert_rate(&recent, 7, 2, Some(since_start));
        assert_eq!(counts(&recent, 7), Some(vec![requests; 4]));
        recent.push(reading(4_000, &[(7, requests + 5)]));
        assert_rate(&recent, 7, 10, Some(5.0));
        assert_eq!(counts(&recent, 7), Some(vec![5; 4]));
    }
}

fn a_repeated_reading_takes_the_place_of_the_last<R: RecentReadings>(new: New<R>) {
    let mut recent = recent(new);
    for (uptime, requests) in [(10_000, 100), (10_000, 110), (12_000, 130), (12_000, 150)] {
        recent.push(reading(uptime, &[(7, requests)]));
    }
    assert_rate(&recent, 7, 1, Some(20.0));
    assert_eq!((counts(&recent, 7), recent.kept()), (Some(vec![40; 4]), 2));
}

fn percentiles_are_of_the_last_seconds_only<R: RecentReadings>(new: New<R>) {
    let mut recent = recent(new);
    let hour = 3_600_000;
    // An hour of a million quick requests; then 100 per second, of which twenty are slow for five seconds, then none.
    for second in 0..=20 {
        let (all, slow) = (second * 100, second.min(5) * 20);
        let backends = vec![counters(7, [1_000_000 + all - slow, 0, slow, 0])];
        recent.push(Reading { uptime: ms(hour + second * 1_000), backends });
        let Some(buckets) = (second > 0).then(|| recent.buckets(7, LONGEST).unwrap()) else { continue };
        let p99 = quantile(0.99, &buckets).unwrap();
        assert_eq!(p99 > 0.01, second < 15, "after {second} s: {p99} of {buckets:?}");
    }
    // Nothing at all for ten seconds.
    recent.push(Reading { uptime: ms(hour + 30_000), backends: vec![counters(7, [1_001_900, 0, 100, 0])] });
    let buckets = recent.buckets(7, LONGEST).unwrap();
    assert_eq!(quantile(0.5, &buckets), None, "{buckets:?}");
}

fn buckets_are_cumulative_and_the_last_is_infinite<R: RecentReadings>(new: New<R>) {
    let mut recent = recent(new);
    for (uptime, buckets) in [(10_000, [5, 5, 5, 5]), (11_000, [6, 7, 5, 8])] {
        recent.push(Reading { uptime: ms(uptime), backends: vec![counters(7, buckets)] });
    }
    let expected = [(0.001, 1), (0.01, 3), (0.1, 3), (f64::INFINITY, 6)];
    let expected = expected.map(|(bound, cumulative)| Bucket { bound, cumulative });
    assert_eq!(recent.buckets(7, LONGEST).unwrap(), expected);
}

fn a_backend_is_found_by_its_id<R: RecentReadings>(new: New<R>) {
    let mut recent = recent(new);
    recent.push(reading(10_000, &[(7, 1_000), (8, 50)]));
    recent.push(reading(12_000, &[(8, 60), (7, 1_400)]));
    assert_rate(&recent, 7, 2, Some(200.0));
    assert_rate(&recent, 8, 2, Some(5.0));
    // It was removed.
    recent.push(reading(14_000, &[(8, 90)]));
    assert_rate(&recent, 7, 2, None);
    assert_eq!(counts(&recent, 7), None);
    assert_rate(&recent, 8, 2, Some(15.0));
}

fn a_backend_that_came_later_is_compared_with_its_first_reading<R: RecentReadings>(new: New<R>) {
    let mut recent = recent(new);
    recent.push(reading(10_000, &[(7, 1_000)]));
    // Removed and added again between two readings. It may also have been left out of the first one.
    recent.push(reading(11_000, &[(8, 500)]));
    assert_rate(&recent, 8, 10, None);
    assert_eq!(counts(&recent, 8), None);
    recent.push(reading(13_000, &[(8, 520)]));
    assert_rate(&recent, 8, 10, Some(10.0));
    assert_eq!(counts(&recent, 8), Some(vec![20; 4]));
}

fn a_counter_that_shrinks_alone_has_not_grown<R: RecentReadings>(new: New<R>) {
    let mut recent = recent(new);
    for (uptime, buckets) in [(10_000, [5, 5, 5, 5]), (11_000, [4, 6, 5, 5])] {
        recent.push(Reading {
            uptime: ms(uptime),
            backends: vec![BackendCounters { requests: 20, ..counters(7, buckets) }],
        });
    }
    assert_eq!(counts(&recent, 7), Some(vec![0, 1, 1, 1]));
    let less = BackendCounters { requests: 19, ..counters(7, [4, 6, 5, 5]) };
    recent.push(Reading { uptime: ms(12_000), backends: vec![less] });
    assert_rate(&recent, 7, 1, Some(0.0));
}

fn only_what_a_span_needs_is_kept<R: RecentReadings>(new: New<R>) {
    let mut recent = recent(new);
    for second in 0..1_000 {
        recent.push(reading(second * 1_000, &[(7, second)]));
    }
    assert_eq!(recent.kept(), 11, "one per second, from ten seconds ago until now");
    recent.push(reading(2_000_000, &[(7, 2_000)]));
    assert_eq!(recent.kept(), 2, "after a pause: the last before it, and the new one");
    assert_rate(&recent, 7, 10, Some(1.0));
    recent.push(reading(1_000, &[(7, 1)]));
    assert_eq!(recent.kept(), 1, "after a restart");
}
