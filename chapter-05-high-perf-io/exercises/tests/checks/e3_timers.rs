//! The checks of exercise 5.3.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::clock::now;
use exercises_05::contracts::Timers;
use integration_tests::rng::Rng;
use integration_tests::wait::{TEST_TIMEOUT, ms};

use crate::exercise_checks;

exercise_checks!(
    exercises_05,
    e3_timers::timers,
    [
        a_timer_fires_when_it_is_due_and_once,
        due_timers_fire_in_order_of_their_deadlines,
        a_moved_timer_has_only_its_new_deadline,
        a_disarmed_timer_never_fires,
        next_gives_no_spurious_wake_ups,
        random_operations_agree_with_a_sorted_list,
        moving_timers_forever_needs_bounded_memory,
        a_hundred_thousand_timers_are_moved_quickly,
    ]
);

const NONE: [u32; 0] = [];

/// All timers that are due, in the order in which they fire.
fn due(timers: &mut impl Timers, now: Instant) -> Vec<u32> {
    std::iter::from_fn(|| timers.expire(now)).take(1_000).collect()
}

fn a_timer_fires_when_it_is_due_and_once<T: Timers>(new: fn() -> T) {
    let (start, mut timers) = (now(), new());
    assert_eq!((timers.next(), timers.expire(start)), (None, None), "nothing is armed");
    timers.arm(7, start + ms(10));
    assert_eq!(timers.next(), Some(start + ms(10)), "when 7 is due");
    assert_eq!(due(&mut timers, start + Duration::from_nanos(9_999_999)), NONE, "a nanosecond early");
    assert_eq!(due(&mut timers, start + ms(10)), [7], "it is due");
    assert_eq!(due(&mut timers, start + ms(900)), NONE, "it has fired");
    assert_eq!((timers.next(), timers.entries()), (None, 0), "nothing is armed any more");
    timers.arm(7, start);
    assert_eq!(due(&mut timers, start + ms(900)), [7], "armed again, for a time that has passed");
}

fn due_timers_fire_in_order_of_their_deadlines<T: Timers>(new: fn() -> T) {
    let (start, mut timers) = (now(), new());
    for (id, at) in [(1, 30), (2, 10), (3, 50), (4, 20), (5, 40)] {
        timers.arm(id, start + ms(at));
    }
    assert_eq!(due(&mut timers, start + ms(40)), [2, 4, 1, 5], "those due after 40 ms");
    assert_eq!(due(&mut timers, start + ms(50)), [3], "the last one");
    for id in [9, 8, 7] {
        timers.arm(id, start + ms(60));
    }
    let mut equal = due(&mut timers, start + ms(60));
    equal.sort_unstable();
    assert_eq!(equal, [7, 8, 9], "three of the same time, in any order");
}

fn a_moved_timer_has_only_its_new_deadline<T: Timers>(new: fn() -> T) {
    let (start, mut timers) = (now(), new());
    timers.arm(1, start + ms(10));
    timers.arm(1, start + ms(50));
    assert_eq!(timers.next(), Some(start + ms(50)), "when 1 is due, moved from 10 to 50 ms");
    assert_eq!(due(&mut timers, start + ms(49)), NONE, "its old time has passed");
    assert_eq!(due(&mut timers, start + ms(50)), [1], "its new time");
    timers.arm(2, start + ms(90));
    timers.arm(2, start + ms(60));
    assert_eq!(due(&mut timers, start + ms(60)), [2], "moved from 90 to 60 ms");
    assert_eq!(due(&mut timers, start + ms(90)), NONE, "its old time, when it has fired");
    timers.arm(3, start + ms(100));
    timers.arm(3, start + ms(200));
    timers.arm(3, start + ms(100));
    assert_eq!(due(&mut timers, start + ms(300)), [3], "moved away and back: it fires once");
}

fn a_disarmed_timer_never_fires<T: Timers>(new: fn() -> T) {
    let (start, mut timers) = (now(), new());
    timers.disarm(5);
    for id in 0..3 {
        timers.arm(id, start + ms(10));
    }
    timers.disarm(1);
    timers.disarm(1);
    let mut fired = due(&mut timers, start + ms(20));
    fired.sort_unstable();
    assert_eq!(fired, [0, 2], "1 is disarmed");
    timers.arm(1, start + ms(40));
    timers.disarm(1);
    timers.arm(1, start + ms(30));
    assert_eq!(due(&mut timers, start + ms(50)), [1], "disarmed and armed again: it fires once");
}

fn next_gives_no_spurious_wake_ups<T: Timers>(new: fn() -> T) {
    let (start, mut timers) = (now(), new());
    // Like a client whose deadline moves with each of its requests.
    for request in 0..100 {
        timers.arm(1, start + ms(request + 60));
    }
    timers.arm(2, start + ms(500));
    timers.arm(3, start + ms(100));
    timers.disarm(3);
    let mut wakes = Vec::new();
    while let Some(at) = timers.next().filter(|_| wakes.len() < 10) {
        wakes.push((at - start, timers.expire(at)));
    }
    assert_eq!(wakes, [(ms(159), Some(1)), (ms(500), Some(2))], "when it wakes, and for which timer");
}

fn random_operations_agree_with_a_sorted_list<T: Timers>(new: fn() -> T) {
    for seed in 0..300 {
        let (start, mut random) = (now(), Rng::new(seed));
        let (mut timers, mut armed, mut at) = (new(), BTreeMap::new(), start);
        for _ in 0..200 {
            let id = u32::try_from(random.below(12)).unwrap();
            match random.below(8) {
                0 => {
                    timers.disarm(id);
                    armed.remove(&id);
                }
                1 | 2 => {
                    at += ms(random.below(40) as u64);
                    while let Some(id) = timers.expire(at) {
                        let first = armed.values().min().copied();
                        let was = armed.remove(&id);
                        assert!(was.is_some(), "seed {seed}: {id} fires, but is not armed");
                        assert_eq!(was, first, "seed {seed}: {id} fires, but another one is due before it");
                        assert!(was <= Some(at), "seed {seed}: {id} fires too early");
                    }
                    let late = armed.iter().find(|(_, due)| **due <= at);
                    assert_eq!(late, None, "seed {seed}: it is due and does not fire");
                }
                _ => {
                    let due = at + ms(random.below(60) as u64);
                    timers.arm(id, due);
                    armed.insert(id, due);
                }
            }
            assert_eq!(timers.next(), armed.values().min().copied(), "seed {seed}: when the first one is due");
        }
    }
}

fn moving_timers_forever_needs_bounded_memory<T: Timers>(new: fn() -> T) {
    let (start, mut timers) = (now(), new());
    // It is due before all others and stays armed, so that no obsolete entry reaches the top, where it could be
    // discarded.
    timers.arm(u32::MAX, start + ms(1));
    for live in [1, 100, 1_000] {
        for step in 0..50_000_u32 {
            timers.arm(step % live, start + ms(60_000 + u64::from(step)));
            let (kept, armed) = (timers.entries(), 1 + live.min(step + 1) as usize);
            assert!(kept <= 2 * armed + 64, "{kept} entries are kept for {armed} timers");
        }
        for id in 0..live {
            timers.disarm(id);
        }
        assert!(timers.entries() <= 66, "{} entries are kept, and one timer is armed", timers.entries());
    }
}

fn a_hundred_thousand_timers_are_moved_quickly<T: Timers>(new: fn() -> T) {
    const TIMERS: u32 = 100_000;
    let (start, mut timers, mut random) = (now(), new(), Rng::new(1));
    for id in 0..TIMERS {
        timers.arm(id, start + ms(random.below(60_000) as u64));
    }
    let begun = now();
    for moved in 0..200_000_u32 {
        let id = u32::try_from(random.below(TIMERS as usize)).unwrap();
        timers.arm(id, start + ms(60_000 + u64::from(moved)));
        if moved % 100 == 0 {
            let took = begun.elapsed();
            assert!(took < TEST_TIMEOUT, "{moved} moves among 100,000 timers should not take {took:?}");
        }
    }
}
