//! The checks of exercise 4.3.

use std::time::{Duration, Instant};

use exercises_04::contracts::{OutlierConfig, OutlierDetector};

use crate::{beginning, exercise_checks};

exercise_checks!(
    exercises_04,
    e3_success_rate::outlier_detector,
    [
        backend_far_below_the_mean_is_ejected,
        one_of_four_cannot_be_far_enough_below_the_mean,
        equal_rates_eject_no_backend,
        several_outliers_mask_each_other,
        each_backend_counts_once_in_the_mean,
        too_few_requests_are_not_compared,
        too_few_backends_are_not_compared,
        evaluation_before_the_interval_is_over_does_nothing,
        late_evaluation_counts_everything_and_starts_the_next_interval,
        counts_restart_after_an_evaluation,
        counts_below_the_minimum_restart_too,
        an_ejection_ends_by_itself,
        requests_that_end_during_an_ejection_do_not_count,
        ejections_are_limited_and_the_worst_go_first,
        one_ejection_is_always_allowed,
    ]
);

type New<S> = fn(usize, OutlierConfig, Instant) -> S;

const NONE: [usize; 0] = [];

const INTERVAL: Duration = Duration::from_secs(10);
const EJECTION: Duration = Duration::from_secs(30);
/// A nanosecond less than that.
const NEARLY_INTERVAL: Duration = Duration::from_nanos(9_999_999_999);
const NEARLY_EJECTION: Duration = Duration::from_nanos(29_999_999_999);
/// Envoy's, with up to half of the backends ejected at a time.
const CONFIG: OutlierConfig = OutlierConfig {
    interval: INTERVAL,
    min_requests: 100,
    min_backends: 5,
    stdev_factor: 1.9,
    ejection_time: EJECTION,
    max_ejected_percent: 50,
};

/// Records, for each backend, a number of requests and how many of them succeed.
fn record<S: OutlierDetector>(detector: &mut S, now: Instant, counts: &[(u64, u64)]) {
    for (backend, (requests, successes)) in counts.iter().enumerate() {
        for request in 0..*requests {
            detector.record(backend, request < *successes, now);
        }
    }
}

/// The backends ejected at the end of the first interval, with these limits and counts.
fn ejected_with<S: OutlierDetector>(new: New<S>, config: OutlierConfig, counts: &[(u64, u64)]) -> Vec<usize> {
    let start = beginning();
    let mut detector = new(counts.len(), config, start);
    record(&mut detector, start + INTERVAL / 2, counts);
    detector.evaluate(start + INTERVAL)
}

fn ejected<S: OutlierDetector>(new: New<S>, counts: &[(u64, u64)]) -> Vec<usize> {
    ejected_with(new, CONFIG, counts)
}

/// This many backends with a hundred successes each, and one more.
fn with_one_more(good: usize, other: (u64, u64)) -> Vec<(u64, u64)> {
    let mut counts = vec![(100, 100); good];
    counts.push(other);
    counts
}

fn backend_far_below_the_mean_is_ejected<S: OutlierDetector>(new: New<S>) {
    assert_eq!(ejected(new, &with_one_more(4, (100, 50))), [4], "four with 100 %, one with 50 %");
    assert_eq!(ejected(new, &with_one_more(9, (100, 93))), [9], "nine with 100 %, one with 93 %");
    let all_poor = [(200, 120), (200, 118), (200, 20), (200, 121), (200, 119), (200, 122)];
    assert_eq!(ejected(new, &all_poor), [2], "five with about 60 %, one with 10 %");
    let spread_out = [(100, 99), (100, 90), (100, 97), (100, 88), (100, 94), (100, 86), (100, 92)];
    assert_eq!(ejected(new, &spread_out), NONE, "seven between 86 % and 99 %, spread evenly");
    let start = beginning();
    let mut detector = new(5, CONFIG, start);
    record(&mut detector, start, &with_one_more(4, (100, 0)));
    detector.evaluate(start + INTERVAL);
    let out: Vec<_> = (0..5).map(|backend| detector.is_ejected(backend, start + INTERVAL)).collect();
    assert_eq!(out, [false, false, false, false, true], "which are ejected after four with 100 % and one with 0 %");
}

fn one_of_four_cannot_be_far_enough_below_the_mean<S: OutlierDetector>(new: New<S>) {
    let four = OutlierConfig { min_backends: 4, ..CONFIG };
    let among_four = ejected_with(new, four, &with_one_more(3, (100, 0)));
    assert_eq!(among_four, NONE, "three with 100 %, one with 0 %: it is 1.73 deviations away");
    let near = OutlierConfig { stdev_factor: 1.7, ..four };
    assert_eq!(ejected_with(new, near, &with_one_more(3, (100, 0))), [3], "the same, with a factor of 1.7");
}

fn equal_rates_eject_no_backend<S: OutlierDetector>(new: New<S>) {
    for successes in [0, 7, 70, 99, 100] {
        for count in 5..=12 {
            let counts = vec![(100, successes); count];
            assert_eq!(ejected(new, &counts), NONE, "{count} backends, all with {successes} %");
        }
    }
}

fn several_outliers_mask_each_other<S: OutlierDetector>(new: New<S>) {
    let two_of_five = [(100, 100), (100, 0), (100, 100), (100, 0), (100, 100)];
    assert_eq!(ejected(new, &two_of_five), NONE, "three with 100 %, two with 0 %");
    let mut two_of_ten = vec![(100, 100); 10];
    (two_of_ten[3], two_of_ten[8]) = ((100, 0), (100, 0));
    assert_eq!(ejected(new, &two_of_ten), [3, 8], "eight with 100 %, two with 0 %");
}

fn each_backend_counts_once_in_the_mean<S: OutlierDetector>(new: New<S>) {
    let busy = [(100_000, 60_000), (100, 100), (100, 99), (100, 100), (100, 99), (100, 100)];
    assert_eq!(ejected(new, &busy), [0], "one with 60 % of 100,000 requests, five with about 100 % of 100");
}

fn too_few_requests_are_not_compared<S: OutlierDetector>(new: New<S>) {
    assert_eq!(ejected(new, &with_one_more(5, (99, 0))), NONE, "99 requests, all failed, where 100 are required");
    assert_eq!(ejected(new, &with_one_more(5, (100, 0))), [5], "100 requests, all failed");
    let mut counts = with_one_more(5, (100, 90));
    counts.push((10, 0));
    assert_eq!(ejected(new, &counts), [5], "five with 100 %, one with 90 %, one with too few to be in the mean");
}

fn too_few_backends_are_not_compared<S: OutlierDetector>(new: New<S>) {
    assert_eq!(ejected(new, &[]), NONE, "no backends");
    let three = OutlierConfig { stdev_factor: 0.5, ..CONFIG };
    let counts = [(100, 100), (100, 100), (100, 100), (100, 0), (99, 99), (99, 99)];
    assert_eq!(ejected_with(new, three, &counts), NONE, "of six backends only four have had 100 requests");
    let idle = OutlierConfig { min_backends: 0, ..CONFIG };
    assert_eq!(
        ejected_with(new, idle, &[(0, 0), (0, 0)]),
        NONE,
        "two backends without a request, where none is required"
    );
}

fn evaluation_before_the_interval_is_over_does_nothing<S: OutlierDetector>(new: New<S>) {
    let start = beginning();
    let mut detector = new(5, CONFIG, start);
    record(&mut detector, start, &with_one_more(4, (60, 0)));
    let early = start + NEARLY_INTERVAL;
    assert_eq!(detector.evaluate(early), NONE, "a evaluation a nanosecond before the end of the interval");
    record(&mut detector, early, &with_one_more(4, (60, 0)));
    assert_eq!(
        detector.evaluate(start + INTERVAL),
        [4],
        "the evaluation at the end: 60 requests before the early one, 60 after"
    );
}

fn late_evaluation_counts_everything_and_starts_the_next_interval<S: OutlierDetector>(new: New<S>) {
    let start = beginning();
    let mut detector = new(5, CONFIG, start);
    record(&mut detector, start, &[(100, 100); 5]);
    let late = start + INTERVAL * 5 / 2;
    assert_eq!(detector.evaluate(late), NONE, "an evaluation after two and a half intervals, all healthy");
    record(&mut detector, late, &with_one_more(4, (100, 0)));
    let early = late + INTERVAL * 3 / 4;
    assert_eq!(detector.evaluate(early), NONE, "three quarters of an interval after that evaluation");
    assert_eq!(detector.evaluate(late + INTERVAL), [4], "an interval after that evaluation");
}

fn counts_restart_after_an_evaluation<S: OutlierDetector>(new: New<S>) {
    let start = beginning();
    let mut detector = new(5, CONFIG, start);
    record(&mut detector, start, &[(100, 100); 5]);
    assert_eq!(detector.evaluate(start + INTERVAL), NONE, "all healthy");
    record(&mut detector, start + INTERVAL, &[(50, 50), (50, 50), (50, 50), (50, 50), (50, 0)]);
    assert_eq!(
        detector.evaluate(start + INTERVAL * 2),
        NONE,
        "50 requests since the last evaluation, where 100 are required"
    );
}

fn counts_below_the_minimum_restart_too<S: OutlierDetector>(new: New<S>) {
    let start = beginning();
    for good in [100, 40] {
        let mut detector = new(6, CONFIG, start);
        let mut counts = vec![(good, good); 5];
        counts.push((40, 0));
        for number in 1..=4 {
            let now = start + INTERVAL * number;
            record(&mut detector, now, &counts);
            let ejected = detector.evaluate(now);
            assert_eq!(
                ejected, NONE,
                "evaluation {number}: in each interval {counts:?}, where 100 requests are required"
            );
        }
    }
}

fn an_ejection_ends_by_itself<S: OutlierDetector>(new: New<S>) {
    let start = beginning();
    let mut detector = new(5, CONFIG, start);
    record(&mut detector, start, &with_one_more(4, (100, 0)));
    let evaluated_at = start + INTERVAL;
    assert_eq!(detector.evaluate(evaluated_at), [4], "four with 100 %, one with 0 %");
    let last = evaluated_at + NEARLY_EJECTION;
    assert!(
        detector.is_ejected(4, last),
        "a nanosecond before the end of the ejection it should be ejected, but is not"
    );
    assert!(
        !detector.is_ejected(4, evaluated_at + EJECTION),
        "at the end of the ejection it should be back, but is still ejected"
    );
    let back = evaluated_at + EJECTION + INTERVAL;
    record(&mut detector, back, &with_one_more(4, (100, 0)));
    assert_eq!(detector.evaluate(back), [4], "it is back, and as bad as before");
}

fn requests_that_end_during_an_ejection_do_not_count<S: OutlierDetector>(new: New<S>) {
    let start = beginning();
    let mut detector = new(6, CONFIG, start);
    record(&mut detector, start, &with_one_more(5, (100, 0)));
    let evaluated_at = start + INTERVAL;
    assert_eq!(detector.evaluate(evaluated_at), [5], "five with 100 %, one with 0 %");
    // If it counted in the mean, the one with 60 % would be within the limit.
    let while_ejected = [(100, 100), (100, 60), (100, 100), (100, 100), (100, 100), (100, 0)];
    record(&mut detector, evaluated_at, &while_ejected);
    let next = evaluated_at + INTERVAL;
    assert_eq!(detector.evaluate(next), [1], "one is ejected and fails its requests in flight, another has 60 %");
    // It fails right before it is back, and is healthy after that.
    record(&mut detector, evaluated_at + NEARLY_EJECTION, &with_one_more(5, (100, 0))[..]);
    record(&mut detector, evaluated_at + EJECTION, &with_one_more(5, (100, 100)));
    let back = evaluated_at + EJECTION + INTERVAL;
    assert_eq!(detector.evaluate(back), NONE, "it failed while it was ejected, and does not fail now that it is back");
}

fn ejections_are_limited_and_the_worst_go_first<S: OutlierDetector>(new: New<S>) {
    let config = OutlierConfig { max_ejected_percent: 10, ..CONFIG };
    let start = beginning();
    let mut detector = new(29, config, start);
    let mut counts = vec![(100, 100); 29];
    for (backend, successes) in [(4, 20), (9, 0), (17, 10), (28, 10)] {
        counts[backend] = (100, successes);
    }
    // 10 % of 29 are 2.9, so two.
    record(&mut detector, start, &counts);
    let evaluated_at = start + INTERVAL;
    assert_eq!(
        detector.evaluate(evaluated_at),
        [9, 17],
        "25 with 100 %, and 20, 0, 10, 10 %; a tenth of 29 may be ejected"
    );
    record(&mut detector, evaluated_at, &counts);
    assert_eq!(detector.evaluate(evaluated_at + INTERVAL), NONE, "two are ejected already, and no more may be");
    assert!(
        !detector.is_ejected(28, evaluated_at + INTERVAL),
        "a backend beyond the limit should not be ejected, but is"
    );
    let back = evaluated_at + EJECTION + INTERVAL;
    for backend in [9, 17] {
        counts[backend] = (100, 100);
    }
    detector.evaluate(evaluated_at + EJECTION);
    record(&mut detector, back, &counts);
    assert_eq!(detector.evaluate(back), [28, 4], "those two are back and healthy, and the others are as bad as before");
}

fn one_ejection_is_always_allowed<S: OutlierDetector>(new: New<S>) {
    let config = OutlierConfig { max_ejected_percent: 10, ..CONFIG };
    assert_eq!(
        ejected_with(new, config, &with_one_more(4, (100, 0))),
        [4],
        "a tenth of five is none, but one may be ejected"
    );
    let mut two_bad = vec![(100, 100); 10];
    (two_bad[3], two_bad[8]) = ((100, 5), (100, 0));
    let none = OutlierConfig { max_ejected_percent: 0, ..CONFIG };
    assert_eq!(ejected_with(new, none, &two_bad), [8], "two are bad and 0 % may be ejected: the worst one");
}
