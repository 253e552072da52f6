//! The checks of exercise 3.7.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use integration_tests::wait::TEST_TIMEOUT;
use load_balancer::pick::Pick;

use crate::exercise_checks;

exercise_checks!(
    exercises_03,
    e7_picker::picker,
    [
        backends_take_turns,
        none_is_picked_when_none_is_usable,
        the_share_of_a_backend_that_is_down_goes_to_all_others,
        turns_are_exact_across_threads,
        picks_at_the_same_moment_get_different_backends,
        a_backend_that_goes_down_during_a_pick_is_no_failure,
        a_pick_neither_waits_for_others_nor_fails_because_of_them,
    ],
    suites ["balance", "failover"] of "chapter-03-load-balancer" with "your_picker_lb" or "solution_picker_lb"
);

type New = fn() -> Box<dyn Pick>;

/// How often each backend is picked in `picks` picks; panics if one that is not usable is picked.
fn counts<const BACKENDS: usize>(policy: &dyn Pick, usable: [bool; BACKENDS], picks: usize) -> [usize; BACKENDS] {
    let mut counts = [0; BACKENDS];
    for _ in 0..picks {
        let picked = policy.pick(BACKENDS, &|index| usable[index]);
        let picked = picked.expect("a backend is usable and should be picked, but none is");
        assert!(usable[picked], "backend {picked} should not be picked, but is; usable: {usable:?}");
        counts[picked] += 1;
    }
    counts
}

fn backends_take_turns(new: New) {
    let policy = new();
    let picks: Vec<_> = (0..9).map(|_| policy.pick(3, &|_| true)).collect();
    let mut first = picks[..3].to_vec();
    first.sort_unstable();
    assert_eq!(first, [Some(0), Some(1), Some(2)], "the first three picks, sorted");
    assert!(
        picks.chunks(3).all(|turn| *turn == picks[..3]),
        "each turn should be like the first, but is not: {picks:?}"
    );
}

fn none_is_picked_when_none_is_usable(new: New) {
    for backends in [0, 1, 3] {
        assert_eq!(new().pick(backends, &|_| false), None, "of {backends} backends, none of them usable");
    }
}

fn the_share_of_a_backend_that_is_down_goes_to_all_others(new: New) {
    for mask in 1..16 {
        let usable = [0, 1, 2, 3].map(|index| mask >> index & 1 == 1);
        let share = 12 / usable.iter().filter(|usable| **usable).count();
        let expected = usable.map(|usable| if usable { share } else { 0 });
        assert_eq!(counts(&*new(), usable, 12), expected, "the picks of each backend, of twelve; usable: {usable:?}");
    }
}

/// The picks of one thread, of eight. Few, and many rounds, because lost updates of a counter may make up for each other.
const PICKS: usize = 50_000;

/// How often each backend is picked in [`PICKS`] picks on each of eight threads.
fn counts_of_eight_threads<const BACKENDS: usize>(new: New, usable: [bool; BACKENDS]) -> [usize; BACKENDS] {
    let (policy, start) = (new(), Barrier::new(8));
    let mut sums = [0; BACKENDS];
    thread::scope(|scope| {
        let pick = || {
            start.wait();
            counts(&*policy, usable, PICKS)
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(pick)).collect();
        for thread in threads {
            let counts = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    });
    sums
}

/// With sixteen backends, a number that two threads get shows in the shares. With three, it is seldom visible.
fn turns_are_exact_across_threads(new: New) {
    let usable: [[bool; 16]; 2] = [[true; 16], std::array::from_fn(|index| index != 5)];
    for (round, usable) in (0..60).map(|round| (round, usable[round % 2])) {
        let counts = counts_of_eight_threads(new, usable);
        let shares: Vec<_> =
            counts.into_iter().zip(usable).filter_map(|(count, usable)| usable.then_some(count)).collect();
        let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
        assert!(
            most - least <= 1,
            "round {round}: after 400,000 picks, shares should differ by one at most, but are {shares:?}"
        );
    }
}

/// Calls `pick` on a thread of its own, because it may never return. What it returns arrives in the channel.
fn on_its_own_thread(pick: impl FnOnce() -> Option<usize> + Send + 'static) -> mpsc::Receiver<Option<usize>> {
    let (done, picked) = mpsc::channel();
    thread::spawn(move || done.send(pick()));
    picked
}

/// The failure message if a pick does not return.
const BLOCKED: &str = "a pick should end while another is in the middle of its own, but it waits for the other";

fn picks_at_the_same_moment_get_different_backends(new: New) {
    let (policy, in_the_middle): (Arc<dyn Pick>, _) = (new().into(), Arc::new(Barrier::new(3)));
    let pick = |_| {
        let (policy, in_the_middle) = (Arc::clone(&policy), Arc::clone(&in_the_middle));
        on_its_own_thread(move || {
            let is_first_call = Cell::new(true);
            policy.pick(3, &|_| {
                if is_first_call.replace(false) {
                    in_the_middle.wait();
                }
                true
            })
        })
    };
    let running: Vec<_> = (0..3).map(pick).collect();
    let mut picked: Vec<_> = running.into_iter().map(|pick| pick.recv_timeout(TEST_TIMEOUT).expect(BLOCKED)).collect();
    picked.sort_unstable();
    assert_eq!(picked, [Some(0), Some(1), Some(2)], "three picks, each on a thread, at the same moment");
}

fn a_backend_that_goes_down_during_a_pick_is_no_failure(new: New) {
    for (picks_before, calls_before, gone) in
        (0..3).flat_map(|picks| (0..10).flat_map(move |calls| [&[2][..], &[1, 2]].map(|gone| (picks, calls, gone))))
    {
        let policy = new();
        counts(&*policy, [true; 3], picks_before);
        let (calls, last_answers) = (Cell::new(0), RefCell::new([false; 3]));
        let picked = policy.pick(3, &|index| {
            let is_usable = calls.get() < calls_before || !gone.contains(&index);
            calls.set(calls.get() + 1);
            last_answers.borrow_mut()[index] = is_usable;
            is_usable
        });
        let is_right = picked.is_some_and(|picked| last_answers.borrow()[picked]);
        let went = format!("backends {gone:?} of 3 went down after {calls_before} calls of `is_usable`");
        assert!(is_right, "{went}: another should be picked, but pick {picks_before} is {picked:?}");
    }
}

fn a_pick_neither_waits_for_others_nor_fails_because_of_them(new: New) {
    let policy: Arc<dyn Pick> = new().into();
    let picked = on_its_own_thread(move || {
        let is_usable = |index| index == 1;
        let calls = Cell::new(0);
        policy.pick(2, &|index| {
            calls.set(calls.get() + 1);
            // At first, another thread picks whenever this one asks.
            if calls.get() <= 4 {
                thread::scope(|scope| _ = scope.spawn(|| policy.pick(2, &is_usable)));
            }
            is_usable(index)
        })
    });
    let picked = picked.recv_timeout(TEST_TIMEOUT).expect(BLOCKED);
    assert_eq!(picked, Some(1), "backend 1 of 2 is usable, while other threads pick it as well");
}
