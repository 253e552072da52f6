//! The pool's laws, held against a model that keeps everything in one list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use connection_pooling::pool::{ConnectionMeta, EvictReason, Evicted, IdlePool, PoolKey, PoolLimits};
use proptest::{collection::vec, prelude::*};

/// A connection is a number, and fit if nobody has said otherwise.
type Connection = u32;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A connection's use ends.
    Put {
        peer: u16,
        age: u64,
        requests: u32,
    },
    /// A request wants one.
    Take {
        peer: u16,
        within: u64,
    },
    /// The backend closes those whose number leaves this rest when divided by three.
    Spoil {
        rest: u32,
    },
    Sweep,
    Surplus {
        at_least: u64,
    },
    /// So many seconds pass.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_u16, 0..100_u64, 0..12_u32).prop_map(|(peer, age, requests)| Step::Put { peer, age, requests }),
        5 => (0..3_u16, 0..60_u64).prop_map(|(peer, within)| Step::Take { peer, within }),
        1 => (0..3_u32).prop_map(|rest| Step::Spoil { rest }),
        1 => Just(Step::Sweep),
        1 => (0..20_u64).prop_map(|at_least| Step::Surplus { at_least }),
        3 => (0..12_u64).prop_map(Step::Wait),
    ]
}

fn peer(number: u16) -> PoolKey {
    PoolKey { address: SocketAddr::from(([127, 0, 0, 1], number + 1)) }
}

#[derive(Debug, Clone, Copy)]
struct Resting {
    peer: PoolKey,
    connection: Connection,
    life: ConnectionMeta,
    since: Instant,
}

/// What should be: in the order in which they came.
struct Model {
    limits: PoolLimits,
    resting: Vec<Resting>,
    spoiled: BTreeSet<Connection>,
    now: Instant,
}

impl Model {
    fn has_had_its_time(&self, resting: &Resting) -> bool {
        self.now - resting.since >= self.limits.idle_timeout || is_spent(self.limits, resting.life, self.now)
    }

    fn why(&self, resting: &Resting) -> Option<EvictReason> {
        if self.has_had_its_time(resting) {
            Some(EvictReason::Expired)
        } else {
            self.spoiled.contains(&resting.connection).then_some(EvictReason::Stale)
        }
    }

    fn oldest(&self) -> Option<usize> {
        (0..self.resting.len()).min_by_key(|at| self.resting[*at].since)
    }
}

fn is_spent(limits: PoolLimits, life: ConnectionMeta, now: Instant) -> bool {
    life.requests_served >= limits.max_requests || now - life.created_at >= limits.max_age
}

fn told(removed: &Evicted<Connection>) -> (Connection, EvictReason) {
    (removed.idle.connection, removed.reason)
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
        let begun = common::clock::now() + Duration::from_secs(1_000);
        let mut pool = IdlePool::new(limits);
        let mut model = Model { limits, resting: Vec::new(), spoiled: BTreeSet::new(), now: begun };
        let mut next = 0;
        for step in steps {
            let swept = matches!(step, Step::Sweep);
            match step {
                Step::Wait(seconds) => model.now += Duration::from_secs(seconds) + Duration::from_millis(1),
                Step::Spoil { rest } => {
                    let spoiled = model.resting.iter().map(|resting| resting.connection);
                    model.spoiled.extend(spoiled.filter(|connection| connection % 3 == rest));
                }
                Step::Put { peer: number, age, requests } => {
                    next += 1;
                    // No two come at the same moment: else either may be the one that has rested longest.
                    model.now += Duration::from_micros(1);
                    let life = ConnectionMeta { created_at: model.now.checked_sub(Duration::from_secs(age)).unwrap(), requests_served: requests };
                    let removed = pool.put(peer(number), next, life, model.now).as_ref().map(told);
                    let expected = put(&mut model, peer(number), next, life);
                    prop_assert_eq!(removed, expected);
                }
                Step::Take { peer: number, within } => {
                    let mut removed = Vec::new();
                    let spoiled = model.spoiled.clone();
                    let fit = |connection: &mut Connection| !spoiled.contains(connection);
                    let within = Duration::from_secs(within);
                    let taken = pool.take(peer(number), model.now, within, fit, |gone| removed.push(told(&gone)));
                    let (expected, gone) = take(&mut model, peer(number), within);
                    prop_assert_eq!(taken.map(|idle| idle.connection), expected);
                    prop_assert_eq!(removed, gone);
                }
                Step::Sweep => {
                    let mut removed = Vec::new();
                    let spoiled = model.spoiled.clone();
                    pool.sweep(model.now, |_, connection| !spoiled.contains(connection), |gone| removed.push(told(&gone)));
                    let (gone, mut kept): (Vec<_>, Vec<_>) =
                        model.resting.iter().copied().partition(|resting| model.why(resting).is_some());
                    let mut expected: Vec<_> =
                        gone.iter().map(|resting| (resting.connection, model.why(resting).unwrap())).collect();
                    for number in 0..3 {
                        let of_peer = kept.iter().filter(|resting| resting.peer == peer(number)).count();
                        for _ in max_idle_per_key..of_peer {
                            let oldest = kept.iter().position(|resting| resting.peer == peer(number)).unwrap();
                            expected.push((kept.remove(oldest).connection, EvictReason::PoolFull));
                        }
                    }
                    removed.sort_unstable_by_key(|(connection, _)| *connection);
                    expected.sort_unstable_by_key(|(connection, _)| *connection);
                    prop_assert_eq!(removed, expected);
                    model.resting = kept;
                }
                Step::Surplus { at_least } => {
                    let at_least = Duration::from_secs(at_least);
                    let taken = pool.take_longest_idle(at_least, model.now).map(|(peer, idle)| (peer, idle.connection));
                    let oldest = model.oldest().filter(|at| model.now - model.resting[*at].since >= at_least);
                    let expected = oldest.map(|at| model.resting.remove(at));
                    prop_assert_eq!(taken, expected.map(|resting| (resting.peer, resting.connection)));
                }
            }
            prop_assert_eq!(pool.len(), model.resting.len());
            prop_assert!(pool.len() <= max_idle_total);
            for number in 0..3 {
                let resting = model.resting.iter().filter(|resting| resting.peer == peer(number)).count();
                prop_assert_eq!(pool.len_of(peer(number)), resting);
                prop_assert!(resting <= max_idle_per_key || !swept);
            }
        }
    }
}

fn put(
    model: &mut Model,
    peer: PoolKey,
    connection: Connection,
    life: ConnectionMeta,
) -> Option<(Connection, EvictReason)> {
    if is_spent(model.limits, life, model.now) {
        return Some((connection, EvictReason::Expired));
    }
    if model.limits.max_idle_per_key == 0 || model.limits.max_idle_total == 0 {
        return Some((connection, EvictReason::PoolFull));
    }
    let is_full = model.resting.len() >= model.limits.max_idle_total;
    let evicted = if is_full { model.oldest() } else { None };
    let evicted = evicted.map(|at| (model.resting.remove(at).connection, EvictReason::PoolFull));
    model.resting.push(Resting { peer, connection, life, since: model.now });
    evicted
}

/// Who came last is taken first.
fn take(model: &mut Model, peer: PoolKey, within: Duration) -> (Option<Connection>, Vec<(Connection, EvictReason)>) {
    let mut removed = Vec::new();
    while let Some(at) = model.resting.iter().rposition(|resting| resting.peer == peer) {
        let resting = model.resting[at];
        let why = model.why(&resting);
        if why != Some(EvictReason::Expired) && model.now - resting.since >= within {
            break;
        }
        model.resting.remove(at);
        match why {
            Some(why) => removed.push((resting.connection, why)),
            None => return (Some(resting.connection), removed),
        }
    }
    (None, removed)
}

/// As a shelf is, on which each core lays what has rested there for a while.
#[test]
fn what_is_laid_down_with_a_rest_behind_it_lies_where_that_belongs() {
    let began = common::clock::now();
    let at = |seconds| began + Duration::from_secs(seconds);
    let life = ConnectionMeta::new(began);
    let (rest, age) = (Duration::from_secs(30), Duration::from_secs(90));
    let mut pool = IdlePool::new(PoolLimits {
        max_idle_per_key: 9,
        max_idle_total: 9,
        idle_timeout: rest,
        max_age: age,
        max_requests: 10,
    });
    for since in [5_u32, 1, 3, 5, 2] {
        assert!(pool.put(peer(0), since, life, at(since.into())).is_none());
    }
    assert_eq!(pool.take_longest_idle(Duration::ZERO, at(5)).unwrap().1.connection, 1);
    let mut take = || pool.take(peer(0), at(5), Duration::MAX, |_| true, |_| ()).map(|idle| idle.connection);
    assert_eq!([take(), take(), take(), take(), take()], [Some(5), Some(5), Some(3), Some(2), None]);
}
