//! The checks of exercise 3.3.

use std::panic::resume_unwind;
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

use exercises_03::contracts::{LeastRequests, RequestGuard};
use integration_tests::wait::TEST_TIMEOUT;

use crate::exercise_checks;

exercise_checks!(
    exercises_03,
    e3_least_requests::least_requests,
    [
        the_backend_with_the_fewest_requests_is_chosen,
        a_backend_that_is_down_is_never_chosen,
        idle_backends_get_equal_shares,
        the_share_of_a_dead_backend_goes_to_all_others,
        a_failed_request_is_released,
        a_panicking_request_is_released,
        a_finished_request_is_released_once,
        choosing_and_counting_is_atomic,
        a_request_in_flight_blocks_no_other,
    ]
);

/// The failure message if `choose` returns nothing.
const NONE: &str = "a backend is up and should be chosen, but none is";

/// How many requests are in flight on each of `backends`.
fn in_flight<L: LeastRequests>(balancer: &L, backends: usize) -> Vec<usize> {
    (0..backends).map(|backend| balancer.in_flight(backend)).collect()
}

/// The backends of `count` requests, one after the other, sorted.
fn one_by_one<L: LeastRequests>(balancer: &L, up: &[bool], count: usize) -> Vec<usize> {
    let request = |_| {
        let guard = balancer.choose(up).expect(NONE);
        let backend = guard.backend();
        guard.finish();
        backend
    };
    let mut chosen: Vec<_> = (0..count).map(request).collect();
    chosen.sort_unstable();
    chosen
}

fn the_backend_with_the_fewest_requests_is_chosen<L: LeastRequests>(new: fn(usize) -> L) {
    let balancer = new(3);
    let mut held: Vec<_> = (0..6).map(|_| balancer.choose(&[true; 3]).expect(NONE)).collect();
    assert_eq!(in_flight(&balancer, 3), [2, 2, 2], "six requests at a time over three backends");
    let index = held.iter().position(|guard| guard.backend() == 1).expect("two of the six should be on backend 1");
    held.swap_remove(index).finish();
    assert_eq!(in_flight(&balancer, 3), [2, 1, 2], "in flight, after one request of backend 1 is finished");
    let next = balancer.choose(&[true; 3]).expect(NONE);
    assert_eq!(next.backend(), 1, "backend 1 has the fewest and should be chosen");
}

fn a_backend_that_is_down_is_never_chosen<L: LeastRequests>(new: fn(usize) -> L) {
    let balancer = new(2);
    let _held: Vec<_> = (0..5).map(|_| balancer.choose(&[false, true]).expect(NONE)).collect();
    assert_eq!(in_flight(&balancer, 2), [0, 5], "in flight, while backend 0 is idle, and down");
    assert!(balancer.choose(&[false, false]).is_none(), "no backend is up and none should be chosen, but one is");
    assert_eq!(in_flight(&balancer, 2), [0, 5], "in flight: an unsuccessful choice should not be counted");
}

fn idle_backends_get_equal_shares<L: LeastRequests>(new: fn(usize) -> L) {
    let chosen = one_by_one(&new(3), &[true; 3], 9);
    assert_eq!(chosen, [0, 0, 0, 1, 1, 1, 2, 2, 2], "nine requests, one after the other, three idle backends");
}

fn the_share_of_a_dead_backend_goes_to_all_others<L: LeastRequests>(new: fn(usize) -> L) {
    let chosen = one_by_one(&new(4), &[true, false, true, true], 9);
    assert_eq!(chosen, [0, 0, 0, 2, 2, 2, 3, 3, 3], "nine requests, one after the other; backend 1 is down");
}

fn a_failed_request_is_released<L: LeastRequests>(new: fn(usize) -> L) {
    let balancer = new(1);
    let request = || -> Result<(), &str> {
        let guard = balancer.choose(&[true]).ok_or("none is up")?;
        Err("connection reset")?;
        guard.finish();
        Ok(())
    };
    assert_eq!(request(), Err("connection reset"));
    assert_eq!(in_flight(&balancer, 1), [0], "in flight, after a request returned early with its guard unfinished");
}

fn a_panicking_request_is_released<L: LeastRequests>(new: fn(usize) -> L) {
    let balancer = new(1);
    let guard = balancer.choose(&[true]).expect(NONE);
    let request = thread::spawn(move || {
        let _guard = guard;
        panic!("this panic belongs to the check");
    });
    assert!(request.join().is_err());
    assert_eq!(in_flight(&balancer, 1), [0], "in flight, after the thread of a request has panicked");
    assert!(balancer.choose(&[true]).is_some(), "after a panic the next request should find a backend, but finds none");
}

fn a_finished_request_is_released_once<L: LeastRequests>(new: fn(usize) -> L) {
    let balancer = new(1);
    let still_running = balancer.choose(&[true]).expect(NONE);
    balancer.choose(&[true]).expect(NONE).finish();
    assert_eq!(in_flight(&balancer, 1), [1], "in flight, after one request is finished and another is not");
    drop(still_running);
    assert_eq!(in_flight(&balancer, 1), [0], "in flight, after both have ended");
}

/// Runs `work` on eight threads that begin at the same moment; returns what each returns.
fn on_eight_threads<R: Send>(work: impl Fn() -> R + Sync) -> Vec<R> {
    let start = Barrier::new(8);
    let begin = || {
        start.wait();
        work()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, R>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        threads.into_iter().map(join).collect()
    })
}

/// While requests only begin, no backend is ever two ahead of another. Eight threads begin as many as they can, and each
/// looks right after its choice, because a backend that is ahead is avoided until the others have caught up. That takes
/// many choices, for the gap between a choice and its count may be of nanoseconds.
fn choosing_and_counting_is_atomic<L: LeastRequests>(new: fn(usize) -> L) {
    const BACKENDS: usize = 16;
    const REQUESTS: usize = 50_000;
    for _ in 0..30 {
        let balancer = new(BACKENDS);
        let begin = |_| {
            let guard = balancer.choose(&[true; BACKENDS]).expect(NONE);
            let own = balancer.in_flight(guard.backend());
            let counts = in_flight(&balancer, BACKENDS);
            let fewest = counts.iter().min().unwrap();
            assert!(own <= fewest + 1, "a chosen backend has {own} in flight by now, but all of them have {counts:?}");
            guard
        };
        let held = on_eight_threads(|| (0..REQUESTS).map(begin).collect::<Vec<_>>());
        let each = 8 * REQUESTS / BACKENDS;
        assert_eq!(in_flight(&balancer, BACKENDS), [each; BACKENDS], "in flight, after 400,000 requests have begun");
        let held = Mutex::new(held);
        on_eight_threads(|| {
            let own = held.lock().unwrap().pop();
            drop(own);
        });
        assert_eq!(in_flight(&balancer, BACKENDS), [0; BACKENDS], "in flight, after all have ended, on eight threads");
    }
}

fn a_request_in_flight_blocks_no_other<L: LeastRequests>(new: fn(usize) -> L) {
    let balancer = Arc::new(new(1));
    let _in_flight = balancer.choose(&[true]).expect(NONE);
    let (done, other) = mpsc::channel();
    let shared = Arc::clone(&balancer);
    thread::spawn(move || {
        shared.choose(&[true]).expect(NONE).finish();
        let _ = done.send(shared.in_flight(0));
    });
    let count = other.recv_timeout(TEST_TIMEOUT);
    let count = count.expect("a request should begin and end while another is in flight, but it blocks");
    assert_eq!(count, 1, "in flight, after the second request has ended");
}
