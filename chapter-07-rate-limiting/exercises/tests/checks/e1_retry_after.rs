//! The checks of exercise 7.1.

use std::time::Duration;

use exercises_07::contracts::{GcraLimit, LimitStatus};
use integration_tests::{rng::Rng, wait::ms};

use crate::exercise_checks;

type Status = fn(Duration, Duration, GcraLimit) -> LimitStatus;

exercise_checks!(
    exercises_07,
    e1_retry_after::status,
    [
        an_idle_client_has_the_whole_burst,
        one_more_passes_before_the_bucket_is_full,
        seconds_are_rounded_up,
        retry_after_is_told_only_to_a_client_that_would_be_refused,
        an_arrival_time_beyond_the_burst_is_waited_for,
        a_client_that_waits_as_told_gets_through_and_not_a_second_earlier,
    ]
);

/// Ten per minute, ten at once: the login of the chapter.
const LOGIN: GcraLimit = GcraLimit { interval: Duration::from_secs(6), burst: 10 };
const NOW: Duration = Duration::from_secs(1_000);

fn told(remaining: u32, reset_seconds: u64) -> LimitStatus {
    LimitStatus { remaining, reset_seconds, retry_after: (remaining == 0).then_some(reset_seconds) }
}

/// Asserts the status of a client whose arrival time is so far from now.
fn assert_told(status: Status, early: Duration, limit: GcraLimit, expected: LimitStatus) {
    assert_eq!(status(NOW + early, NOW, limit), expected, "{limit:?}, an arrival time {early:?} from now");
}

fn an_idle_client_has_the_whole_burst(status: Status) {
    for arrival_time in [Duration::ZERO, NOW / 2, Duration::from_millis(999_999), NOW] {
        assert_eq!(status(arrival_time, NOW, LOGIN), told(10, 0), "an arrival time of {arrival_time:?} at {NOW:?}");
    }
}

fn one_more_passes_before_the_bucket_is_full(status: Status) {
    // One was sent just now, five, all ten; and ten of them two seconds ago.
    assert_told(status, Duration::from_secs(6), LOGIN, told(9, 6));
    assert_told(status, Duration::from_secs(30), LOGIN, told(5, 6));
    assert_told(status, Duration::from_mins(1), LOGIN, told(0, 6));
    assert_told(status, Duration::from_secs(58), LOGIN, told(0, 4));
    assert_told(status, Duration::from_secs(54), LOGIN, told(1, 6));
}

fn seconds_are_rounded_up(status: Status) {
    let quick = GcraLimit { interval: ms(100), burst: 2 };
    assert_told(status, ms(200), quick, told(0, 1));
    assert_told(status, ms(101), quick, told(0, 1));
    assert_told(status, ms(100), quick, told(1, 1));
    assert_told(status, Duration::from_nanos(1), quick, told(1, 1));
    assert_told(status, ms(56_001), LOGIN, told(0, 3));
    assert_told(status, ms(56_000), LOGIN, told(0, 2));
    assert_told(status, ms(55_999), LOGIN, told(0, 2));
}

fn retry_after_is_told_only_to_a_client_that_would_be_refused(status: Status) {
    for seconds in 0..=60_u64 {
        let said = status(NOW + Duration::from_secs(seconds), NOW, LOGIN);
        let expected = (seconds > 54).then(|| seconds - 54);
        assert_eq!(said.retry_after, expected, "an arrival time {seconds} s from now");
    }
}

/// The limit was a hundred at once until now.
fn an_arrival_time_beyond_the_burst_is_waited_for(status: Status) {
    assert_told(status, Duration::from_mins(10), LOGIN, told(0, 546));
    assert_told(status, Duration::from_millis(600_500), LOGIN, told(0, 547));
    let hourly = GcraLimit { interval: Duration::from_hours(1), burst: 1 };
    assert_told(status, Duration::from_hours(100), hourly, told(0, 360_000));
}

/// How many pass at `now`, by the rule.
fn passing(mut arrival_time: Duration, now: Duration, limit: GcraLimit) -> u32 {
    let mut count = 0;
    while arrival_time.max(now) + limit.interval <= now + limit.interval * limit.burst {
        arrival_time = arrival_time.max(now) + limit.interval;
        count += 1;
    }
    count
}

fn a_client_that_waits_as_told_gets_through_and_not_a_second_earlier(status: Status) {
    let mut random = Rng::new(7_1);
    for _ in 0..20_000 {
        let nanos = *random.pick(&[1, 1_000, 16_666_667, 250_000_000, 1_000_000_000, 6_000_000_000, 3_600_000_000_000]);
        let limit = GcraLimit {
            interval: Duration::from_nanos(nanos + random.below(3) as u64),
            burst: 1 + u32::try_from(random.below(12)).expect("it is small"),
        };
        let early = (limit.interval * limit.burst * 6 / 5).as_nanos();
        let early = Duration::from_nanos((u128::from(random.number()) % (early + 1)).try_into().expect("it is small"));
        let (arrival_time, said) = (NOW + early, status(NOW + early, NOW, limit));
        let at = |seconds: u64| passing(arrival_time, NOW + Duration::from_secs(seconds), limit);
        let context = format!("{limit:?}, an arrival time {early:?} from now: {said:?}");
        assert_eq!(said.remaining, at(0), "{context}: remaining");
        let earlier = |seconds: u64| seconds.checked_sub(1).map(at);
        if said.remaining < limit.burst {
            assert!(at(said.reset_seconds) > said.remaining, "{context}: too early");
            assert!(earlier(said.reset_seconds) <= Some(said.remaining), "{context}: later than necessary");
        } else {
            assert_eq!(said.reset_seconds, 0, "{context}: it has all");
        }
        assert_eq!(said.retry_after.is_some(), said.remaining == 0, "{context}: Retry-After");
        if let Some(seconds) = said.retry_after {
            assert!(at(seconds) > 0 && earlier(seconds) == Some(0), "{context}: Retry-After");
        }
    }
}
