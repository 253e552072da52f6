//! The checks of exercise 4.3.

use std::time::{Duration, Instant};

use exercises_04::contracts::{Limits, Siblings};
use integration_tests::exercise_checks;

use crate::beginning;

exercise_checks!(
    exercises_04,
    e3_siblings::siblings,
    [
        backend_worse_than_its_siblings_is_ejected,
        one_of_four_cannot_be_far_enough_below_the_mean,
        equal_rates_eject_no_backend,
        several_bad_ones_hide_each_other,
        each_backend_counts_once_in_the_mean,
        too_few_requests_are_not_judged,
        too_few_backends_are_not_compared,
        a_look_before_the_interval_is_over_does_nothing,
        late_look_evaluates_everything_and_starts_the_next_interval,
        counts_restart_after_a_look,
        counts_below_the_minimum_restart_too,
        an_ejection_ends_by_itself,
        requests_that_end_during_an_ejection_do_not_count,
        ejections_are_limited_and_the_worst_go_first,
        one_backend_may_always_be_ejected,
    ]
);

type New<S> = fn(usize, Limits, Instant) -> S;

const NONE: [usize; 0] = [];

const INTERVAL: Duration = Duration::from_secs(10);
const EJECTION: Duration = Duration::from_secs(30);
/// A nanosecond less than that.
const NEARLY_INTERVAL: Duration = Duration::from_nanos(9_999_999_999);
const NEARLY_EJECTION: Duration = Duration::from_nanos(29_999_999_999);
/// Envoy's, with up to half of the backends ejected at a time.
const LIMITS: Limits = Limits {
    interval: INTERVAL,
    min_requests: 100,
    min_backends: 5,
    factor: 1.9,
    ejection: EJECTION,
    max_ejected_percent: 50,
};

/// Records, for each backend, a number of requests and how many of them succeed.
fn record<S: Siblings>(siblings: &mut S, now: Instant, counts: &[(u64, u64)]) {
    for (backend, (requests, successes)) in counts.iter().enumerate() {
        for request in 0..*requests {
            siblings.record(backend, request < *successes, now);
        }
    }
}

/// The backends ejected at the end of the first interval, with these limits and counts.
fn ejected_with<S: Siblings>(new: New<S>, limits: Limits, counts: &[(u64, u64)]) -> Vec<usize> {
    let start = beginning();
    let mut siblings = new(counts.len(), limits, start);
    record(&mut siblings, start + INTERVAL / 2, counts);
    siblings.look(start + INTERVAL)
}

fn ejected<S: Siblings>(new: New<S>, counts: &[(u64, u64)]) -> Vec<usize> {
    ejected_with(new, LIMITS, counts)
}

/// This many backends with a hundred successes each, and one more.
fn and_one(good: usize, other: (u64, u64)) -> Vec<(u64, u64)> {
    let mut counts = vec![(100, 100); good];
    counts.push(other);
    counts
}

fn backend_worse_than_its_siblings_is_ejected<S: Siblings>(new: New<S>) {
    assert_eq!(ejected(new, &and_one(4, (100, 50))), [4], "four with 100 %, one with 50 %");
    assert_eq!(ejected(new, &and_one(9, (100, 93))), [9], "nine with 100 %, one with 93 %");
    let all_poor = [(200, 120), (200, 118), (200, 20), (200, 121), (200, 119), (200, 122)];
    assert_eq!(ejected(new, &all_poor), [2], "five with about 60 %, one with 10 %");
    let lively = [(100, 99), (100, 90), (100, 97), (100, 88), (100, 94), (100, 86), (100, 92)];
    assert_eq!(ejected(new, &lively), NONE, "seven between 86 % and 99 %, spread evenly");
    let start = beginning();
    let mut siblings = new(5, LIMITS, start);
    record(&mut siblings, start, &and_one(4, (100, 0)));
    siblings.look(start + INTERVAL);
    let out: Vec<_> = (0..5).map(|backend| siblings.is_ejected(backend, start + INTERVAL)).collect();
    assert_eq!(out, [false, false, false, false, true], "which are ejected after four with 100 % and one with 0 %");
}

fn one_of_four_cannot_be_far_enough_below_the_mean<S: Siblings>(new: New<S>) {
    let four = Limits { min_backends: 4, ..LIMITS };
    let among_four = ejected_with(new, four, &and_one(3, (100, 0)));
    assert_eq!(among_four, NONE, "three with 100 %, one with 0 %: it is 1.73 deviations away");
    let near = Limits { factor: 1.7, ..four };
    assert_eq!(ejected_with(new, near, &and_one(3, (100, 0))), [3], "the same, with a factor of 1.7");
}

fn equal_rates_eject_no_backend<S: Siblings>(new: New<S>) {
    for successes in [0, 7, 70, 99, 100] {
        for count in 5..=12 {
            let counts = vec![(100, successes); count];
            assert_eq!(ejected(new, &counts), NONE, "{count} backends, all with {successes} %");
        }
    }
}

fn several_bad_ones_hide_each_other<S: Siblings>(new: New<S>) {
    let two_of_five = [(100, 100), (100, 0), (100, 100), (100, 0), (100, 100)];
    assert_eq!(ejected(new, &two_of_five), NONE, "three with 100 %, two with 0 %");
    let mut two_of_ten = vec![(100, 100); 10];
    (two_of_ten[3], two_of_ten[8]) = ((100, 0), (100, 0));
    assert_eq!(ejected(new, &two_of_ten), [3, 8], "eight with 100 %, two with 0 %");
}

fn each_backend_counts_once_in_the_mean<S: Siblings>(new: New<S>) {
    let busy = [(100_000, 60_000), (100, 100), (100, 99), (100, 100), (100, 99), (100, 100)];
    assert_eq!(ejected(new, &busy), [0], "one with 60 % of 100,000 requests, five with about 100 % of 100");
}

fn too_few_requests_are_not_judged<S: Siblings>(new: New<S>) {
    assert_eq!(ejected(new, &and_one(5, (99, 0))), NONE, "99 requests, all failed, where 100 are required");
    assert_eq!(ejected(new, &and_one(5, (100, 0))), [5], "100 requests, all failed");
    let mut counts = and_one(5, (100, 90));
    counts.push((10, 0));
    assert_eq!(ejected(new, &counts), [5], "five with 100 %, one with 90 %, one with too few to be in the mean");
}

fn too_few_backends_are_not_compared<S: Siblings>(new: New<S>) {
    assert_eq!(ejected(new, &[]), NONE, "no backends");
    let three = Limits { factor: 0.5, ..LIMITS };
    let counts = [(100, 100), (100, 100), (100, 100), (100, 0), (99, 99), (99, 99)];
    assert_eq!(ejected_with(new, three, &counts), NONE, "of six backends only four have had 100 requests");
    let idle = Limits { min_backends: 0, ..LIMITS };
    assert_eq!(
        ejected_with(new, idle, &[(0, 0), (0, 0)]),
        NONE,
        "two backends without a request, where none is required"
    );
}

fn a_look_before_the_interval_is_over_does_nothing<S: Siblings>(new: New<S>) {
    let start = beginning();
    let mut siblings = new(5, LIMITS, start);
    record(&mut siblings, start, &and_one(4, (60, 0)));
    let early = start + NEARLY_INTERVAL;
    assert_eq!(siblings.look(early), NONE, "a look a nanosecond before the end of the interval");
    record(&mut siblings, early, &and_one(4, (60, 0)));
    assert_eq!(
        siblings.look(start + INTERVAL),
        [4],
        "the look at the end: 60 requests before the early look, 60 after"
    );
}

fn late_look_evaluates_everything_and_starts_the_next_interval<S: Siblings>(new: New<S>) {
    let start = beginning();
    let mut siblings = new(5, LIMITS, start);
    record(&mut siblings, start, &[(100, 100); 5]);
    let late = start + INTERVAL * 5 / 2;
    assert_eq!(siblings.look(late), NONE, "a look after two and a half intervals, all healthy");
    record(&mut siblings, late, &and_one(4, (100, 0)));
    let early = late + INTERVAL * 3 / 4;
    assert_eq!(siblings.look(early), NONE, "three quarters of an interval after that look");
    assert_eq!(siblings.look(late + INTERVAL), [4], "an interval after that look");
}

fn counts_restart_after_a_look<S: Siblings>(new: New<S>) {
    let start = beginning();
    let mut siblings = new(5, LIMITS, start);
    record(&mut siblings, start, &[(100, 100); 5]);
    assert_eq!(siblings.look(start + INTERVAL), NONE, "all healthy");
    record(&mut siblings, start + INTERVAL, &[(50, 50), (50, 50), (50, 50), (50, 50), (50, 0)]);
    assert_eq!(siblings.look(start + INTERVAL * 2), NONE, "50 requests since the last look, where 100 are required");
}

fn counts_below_the_minimum_restart_too<S: Siblings>(new: New<S>) {
    let start = beginning();
    for good in [100, 40] {
        let mut siblings = new(6, LIMITS, start);
        let mut counts = vec![(good, good); 5];
        counts.push((40, 0));
        for look in 1..=4 {
            let now = start + INTERVAL * look;
            record(&mut siblings, now, &counts);
            let ejected = siblings.look(now);
            assert_eq!(ejected, NONE, "look {look}: in each interval {counts:?}, where 100 requests are required");
        }
    }
}

fn an_ejection_ends_by_itself<S: Siblings>(new: New<S>) {
    let start = beginning();
    let mut siblings = new(5, LIMITS, start);
    record(&mut siblings, start, &and_one(4, (100, 0)));
    let looked = start + INTERVAL;
    assert_eq!(siblings.look(looked), [4], "four with 100 %, one with 0 %");
    let last = looked + NEARLY_EJECTION;
    assert!(
        siblings.is_ejected(4, last),
        "a nanosecond before the end of the ejection it should be ejected, but is not"
    );
    assert!(
        !siblings.is_ejected(4, looked + EJECTION),
        "at the end of the ejection it should be back, but is still ejected"
    );
    let back = looked + EJECTION + INTERVAL;
    record(&mut siblings, back, &and_one(4, (100, 0)));
    assert_eq!(siblings.look(back), [4], "it is back, and as bad as before");
}

fn requests_that_end_during_an_ejection_do_not_count<S: Siblings>(new: New<S>) {
    let start = beginning();
    let mut siblings = new(6, LIMITS, start);
    record(&mut siblings, start, &and_one(5, (100, 0)));
    let looked = start + INTERVAL;
    assert_eq!(siblings.look(looked), [5], "five with 100 %, one with 0 %");
    // If it counted in the mean, the one with 60 % would be within the limit.
    let while_ejected = [(100, 100), (100, 60), (100, 100), (100, 100), (100, 100), (100, 0)];
    record(&mut siblings, looked, &while_ejected);
    let next = looked + INTERVAL;
    assert_eq!(siblings.look(next), [1], "one is ejected and fails its requests in flight, another has 60 %");
    // It fails right before it is back, and is healthy after that.
    record(&mut siblings, looked + NEARLY_EJECTION, &and_one(5, (100, 0))[..]);
    record(&mut siblings, looked + EJECTION, &and_one(5, (100, 100)));
    let back = looked + EJECTION + INTERVAL;
    assert_eq!(siblings.look(back), NONE, "it failed while it was ejected, and does not fail now that it is back");
}

fn ejections_are_limited_and_the_worst_go_first<S: Siblings>(new: New<S>) {
    let limits = Limits { max_ejected_percent: 10, ..LIMITS };
    let start = beginning();
    let mut siblings = new(29, limits, start);
    let mut counts = vec![(100, 100); 29];
    for (backend, successes) in [(4, 20), (9, 0), (17, 10), (28, 10)] {
        counts[backend] = (100, successes);
    }
    // 10 % of 29 are 2.9, so two.
    record(&mut siblings, start, &counts);
    let looked = start + INTERVAL;
    assert_eq!(siblings.look(looked), [9, 17], "25 with 100 %, and 20, 0, 10, 10 %; a tenth of 29 may be ejected");
    record(&mut siblings, looked, &counts);
    assert_eq!(siblings.look(looked + INTERVAL), NONE, "two are ejected already, and no more may be");
    assert!(!siblings.is_ejected(28, looked + INTERVAL), "a backend beyond the limit should not be ejected, but is");
    let back = looked + EJECTION + INTERVAL;
    for backend in [9, 17] {
        counts[backend] = (100, 100);
    }
    siblings.look(looked + EJECTION);
    record(&mut siblings, back, &counts);
    assert_eq!(siblings.look(back), [28, 4], "those two are back and healthy, and the others are as bad as before");
}

fn one_backend_may_always_be_ejected<S: Siblings>(new: New<S>) {
    let limits = Limits { max_ejected_percent: 10, ..LIMITS };
    assert_eq!(
        ejected_with(new, limits, &and_one(4, (100, 0))),
        [4],
        "a tenth of five is none, but one may be ejected"
    );
    let mut two_bad = vec![(100, 100); 10];
    (two_bad[3], two_bad[8]) = ((100, 5), (100, 0));
    let none = Limits { max_ejected_percent: 0, ..LIMITS };
    assert_eq!(ejected_with(new, none, &two_bad), [8], "two are bad and 0 % may be ejected: the worst one");
}
