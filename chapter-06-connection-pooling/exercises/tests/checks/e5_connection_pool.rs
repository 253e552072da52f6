//! The checks of exercise 6.5.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use common::clock;
use connection_pooling::pool::{ConnectionMeta, ConnectionPool, EvictReason, Evicted, PoolKey, PoolLimits};
use integration_tests::rng::Rng;

use crate::exercise_checks;

const LIMITS: PoolLimits = PoolLimits {
    max_idle_per_key: 3,
    max_idle_total: 5,
    idle_timeout: Duration::from_secs(30),
    max_age: Duration::from_hours(1),
    max_requests: 100,
};
const NEVER: Duration = Duration::MAX;

exercise_checks!(
    exercises_06,
    e5_connection_pool::new,
    [
    the_connection_that_was_returned_last_is_taken_first,
    a_stale_connection_is_evicted_and_the_next_is_taken,
    an_expired_connection_is_neither_taken_nor_kept,
    one_that_is_idle_for_too_long_for_this_request_stays,
    a_full_pool_evicts_the_longest_idle_connection,
    a_sweep_enforces_the_limit_per_key,
    a_limit_of_zero_keeps_nothing,
    the_longest_idle_connection_is_given_up_first,
    every_connection_leaves_exactly_once,
],
    suites ["pooling"] of "chapter-06-connection-pooling" with "your_pool_lb" or "solution_pool_lb"
);

fn key(number: u16) -> PoolKey {
    PoolKey { address: SocketAddr::from(([127, 0, 0, 1], number + 1)) }
}

/// A pool of numbers, and the time.
struct Setup<P> {
    pool: P,
    start: Instant,
}

impl<P: ConnectionPool<u32>> Setup<P> {
    fn new(new: fn(PoolLimits) -> P, limits: PoolLimits) -> Self {
        Self { pool: new(limits), start: clock::now() }
    }

    fn at(&self, second: u64) -> Instant {
        self.start + Duration::from_secs(second)
    }

    /// Puts a connection that was created at the start; what is evicted for it.
    fn put(&mut self, connection: u32, number: u16, second: u64) -> Option<(u32, EvictReason)> {
        let meta = ConnectionMeta::new(self.start);
        self.pool.put(key(number), connection, meta, self.at(second)).map(|evicted| number_and_reason(&evicted))
    }

    /// Takes a connection: what is taken, and what is evicted before.
    fn take(
        &mut self,
        number: u16,
        second: u64,
        max_idle: Duration,
        stale: &[u32],
    ) -> (Option<u32>, Vec<(u32, EvictReason)>) {
        let (now, mut evicted) = (self.at(second), Vec::new());
        let is_reusable = |connection: &mut u32| !stale.contains(connection);
        let taken =
            self.pool.take(key(number), now, max_idle, is_reusable, |one| evicted.push(number_and_reason(&one)));
        (taken.map(|idle| idle.connection), evicted)
    }

    fn sweep(&mut self, second: u64, stale: &[u32]) -> Vec<(u32, EvictReason)> {
        let (now, mut evicted) = (self.at(second), Vec::new());
        let is_reusable = |_, connection: &mut u32| !stale.contains(connection);
        self.pool.sweep(now, is_reusable, |one| evicted.push(number_and_reason(&one)));
        evicted.sort_unstable_by_key(|(connection, _)| *connection);
        evicted
    }
}

fn number_and_reason(evicted: &Evicted<u32>) -> (u32, EvictReason) {
    (evicted.idle.connection, evicted.reason)
}

fn the_connection_that_was_returned_last_is_taken_first<P: ConnectionPool<u32>>(new: fn(PoolLimits) -> P) {
    let mut setup = Setup::new(new, LIMITS);
    for (connection, number) in [(1, 0), (2, 0), (3, 1), (4, 0)] {
        assert_eq!(setup.put(connection, number, connection.into()), None);
    }
    assert_eq!((setup.pool.len_of(key(0)), setup.pool.len_of(key(1)), setup.pool.len_of(key(2))), (3, 1, 0));
    let taken: Vec<_> = (0..4).map(|_| setup.take(0, 5, NEVER, &[]).0).collect();
    assert_eq!(taken, [Some(4), Some(2), Some(1), None]);
    assert_eq!(setup.take(1, 5, NEVER, &[]), (Some(3), vec![]), "a connection of another key is not touched");
}

fn a_stale_connection_is_evicted_and_the_next_is_taken<P: ConnectionPool<u32>>(new: fn(PoolLimits) -> P) {
    let mut setup = Setup::new(new, LIMITS);
    for connection in 1..=3 {
        setup.put(connection, 0, connection.into());
    }
    let evicted = vec![(3, EvictReason::Stale), (2, EvictReason::Stale)];
    assert_eq!(setup.take(0, 4, NEVER, &[2, 3]), (Some(1), evicted));
    assert_eq!(setup.pool.len_of(key(0)), 0);
}

fn an_expired_connection_is_neither_taken_nor_kept<P: ConnectionPool<u32>>(new: fn(PoolLimits) -> P) {
    let mut setup = Setup::new(new, LIMITS);
    setup.put(1, 0, 0);
    setup.put(2, 1, 0);
    assert_eq!(setup.take(0, 30, NEVER, &[]), (None, vec![(1, EvictReason::Expired)]), "after its idle timeout");
    assert_eq!(setup.sweep(29, &[]), []);
    assert_eq!(setup.sweep(30, &[]), [(2, EvictReason::Expired)]);
    // Limits that a connection has reached when it is put.
    let (start, old) = (setup.start, setup.at(3_600));
    for (created_at, requests_served, now) in [(start, 100, start), (start, 0, old)] {
        let evicted = setup.pool.put(key(0), 3, ConnectionMeta { created_at, requests_served }, now);
        assert_eq!(evicted.map(|evicted| evicted.reason), Some(EvictReason::Expired));
        assert_eq!(setup.pool.len_of(key(0)), 0);
    }
}

fn one_that_is_idle_for_too_long_for_this_request_stays<P: ConnectionPool<u32>>(new: fn(PoolLimits) -> P) {
    let mut setup = Setup::new(new, LIMITS);
    setup.put(1, 0, 0);
    setup.put(2, 0, 3);
    assert_eq!(setup.take(0, 5, Duration::from_secs(2), &[]), (None, vec![]));
    assert_eq!(setup.take(0, 4, Duration::from_secs(2), &[]), (Some(2), vec![]));
    assert_eq!(setup.take(0, 5, NEVER, &[]), (Some(1), vec![]));
}

fn a_full_pool_evicts_the_longest_idle_connection<P: ConnectionPool<u32>>(new: fn(PoolLimits) -> P) {
    let mut setup = Setup::new(new, LIMITS);
    for connection in 1..=5_u32 {
        assert_eq!(setup.put(connection, u16::from(connection % 2 == 0), connection.into()), None);
    }
    assert_eq!(setup.put(6, 7, 6), Some((1, EvictReason::PoolFull)));
    assert_eq!(setup.put(7, 0, 7), Some((2, EvictReason::PoolFull)));
    assert_eq!((setup.pool.len_of(key(0)), setup.pool.len_of(key(1)), setup.pool.len_of(key(7))), (3, 1, 1));
}

fn a_sweep_enforces_the_limit_per_key<P: ConnectionPool<u32>>(new: fn(PoolLimits) -> P) {
    let mut setup = Setup::new(new, PoolLimits { max_idle_total: 100, ..LIMITS });
    for connection in 1..=6 {
        assert_eq!(setup.put(connection, 0, connection.into()), None, "between sweeps there may be more");
    }
    setup.put(7, 1, 7);
    let evicted = [(1, EvictReason::PoolFull), (2, EvictReason::PoolFull), (5, EvictReason::Stale)];
    assert_eq!(setup.sweep(8, &[5]), evicted);
    assert_eq!((setup.pool.len_of(key(0)), setup.pool.len_of(key(1))), (3, 1));
}

fn a_limit_of_zero_keeps_nothing<P: ConnectionPool<u32>>(new: fn(PoolLimits) -> P) {
    for limits in [PoolLimits { max_idle_per_key: 0, ..LIMITS }, PoolLimits { max_idle_total: 0, ..LIMITS }] {
        let mut setup = Setup::new(new, limits);
        assert_eq!(setup.put(1, 0, 0), Some((1, EvictReason::PoolFull)));
        assert_eq!(setup.take(0, 0, NEVER, &[]), (None, vec![]));
    }
}

fn the_longest_idle_connection_is_given_up_first<P: ConnectionPool<u32>>(new: fn(PoolLimits) -> P) {
    let mut setup = Setup::new(new, LIMITS);
    let longest = |setup: &mut Setup<P>, min_idle, second| {
        let now = setup.at(second);
        setup.pool.take_longest_idle(Duration::from_secs(min_idle), now).map(|(key, idle)| (key, idle.connection))
    };
    assert_eq!(longest(&mut setup, 0, 0), None);
    setup.put(1, 0, 0);
    setup.put(2, 1, 1);
    assert_eq!(longest(&mut setup, 6, 5), None);
    assert_eq!(longest(&mut setup, 5, 5), Some((key(0), 1)));
    assert_eq!(longest(&mut setup, 0, 5), Some((key(1), 2)));
    assert_eq!(longest(&mut setup, 0, 5), None);
}

/// A thousand random operations: what is put comes back once, and the total is never exceeded.
fn every_connection_leaves_exactly_once<P: ConnectionPool<u32>>(new: fn(PoolLimits) -> P) {
    let mut setup = Setup::new(new, LIMITS);
    let (mut random, mut next, mut second, mut left) = (Rng::new(6_5), 0_u32, 0, Vec::new());
    for _ in 0..1_000 {
        let number = u16::try_from(random.below(3)).expect("below three");
        match random.below(8) {
            0 => second += u64::from(number) * 11,
            1 => left.extend(setup.sweep(second, &[next / 2])),
            2..=4 => {
                let (taken, evicted) = setup.take(number, second, NEVER, &[next / 3]);
                left.extend(evicted);
                left.extend(taken.map(|connection| (connection, EvictReason::Stale)));
            }
            _ => {
                left.extend(setup.put(next, number, second));
                next += 1;
            }
        }
        let idle: usize = (0..3).map(|number| setup.pool.len_of(key(number))).sum();
        assert!(idle <= LIMITS.max_idle_total, "{idle} are idle");
    }
    while let Some((_, idle)) = setup.pool.take_longest_idle(Duration::ZERO, setup.at(second)) {
        left.push((idle.connection, EvictReason::PoolFull));
    }
    let times_left = |connection| left.iter().filter(|(other, _)| *other == connection).count();
    let wrong: Vec<_> =
        (0..next).map(|connection| (connection, times_left(connection))).filter(|one| one.1 != 1).collect();
    assert_eq!(wrong, [], "connections that did not leave, or more than once");
}
