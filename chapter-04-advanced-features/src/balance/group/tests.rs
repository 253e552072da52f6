//! The laws of a group, with time passed in.

use std::{collections::BTreeMap, time::Duration};

use common::clock::now;
use common::endpoint::Endpoint;

use super::*;
use crate::{
    balance::backend::{AttemptOutcome, BackendSettings},
    health::{active::state::HealthTransition, passive::outlier},
    routing::StickySecret,
};

const DOWN_TIME: Duration = Duration::from_secs(10);
const SLOW_START: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_mins(10);

struct TestGroup {
    group: Group,
    backends: Vec<Arc<Backend>>,
    start: Instant,
}

/// A group of backends called `127.0.0.1:1`, `127.0.0.1:2` and so on, with these weights.
fn test_group(algorithm: Algorithm, weights: &[u32], max_connections: Option<u32>) -> TestGroup {
    let start = now();
    let sticky = StickyCookie::new("lb", StickySecret::new(b"0123456789abcdef").unwrap()).unwrap();
    let choosing = LbPolicyConfig { algorithm, balance_factor: None, sticky: Some(sticky), sticky_source: Some(IDLE) };
    let group = Group::new("test".into(), choosing, 10, breaker::BreakerConfig::default(), start);
    let settings = BackendSettings {
        max_connections,
        down_time: DOWN_TIME,
        outlier: outlier::OutlierConfig::default(),
        slow_start: SLOW_START,
    };
    let backend = |(index, weight): (usize, &u32)| {
        let endpoint: Endpoint = format!("127.0.0.1:{}:{weight}", index + 1).parse().unwrap();
        let sticky = group.sticky().map(|sticky| sticky.value_for(&endpoint.to_string()));
        let id = BackendId { slot: u16::try_from(index).unwrap(), generation: 0 };
        Arc::new(Backend::new(id, endpoint, Vec::new(), settings, sticky, Arc::clone(group.change_notifier()), start))
    };
    let backends: Vec<_> = weights.iter().enumerate().map(backend).collect();
    group.update_members(|members| members.clone_from(&backends));
    TestGroup { group, backends, start }
}

impl TestGroup {
    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn acquire(&self, at: Instant, affinity: Affinity, tried: &[BackendId]) -> Option<InFlightGuard> {
        match self.group.choose(at, affinity, tried) {
            Choice::Backend(in_flight) => Some(in_flight),
            Choice::AllAtLimit | Choice::NoBackend => None,
        }
    }

    /// How many of `requests`, one after another, each backend gets, by its place.
    fn request_counts(&self, at: Instant, requests: usize) -> BTreeMap<u16, usize> {
        let mut shares = BTreeMap::new();
        for _ in 0..requests {
            let in_flight = self.acquire(at, Affinity::default(), &[]).expect("somebody is there");
            *shares.entry(in_flight.backend().id().slot).or_default() += 1;
        }
        shares
    }

    fn fail_attempts(&self, index: usize, times: u32, at: Instant) {
        for _ in 0..times {
            self.backends[index].record_attempt(AttemptOutcome::BackendFailure, at);
        }
    }
}

#[test]
fn neither_the_dead_nor_the_tried_are_chosen() {
    let world = test_group(Algorithm::RoundRobin, &[1, 1, 1], None);
    assert!(world.backends[0].record_connect_failure(world.at(1)), "news");
    assert_eq!(world.request_counts(world.at(1), 6), [(1, 3), (2, 3)].into());
    let tried = [world.backends[1].id()];
    let in_flight = world.acquire(world.at(1), Affinity::default(), &tried).unwrap();
    assert_eq!(in_flight.backend().id(), world.backends[2].id());
    let tried = [world.backends[1].id(), world.backends[2].id()];
    assert!(matches!(world.group.choose(world.at(1), Affinity::default(), &tried), Choice::NoBackend));
}

#[test]
fn one_request_at_a_time_tries_what_was_refused() {
    let world = test_group(Algorithm::RoundRobin, &[1, 1], None);
    world.backends[0].record_connect_failure(world.at(1));
    let at = world.at(11);
    let trials: Vec<_> = (0..6).filter_map(|_| world.acquire(at, Affinity::default(), &[])).collect();
    let tries = trials.iter().filter(|in_flight| in_flight.backend().id().slot == 0).count();
    assert_eq!((trials.len(), tries), (6, 1));
    world.backends[0].record_connect_failure(at);
    drop(trials);
    assert_eq!(world.request_counts(world.at(20), 4), [(1, 4)].into(), "out for another while");
    assert!(
        world
            .acquire(world.at(21), Affinity::default(), &[])
            .is_some_and(|_| world.backends[0].record_connect_success(world.at(21)))
    );
}

#[test]
fn an_opinion_is_not_believed_below_half_but_a_refused_connect_is() {
    let world = test_group(Algorithm::RoundRobin, &[1, 1, 1], None);
    world.backends[0].record_check(false, Some(HealthTransition::Down), world.at(1));
    assert_eq!(world.request_counts(world.at(1), 4), [(1, 2), (2, 2)].into());
    world.fail_attempts(1, 5, world.at(2));
    assert!(world.group.is_in_panic(world.at(2)));
    assert_eq!(world.request_counts(world.at(2), 6), [(0, 2), (1, 2), (2, 2)].into());
    world.backends[2].record_connect_failure(world.at(3));
    assert_eq!(world.request_counts(world.at(3), 4), [(0, 2), (1, 2)].into());
    world.backends[0].record_connect_failure(world.at(3));
    world.backends[1].record_connect_failure(world.at(3));
    assert!(matches!(world.group.choose(world.at(4), Affinity::default(), &[]), Choice::NoBackend), "503 at once");
}

#[test]
fn an_only_backend_is_never_left_out() {
    let world = test_group(Algorithm::LeastConnections, &[1], None);
    world.backends[0].record_connect_failure(world.at(1));
    assert_eq!(world.request_counts(world.at(2), 2), [(0, 2)].into());
}

#[test]
fn what_is_ejected_comes_back_by_itself() {
    let world = test_group(Algorithm::RoundRobin, &[1, 1, 1], None);
    world.fail_attempts(0, 5, world.at(1));
    assert_eq!(world.request_counts(world.at(30), 4), [(1, 2), (2, 2)].into());
    assert_eq!(world.request_counts(world.at(31), 3).len(), 3);
}

#[test]
fn a_full_backend_is_skipped_and_all_full_is_said() {
    let world = test_group(Algorithm::Ketama, &[1, 1], Some(2));
    let affinity = Affinity { hash: 7, ..Affinity::default() };
    let in_flight: Vec<_> = std::iter::from_fn(|| world.acquire(world.at(0), affinity, &[])).collect();
    assert_eq!(in_flight.len(), 4, "the other one takes what the first cannot");
    assert!(matches!(world.group.choose(world.at(0), affinity, &[]), Choice::AllAtLimit));
    drop(in_flight);
    assert!(world.acquire(world.at(0), affinity, &[]).is_some());
    assert!(world.backends.iter().all(|backend| backend.concurrency.in_flight() == 0));
}

#[test]
fn what_comes_back_ramps_up_and_alone_it_takes_all() {
    let world = test_group(Algorithm::RoundRobin, &[1, 1], None);
    world.backends[0].record_check(false, Some(HealthTransition::Down), world.at(1));
    world.backends[0].record_check(true, Some(HealthTransition::Up), world.at(10));
    // As if its weight were a tenth of the other's: 1 to 10.
    let early = world.request_counts(world.at(10), 220)[&0];
    assert!((19..=21).contains(&early), "{early}");
    let late = world.request_counts(world.at(41), 200)[&0];
    assert_eq!(late, 100);
    world.backends[0].record_check(true, Some(HealthTransition::Up), world.at(50));
    world.backends[1].record_connect_failure(world.at(50));
    assert_eq!(world.request_counts(world.at(50), 10), [(0, 10)].into(), "there is nobody else");
}

#[test]
fn who_sticks_stays_until_the_backend_is_ill() {
    let world = test_group(Algorithm::RoundRobin, &[1, 0, 1], None);
    let presented = world.backends[1].sticky_value().unwrap();
    let sticky_backend = world.group.find_sticky_backend(presented, world.at(0));
    assert_eq!(sticky_backend, Some(world.backends[1].id()));
    let affinity = Affinity { sticky_backend, ..Affinity::default() };
    let stays = |at: Instant| world.acquire(at, affinity, &[]).unwrap().backend().id().slot == 1;
    assert!(stays(world.at(0)), "weight 0 is for those who stick");
    assert_eq!(world.request_counts(world.at(0), 4), [(0, 2), (2, 2)].into(), "and for nobody else");
    world.backends[1].set_draining(true);
    assert!(stays(world.at(0)), "a drained one keeps them");
    world.backends[1].record_check(false, Some(HealthTransition::Down), world.at(1));
    assert!(!stays(world.at(1)), "an ill one does not");
    world.group.update_members(|members| members.retain(|backend| backend.id().slot != 1));
    assert_eq!(world.group.find_sticky_backend(presented, world.at(2)), None, "nor one that is gone");
}

/// Where a client of this number goes at that second.
fn backend_slot_for(world: &TestGroup, client: u8, second: u64) -> u16 {
    let affinity = Affinity { client: Some([192, 0, 2, client].into()), ..Affinity::default() };
    world.acquire(world.at(second), affinity, &[]).expect("somebody is there").backend().id().slot
}

#[test]
fn who_is_remembered_stays_until_the_backend_is_ill_and_then_elsewhere() {
    let world = test_group(Algorithm::RoundRobin, &[1, 1, 1], None);
    let first: Vec<_> = (0..6).map(|client| backend_slot_for(&world, client, 0)).collect();
    assert_eq!(first, [0, 1, 2, 0, 1, 2], "a new client is placed by the algorithm");
    let at = |second| (0..6).map(|client| backend_slot_for(&world, client, second)).collect::<Vec<_>>();
    assert_eq!(at(1), first);
    world.backends[0].set_draining(true);
    world.backends[1].set_weight(0);
    assert_eq!(at(2), first, "drained, or of weight 0, they keep their own");
    assert!((6..12).all(|client| backend_slot_for(&world, client, 2) == 2), "and get nobody new");
    world.backends[0].set_draining(false);
    world.backends[0].record_check(false, Some(HealthTransition::Down), world.at(3));
    let moved = at(3);
    assert!(moved.iter().all(|index| *index != 0) && moved[1] == 1 && moved[2] == 2, "{moved:?}");
    world.backends[0].record_check(true, Some(HealthTransition::Up), world.at(4));
    assert_eq!(at(100), moved, "who had to move has moved for good");
    world.group.update_members(|members| members.retain(|backend| backend.id().slot != 1));
    assert!(at(101).iter().all(|place| *place != 1), "who is gone has nobody");
}

#[test]
fn who_is_away_too_long_is_a_new_client_and_one_without_an_address_is_nobody() {
    let world = test_group(Algorithm::RoundRobin, &[1, 1], None);
    assert_eq!(
        [0, 599, 1_198].map(|second| backend_slot_for(&world, 1, second)),
        [0, 0, 0],
        "each use begins the time anew"
    );
    assert_eq!(backend_slot_for(&world, 1, 1_798), 1);
    assert_eq!(world.request_counts(world.at(1_798), 4), [(0, 2), (1, 2)].into());
}

#[test]
fn a_cookie_goes_before_the_address_and_changes_nothing_there() {
    let world = test_group(Algorithm::RoundRobin, &[1, 1], None);
    assert_eq!(backend_slot_for(&world, 1, 0), 0);
    let affinity = Affinity {
        sticky_backend: Some(world.backends[1].id()),
        client: Some([192, 0, 2, 1].into()),
        ..Affinity::default()
    };
    assert_eq!(world.acquire(world.at(1), affinity, &[]).unwrap().backend().id().slot, 1);
    assert_eq!(backend_slot_for(&world, 1, 2), 0);
}

#[test]
fn a_retry_takes_the_memory_along() {
    let world = test_group(Algorithm::RoundRobin, &[1, 1, 1], None);
    assert_eq!(backend_slot_for(&world, 1, 0), 0);
    let affinity = Affinity { client: Some([192, 0, 2, 1].into()), ..Affinity::default() };
    let next = world.acquire(world.at(1), affinity, &[world.backends[0].id()]).unwrap().backend().id().slot;
    assert_ne!(next, 0);
    assert_eq!(backend_slot_for(&world, 1, 2), next);
}

#[test]
fn weights_and_members_change_while_it_runs() {
    let world = test_group(Algorithm::WeightedRoundRobin, &[5, 1, 1], None);
    assert_eq!(world.request_counts(world.at(0), 7), [(0, 5), (1, 1), (2, 1)].into());
    world.backends[0].set_weight(1);
    assert_eq!(world.request_counts(world.at(0), 6), [(0, 2), (1, 2), (2, 2)].into());
    world.backends[1].set_draining(true);
    assert_eq!(world.request_counts(world.at(0), 6), [(0, 3), (2, 3)].into());
    world.backends[1].set_draining(false);
    world.group.update_members(|members| members.retain(|backend| backend.id().slot != 0));
    assert_eq!(world.request_counts(world.at(0), 6), [(1, 3), (2, 3)].into());
}
