//! The checks of exercise 7.2.

use std::time::Duration;

use exercises_07::contracts::{
    Admission::{self, Delay, Pass, Refuse},
    LeakyBucket,
};
use integration_tests::{rng::Rng, wait::ms};

use crate::exercise_checks;

type New<B> = fn(Duration, u32) -> B;

exercise_checks!(
    exercises_07,
    e2_leaky_bucket::leaky_bucket,
    [
        requests_that_are_far_apart_pass,
        a_burst_leaves_one_per_interval,
        a_request_that_leaves_makes_room,
        a_pause_saves_nothing_up,
        a_refused_request_takes_nothing,
        a_burst_of_zero_delays_nothing,
        nothing_overflows,
        requests_leave_as_the_queue_of_the_reference_does,
    ]
);

const INTERVAL: Duration = ms(100);

/// What happens to requests that arrive at these milliseconds.
fn admissions<B: LeakyBucket>(bucket: &mut B, arrivals: &[u64]) -> Vec<Admission> {
    arrivals.iter().map(|at| bucket.arrive(ms(*at))).collect()
}

fn requests_that_are_far_apart_pass<B: LeakyBucket>(new: New<B>) {
    assert_eq!(admissions(&mut new(INTERVAL, 3), &[0, 100, 250, 350, 5_000]), [Pass; 5], "100 ms apart or more");
    assert_eq!(new(INTERVAL, 3).arrive(ms(77)), Pass, "the first, at 77 ms");
}

fn a_burst_leaves_one_per_interval<B: LeakyBucket>(new: New<B>) {
    let expected = [Pass, Delay(ms(100)), Delay(ms(200)), Delay(ms(300)), Refuse, Refuse];
    assert_eq!(admissions(&mut new(INTERVAL, 3), &[1_000; 6]), expected, "six at once, and three may wait");
    let expected = [Pass, Delay(ms(90)), Delay(ms(180)), Delay(ms(270)), Refuse];
    assert_eq!(admissions(&mut new(INTERVAL, 3), &[0, 10, 20, 30, 40]), expected, "10 ms apart, and three may wait");
}

fn a_request_that_leaves_makes_room<B: LeakyBucket>(new: New<B>) {
    let mut bucket = new(INTERVAL, 2);
    assert_eq!(admissions(&mut bucket, &[0; 4]), [Pass, Delay(ms(100)), Delay(ms(200)), Refuse], "four at once");
    assert_eq!(
        admissions(&mut bucket, &[99, 100, 100]),
        [Refuse, Delay(ms(200)), Refuse],
        "the first leaves at 100 ms"
    );
    assert_eq!(admissions(&mut bucket, &[250, 250]), [Delay(ms(150)), Refuse], "the second has left at 200 ms");
}

fn a_pause_saves_nothing_up<B: LeakyBucket>(new: New<B>) {
    let mut bucket = new(INTERVAL, 3);
    admissions(&mut bucket, &[0, 0]);
    let after = admissions(&mut bucket, &[60_000, 60_000, 60_050]);
    assert_eq!(after, [Pass, Delay(ms(100)), Delay(ms(150))], "three after a minute");
}

fn a_refused_request_takes_nothing<B: LeakyBucket>(new: New<B>) {
    let mut bucket = new(INTERVAL, 2);
    let admitted = (0..10_000).filter(|at| bucket.arrive(ms(*at)) != Refuse).count();
    assert_eq!(admitted, 102, "of a client that tries each millisecond for ten seconds: ten per second, and two wait");
    let mut bucket = new(INTERVAL, 2);
    assert_eq!(admissions(&mut bucket, &[0; 50])[3..], [Refuse; 47], "fifty at once");
    assert_eq!(admissions(&mut bucket, &[300, 300]), [Pass, Delay(ms(100))], "300 ms later all have left");
}

fn a_burst_of_zero_delays_nothing<B: LeakyBucket>(new: New<B>) {
    let mut bucket = new(INTERVAL, 0);
    let expected = [Pass, Refuse, Refuse, Pass, Refuse, Pass];
    assert_eq!(admissions(&mut bucket, &[0, 0, 99, 100, 199, 200]), expected, "none may wait");
}

fn nothing_overflows<B: LeakyBucket>(new: New<B>) {
    let hour = Duration::from_hours(1);
    let mut bucket = new(hour, u32::MAX);
    let years = 100 * 365 * 24 * hour;
    assert_eq!(bucket.arrive(years), Pass, "the first, after a hundred years");
    for waiting in 1..=1_000 {
        assert_eq!(bucket.arrive(years), Delay(waiting * hour), "one per hour, and {} wait", waiting - 1);
    }
}

/// Random arrivals, compared with a queue that keeps every departure.
fn requests_leave_as_the_queue_of_the_reference_does<B: LeakyBucket>(new: New<B>) {
    for seed in 0..300 {
        let mut random = Rng::new(seed);
        let (interval, burst) = (Duration::from_nanos(1 + random.below(1_000) as u64), random.below(6));
        let mut bucket = new(interval, u32::try_from(burst).expect("it is small"));
        let (mut departures, mut now) = (Vec::<Duration>::new(), Duration::ZERO);
        for step in 0..300 {
            let pause = [0, random.below(300), random.below(1_000), random.below(9_000)];
            now += Duration::from_nanos(*random.pick(&pause) as u64);
            let waiting = departures.iter().filter(|departure| **departure > now).count();
            let departure = departures.last().map_or(now, |last| (*last + interval).max(now));
            let expected = match departure.saturating_sub(now) {
                Duration::ZERO => Pass,
                _ if waiting >= burst => Refuse,
                delay => Delay(delay),
            };
            let context = format!("seed {seed}, request {step}: {waiting} of {burst} wait, one per {interval:?}");
            assert_eq!(bucket.arrive(now), expected, "{context}");
            if expected != Refuse {
                departures.push(departure);
            }
        }
    }
}
