//! The pool's laws, checked against a model that keeps everything in one list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use connection_pooling::pool::{
    ConnectionMeta, ConnectionPool as _, EvictReason, Evicted, IdlePool, PoolKey, PoolLimits,
};
use proptest::{collection::vec, prelude::*};

/// A connection is a number, and reusable unless it is in `closed`.
type Connection = u32;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A connection is no longer in use.
    Put {
        key: u16,
        age: u64,
        requests: u32,
    },
    /// A request takes a connection.
    Take {
        key: u16,
        max_idle: u64,
    },
    /// The backend closes the connections whose number modulo three is this.
    Close {
        remainder: u32,
    },
    Sweep,
    TakeLongestIdle {
        min_idle: u64,
    },
    /// This many seconds pass.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_u16, 0..100_u64, 0..12_u32).prop_map(|(key, age, requests)| Step::Put { key, age, requests }),
        5 => (0..3_u16, 0..60_u64).prop_map(|(key, max_idle)| Step::Take { key, max_idle }),
        1 => (0..3_u32).prop_map(|remainder| Step::Close { remainder }),
        1 => Just(Step::Sweep),
        1 => (0..20_u64).prop_map(|min_idle| Step::TakeLongestIdle { min_idle }),
        3 => (0..12_u64).prop_map(Step::Wait),
    ]
}

fn key(number: u16) -> PoolKey {
    PoolKey { address: SocketAddr::from(([127, 0, 0, 1], number + 1)) }
}

#[derive(Debug, Clone, Copy)]
struct Idle {
    key: PoolKey,
    connection: Connection,
    meta: ConnectionMeta,
    since: Instant,
}

/// The expected content of the pool, in the order of the puts.
struct Model {
    limits: PoolLimits,
    idle: Vec<Idle>,
    closed: BTreeSet<Connection>,
    now: Instant,
}

impl Model {
    fn is_expired(&self, idle: &Idle) -> bool {
        self.now - idle.since >= self.limits.idle_timeout || is_used_up(self.limits, idle.meta, self.now)
    }

    fn evict_reason(&self, idle: &Idle) -> Option<EvictReason> {
        if self.is_expired(idle) {
            Some(EvictReason::Expired)
        } else {
            self.closed.contains(&idle.connection).then_some(EvictReason::Stale)
        }
    }

    fn oldest(&self) -> Option<usize> {
        (0..self.idle.len()).min_by_key(|at| self.idle[*at].since)
    }
}

fn is_used_up(limits: PoolLimits, meta: ConnectionMeta, now: Instant) -> bool {
    meta.requests_served >= limits.max_requests || now - meta.created_at >= limits.max_age
}

fn summary(evicted: &Evicted<Connection>) -> (Connection, EvictReason) {
    (evicted.idle.connection, evicted.reason)
}

proptest! {
    #[test]
    fn the_pool_does_what_a_plain_list_does(
        steps in vec(step(), 1..200),
        max_idle_per_key in 0..5_usize,
        max_idle_total in 0..9_usize,
    ) {
        let limits = PoolLimits {
            max_idle_per_key,
            max_idle_total,
            idle_timeout: Duration::from_secs(30),
            max_age: Duration::from_secs(90),
            max_requests: 10,
        };
        let started = common::clock::now() + Duration::from_secs(1_000);
        let mut pool = IdlePool::new(limits);
        let mut model = Model { limits, idle: Vec::new(), closed: BTreeSet::new(), now: started };
        let mut next = 0;
        for step in steps {
            let swept = matches!(step, Step::Sweep);
            match step {
                Step::Wait(seconds) => model.now += Duration::from_secs(seconds) + Duration::from_millis(1),
                Step::Close { remainder } => {
                    let connections = model.idle.iter().map(|idle| idle.connection);
                    model.closed.extend(connections.filter(|connection| connection % 3 == remainder));
                }
                Step::Put { key: number, age, requests } => {
                    next += 1;
                    // No two puts at the same moment: otherwise either may count as the longest idle one.
                    model.now += Duration::from_micros(1);
                    let created_at = model.now.checked_sub(Duration::from_secs(age)).unwrap();
                    let meta = ConnectionMeta { created_at, requests_served: requests };
                    let evicted = pool.put(key(number), next, meta, model.now).as_ref().map(summary);
                    let expected = put(&mut model, key(number), next, meta);
                    prop_assert_eq!(evicted, expected);
                }
                Step::Take { key: number, max_idle } => {
                    let mut evicted = Vec::new();
                    let closed = model.closed.clone();
                    let is_reusable = |connection: &mut Connection| !closed.contains(connection);
                    let max_idle = Duration::from_secs(max_idle);
                    let on_evict = |one| evicted.push(summary(&one));
                    let taken = pool.take(key(number), model.now, max_idle, is_reusable, on_evict);
                    let (expected, expected_evicted) = take(&mut model, key(number), max_idle);
                    prop_assert_eq!(taken.map(|idle| idle.connection), expected);
                    prop_assert_eq!(evicted, expected_evicted);
                }
                Step::Sweep => {
                    let mut evicted = Vec::new();
                    let closed = model.closed.clone();
                    let on_evict = |one| evicted.push(summary(&one));
                    pool.sweep(model.now, |_, connection| !closed.contains(connection), on_evict);
                    let (unusable, mut kept): (Vec<_>, Vec<_>) =
                        model.idle.iter().copied().partition(|idle| model.evict_reason(idle).is_some());
                    let mut expected: Vec<_> =
                        unusable.iter().map(|idle| (idle.connection, model.evict_reason(idle).unwrap())).collect();
                    for number in 0..3 {
                        let of_key = kept.iter().filter(|idle| idle.key == key(number)).count();
                        for _ in max_idle_per_key..of_key {
                            let oldest = kept.iter().position(|idle| idle.key == key(number)).unwrap();
                            expected.push((kept.remove(oldest).connection, EvictReason::PoolFull));
                        }
                    }
                    evicted.sort_unstable_by_key(|(connection, _)| *connection);
                    expected.sort_unstable_by_key(|(connection, _)| *connection);
                    prop_assert_eq!(evicted, expected);
                    model.idle = kept;
                }
                Step::TakeLongestIdle { min_idle } => {
                    let min_idle = Duration::from_secs(min_idle);
                    let taken = pool.take_longest_idle(min_idle, model.now).map(|(key, idle)| (key, idle.connection));
                    let oldest = model.oldest().filter(|at| model.now - model.idle[*at].since >= min_idle);
                    let expected = oldest.map(|at| model.idle.remove(at));
                    prop_assert_eq!(taken, expected.map(|idle| (idle.key, idle.connection)));
                }
            }
            prop_assert_eq!(pool.len(), model.idle.len());
            prop_assert!(pool.len() <= max_idle_total);
            for number in 0..3 {
                let idle = model.idle.iter().filter(|idle| idle.key == key(number)).count();
                prop_assert_eq!(pool.len_of(key(number)), idle);
                prop_assert!(idle <= max_idle_per_key || !swept);
            }
        }
    }
}

fn put(
    model: &mut Model,
    key: PoolKey,
    connection: Connection,
    meta: ConnectionMeta,
) -> Option<(Connection, EvictReason)> {
    if is_used_up(model.limits, meta, model.now) {
        return Some((connection, EvictReason::Expired));
    }
    if model.limits.max_idle_per_key == 0 || model.limits.max_idle_total == 0 {
        return Some((connection, EvictReason::PoolFull));
    }
    let is_full = model.idle.len() >= model.limits.max_idle_total;
    let evicted = if is_full { model.oldest() } else { None };
    let evicted = evicted.map(|at| (model.idle.remove(at).connection, EvictReason::PoolFull));
    model.idle.push(Idle { key, connection, meta, since: model.now });
    evicted
}

/// Last in, first out.
fn take(model: &mut Model, key: PoolKey, max_idle: Duration) -> (Option<Connection>, Vec<(Connection, EvictReason)>) {
    let mut evicted = Vec::new();
    while let Some(at) = model.idle.iter().rposition(|idle| idle.key == key) {
        let idle = model.idle[at];
        let reason = model.evict_reason(&idle);
        if reason != Some(EvictReason::Expired) && model.now - idle.since >= max_idle {
            break;
        }
        model.idle.remove(at);
        match reason {
            Some(reason) => evicted.push((idle.connection, reason)),
            None => return (Some(idle.connection), evicted),
        }
    }
    (None, evicted)
}

/// As in the shared pool, to which each worker moves connections that have been idle for a while.
#[test]
fn a_connection_that_was_idle_before_is_put_in_order_of_its_idle_time() {
    let started = common::clock::now();
    let at = |seconds| started + Duration::from_secs(seconds);
    let meta = ConnectionMeta::new(started);
    let (idle_timeout, age) = (Duration::from_secs(30), Duration::from_secs(90));
    let mut pool = IdlePool::new(PoolLimits {
        max_idle_per_key: 9,
        max_idle_total: 9,
        idle_timeout,
        max_age: age,
        max_requests: 10,
    });
    for since in [5_u32, 1, 3, 5, 2] {
        assert!(pool.put(key(0), since, meta, at(since.into())).is_none());
    }
    assert_eq!(pool.take_longest_idle(Duration::ZERO, at(5)).unwrap().1.connection, 1);
    let mut take = || pool.take(key(0), at(5), Duration::MAX, |_| true, |_| ()).map(|idle| idle.connection);
    assert_eq!([take(), take(), take(), take(), take()], [Some(5), Some(5), Some(3), Some(2), None]);
}
