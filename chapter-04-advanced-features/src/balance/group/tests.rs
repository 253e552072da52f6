//! Tests of a group, with time passed in.

use std::{collections::BTreeMap, time::Duration};

use common::clock::now;
use common::endpoint::Endpoint;

use super::*;
use crate::{
    balance::{
        backend::{AttemptOutcome, BackendSettings},
        policy::Algorithm,
    },
    health::active::health_status::HealthTransition,
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
    let lb_policy =
        LbPolicyConfig { algorithm, sticky: Some(sticky), sticky_source: Some(IDLE), ..LbPolicyConfig::default() };
    let policy = GroupPolicy { lb_policy, queue_limit: 10, ..GroupPolicy::default() };
    let group = Group::new(Some(GroupId(0)), "test".into(), policy, start);
    let settings =
        BackendSettings { max_connections, down_time: DOWN_TIME, slow_start: SLOW_START, ..BackendSettings::default() };
    let backend = |(index, weight): (usize, &u32)| {
        let endpoint: Endpoint = format!("127.0.0.1:{}:{weight}", index + 1).parse().unwrap();
        let sticky = group.sticky_cookie().map(|sticky| sticky.value_for(&endpoint.to_string()));
        let id = BackendId { slot: u16::try_from(index).unwrap(), generation: 0 };
        Arc::new(Backend::new(
            id,
            endpoint,
            Vec::new(),
            settings.clone(),
            sticky,
            Arc::clone(group.change_notifier()),
            start,
        ))
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
            Selection::Backend(in_flight) => Some(in_flight),
            Selection::AllAtLimit | Selection::NoBackend => None,
        }
    }

    /// How many of `requests`, one after another, each backend gets, by its slot.
    fn request_counts(&self, at: Instant, requests: usize) -> BTreeMap<u16, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..requests {
            let in_flight = self.acquire(at, Affinity::default(), &[]).expect("a backend is available");
            *counts.entry(in_flight.backend().id().slot).or_default() += 1;
        }
        counts
    }

    fn fail_attempts(&self, index: usize, times: u32, at: Instant) {
        for _ in 0..times {
            self.backends[index].record_attempt(AttemptOutcome::BackendFailure, at);
        }
    }
}

#[test]
fn skips_backends_that_are_down_or_already_tried() {
    let setup = test_group(Algorithm::RoundRobin, &[1, 1, 1], None);
    assert!(setup.backends[0].record_connect_failure(setup.at(1)), "the state changes");
    assert_eq!(setup.request_counts(setup.at(1), 6), [(1, 3), (2, 3)].into());
    let tried = [setup.backends[1].id()];
    let in_flight = setup.acquire(setup.at(1), Affinity::default(), &tried).unwrap();
    assert_eq!(in_flight.backend().id(), setup.backends[2].id());
    let tried = [setup.backends[1].id(), setup.backends[2].id()];
    assert!(matches!(setup.group.choose(setup.at(1), Affinity::default(), &tried), Selection::NoBackend));
}

#[test]
fn one_request_at_a_time_probes_a_half_open_backend() {
    let setup = test_group(Algorithm::RoundRobin, &[1, 1], None);
    setup.backends[0].record_connect_failure(setup.at(1));
    let at = setup.at(11);
    let in_flight: Vec<_> = (0..6).filter_map(|_| setup.acquire(at, Affinity::default(), &[])).collect();
    let probes = in_flight.iter().filter(|in_flight| in_flight.backend().id().slot == 0).count();
    assert_eq!((in_flight.len(), probes), (6, 1));
    setup.backends[0].record_connect_failure(at);
    drop(in_flight);
    assert_eq!(setup.request_counts(setup.at(20), 4), [(1, 4)].into(), "marked down again");
    assert!(
        setup
            .acquire(setup.at(21), Affinity::default(), &[])
            .is_some_and(|_| setup.backends[0].record_connect_success(setup.at(21)))
    );
}

#[test]
fn panic_mode_ignores_checks_and_ejections_but_not_refused_connects() {
    let setup = test_group(Algorithm::RoundRobin, &[1, 1, 1], None);
    setup.backends[0].record_check(false, Some(HealthTransition::Down), setup.at(1));
    assert_eq!(setup.request_counts(setup.at(1), 4), [(1, 2), (2, 2)].into());
    setup.fail_attempts(1, 5, setup.at(2));
    assert!(setup.group.is_in_panic(setup.at(2)));
    assert_eq!(setup.request_counts(setup.at(2), 6), [(0, 2), (1, 2), (2, 2)].into());
    setup.backends[2].record_connect_failure(setup.at(3));
    assert_eq!(setup.request_counts(setup.at(3), 4), [(0, 2), (1, 2)].into());
    setup.backends[0].record_connect_failure(setup.at(3));
    setup.backends[1].record_connect_failure(setup.at(3));
    assert!(matches!(setup.group.choose(setup.at(4), Affinity::default(), &[]), Selection::NoBackend), "503 at once");
}

#[test]
fn the_only_backend_is_never_excluded() {
    let setup = test_group(Algorithm::LeastConnections, &[1], None);
    setup.backends[0].record_connect_failure(setup.at(1));
    assert_eq!(setup.request_counts(setup.at(2), 2), [(0, 2)].into());
}

#[test]
fn an_ejection_expires() {
    let setup = test_group(Algorithm::RoundRobin, &[1, 1, 1], None);
    setup.fail_attempts(0, 5, setup.at(1));
    assert_eq!(setup.request_counts(setup.at(30), 4), [(1, 2), (2, 2)].into());
    assert_eq!(setup.request_counts(setup.at(31), 3).len(), 3);
}

#[test]
fn skips_backend_at_its_limit_and_reports_all_at_limit() {
    let setup = test_group(Algorithm::Ketama, &[1, 1], Some(2));
    let affinity = Affinity { hash: 7, ..Affinity::default() };
    let in_flight: Vec<_> = std::iter::from_fn(|| setup.acquire(setup.at(0), affinity, &[])).collect();
    assert_eq!(in_flight.len(), 4, "the other backend takes the overflow");
    assert!(matches!(setup.group.choose(setup.at(0), affinity, &[]), Selection::AllAtLimit));
    drop(in_flight);
    assert!(setup.acquire(setup.at(0), affinity, &[]).is_some());
    assert!(setup.backends.iter().all(|backend| backend.concurrency.in_flight() == 0));
}

#[test]
fn recovered_backend_ramps_up_unless_it_is_the_only_one() {
    let setup = test_group(Algorithm::RoundRobin, &[1, 1], None);
    setup.backends[0].record_check(false, Some(HealthTransition::Down), setup.at(1));
    setup.backends[0].record_check(true, Some(HealthTransition::Up), setup.at(10));
    // As if its weight were a tenth of the other's: 1 to 10.
    let early = setup.request_counts(setup.at(10), 220)[&0];
    assert!((19..=21).contains(&early), "{early}");
    let late = setup.request_counts(setup.at(41), 200)[&0];
    assert_eq!(late, 100);
    setup.backends[0].record_check(true, Some(HealthTransition::Up), setup.at(50));
    setup.backends[1].record_connect_failure(setup.at(50));
    assert_eq!(setup.request_counts(setup.at(50), 10), [(0, 10)].into(), "there is no other backend");
}

#[test]
fn cookie_affinity_holds_until_the_backend_is_unhealthy() {
    let setup = test_group(Algorithm::RoundRobin, &[1, 0, 1], None);
    let cookie_value = setup.backends[1].sticky_value().unwrap();
    let sticky_backend = setup.group.find_sticky_backend(cookie_value, setup.at(0));
    assert_eq!(sticky_backend, Some(setup.backends[1].id()));
    let affinity = Affinity { sticky_backend, ..Affinity::default() };
    let stays = |at: Instant| setup.acquire(at, affinity, &[]).unwrap().backend().id().slot == 1;
    assert!(stays(setup.at(0)), "weight 0 keeps tied clients");
    assert_eq!(setup.request_counts(setup.at(0), 4), [(0, 2), (2, 2)].into(), "and gets no others");
    setup.backends[1].set_draining(true);
    assert!(stays(setup.at(0)), "a drained backend keeps them");
    setup.backends[1].record_check(false, Some(HealthTransition::Down), setup.at(1));
    assert!(!stays(setup.at(1)), "an unhealthy one does not");
    setup.group.update_members(|members| members.retain(|backend| backend.id().slot != 1));
    assert_eq!(setup.group.find_sticky_backend(cookie_value, setup.at(2)), None, "a removed one matches no cookie");
}

/// The slot of the backend that the client with this number gets at that second.
fn backend_slot_for(setup: &TestGroup, client: u8, second: u64) -> u16 {
    let affinity = Affinity { client: Some([192, 0, 2, client].into()), ..Affinity::default() };
    setup.acquire(setup.at(second), affinity, &[]).expect("a backend is available").backend().id().slot
}

#[test]
fn address_affinity_holds_until_the_backend_is_unhealthy_then_moves_for_good() {
    let setup = test_group(Algorithm::RoundRobin, &[1, 1, 1], None);
    let first: Vec<_> = (0..6).map(|client| backend_slot_for(&setup, client, 0)).collect();
    assert_eq!(first, [0, 1, 2, 0, 1, 2], "the algorithm picks for a new client");
    let at = |second| (0..6).map(|client| backend_slot_for(&setup, client, second)).collect::<Vec<_>>();
    assert_eq!(at(1), first);
    setup.backends[0].set_draining(true);
    setup.backends[1].set_weight(0);
    assert_eq!(at(2), first, "drained, or of weight 0, backends keep their clients");
    assert!((6..12).all(|client| backend_slot_for(&setup, client, 2) == 2), "and get no new ones");
    setup.backends[0].set_draining(false);
    setup.backends[0].record_check(false, Some(HealthTransition::Down), setup.at(3));
    let moved = at(3);
    assert!(moved.iter().all(|index| *index != 0) && moved[1] == 1 && moved[2] == 2, "{moved:?}");
    setup.backends[0].record_check(true, Some(HealthTransition::Up), setup.at(4));
    assert_eq!(at(100), moved, "a moved client does not move back");
    setup.group.update_members(|members| members.retain(|backend| backend.id().slot != 1));
    assert!(at(101).iter().all(|slot| *slot != 1), "a removed backend has no clients");
}

#[test]
fn address_affinity_expires_and_needs_an_address() {
    let setup = test_group(Algorithm::RoundRobin, &[1, 1], None);
    assert_eq!(
        [0, 599, 1_198].map(|second| backend_slot_for(&setup, 1, second)),
        [0, 0, 0],
        "each use restarts the idle time"
    );
    assert_eq!(backend_slot_for(&setup, 1, 1_798), 1);
    assert_eq!(setup.request_counts(setup.at(1_798), 4), [(0, 2), (1, 2)].into());
}

#[test]
fn cookie_takes_precedence_over_address_and_leaves_its_entry() {
    let setup = test_group(Algorithm::RoundRobin, &[1, 1], None);
    assert_eq!(backend_slot_for(&setup, 1, 0), 0);
    let affinity = Affinity {
        sticky_backend: Some(setup.backends[1].id()),
        client: Some([192, 0, 2, 1].into()),
        ..Affinity::default()
    };
    assert_eq!(setup.acquire(setup.at(1), affinity, &[]).unwrap().backend().id().slot, 1);
    assert_eq!(backend_slot_for(&setup, 1, 2), 0);
}

#[test]
fn a_retry_moves_the_address_affinity() {
    let setup = test_group(Algorithm::RoundRobin, &[1, 1, 1], None);
    assert_eq!(backend_slot_for(&setup, 1, 0), 0);
    let affinity = Affinity { client: Some([192, 0, 2, 1].into()), ..Affinity::default() };
    let next = setup.acquire(setup.at(1), affinity, &[setup.backends[0].id()]).unwrap().backend().id().slot;
    assert_ne!(next, 0);
    assert_eq!(backend_slot_for(&setup, 1, 2), next);
}

#[test]
fn weights_and_members_change_at_run_time() {
    let setup = test_group(Algorithm::WeightedRoundRobin, &[5, 1, 1], None);
    assert_eq!(setup.request_counts(setup.at(0), 7), [(0, 5), (1, 1), (2, 1)].into());
    setup.backends[0].set_weight(1);
    assert_eq!(setup.request_counts(setup.at(0), 6), [(0, 2), (1, 2), (2, 2)].into());
    setup.backends[1].set_draining(true);
    assert_eq!(setup.request_counts(setup.at(0), 6), [(0, 3), (2, 3)].into());
    setup.backends[1].set_draining(false);
    setup.group.update_members(|members| members.retain(|backend| backend.id().slot != 0));
    assert_eq!(setup.request_counts(setup.at(0), 6), [(1, 3), (2, 3)].into());
}

#[test]
fn only_the_first_failed_connect_of_a_dying_backend_is_published() {
    let setup = test_group(Algorithm::Maglev, &[1, 1, 1], None);
    let before = setup.group.change_notifier().version();
    for _ in 0..1_000 {
        setup.backends[0].record_connect_failure(setup.at(1));
    }
    assert_eq!(setup.group.change_notifier().version(), before + 1);
    assert_eq!(setup.request_counts(setup.at(10), 3).get(&0), None);
    setup.backends[0].record_connect_failure(setup.at(11));
    assert_eq!(setup.group.change_notifier().version(), before + 2, "a failed probe is published");
    assert_eq!(setup.request_counts(setup.at(20), 3).get(&0), None);
}

#[test]
fn requests_that_wait_for_the_rebuilt_view_do_not_rebuild_it_again() {
    let setup = test_group(Algorithm::Maglev, &[1; 20], None);
    for round in 0..20 {
        setup.backends[0].set_weight(1 + round % 2);
        let barrier = std::sync::Barrier::new(8);
        let views: Vec<_> = std::thread::scope(|scope| {
            let view = || {
                barrier.wait();
                Arc::clone(&setup.group.current_view(setup.at(0)))
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(view)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(views.iter().all(|view| Arc::ptr_eq(view, &views[0])), "it was built more than once");
    }
}

/// Tries to choose when it is woken, as a queued request does.
struct ChoosesWhenWoken {
    setup: Arc<TestGroup>,
    chosen: Mutex<Option<InFlightGuard>>,
}

impl std::task::Wake for ChoosesWhenWoken {
    fn wake(self: Arc<Self>) {
        *self.chosen.lock().unwrap() = self.setup.acquire(self.setup.at(11), Affinity::default(), &[]);
    }
}

#[test]
fn a_half_open_permit_is_free_when_the_next_request_is_woken() {
    let setup = Arc::new(test_group(Algorithm::RoundRobin, &[1], None));
    setup.backends[0].record_connect_failure(setup.at(1));
    let probe = setup.acquire(setup.at(11), Affinity::default(), &[]).expect("it is half-open");
    assert!(setup.acquire(setup.at(11), Affinity::default(), &[]).is_none(), "one probe at a time");
    let waiting = Arc::new(ChoosesWhenWoken { setup: Arc::clone(&setup), chosen: Mutex::default() });
    let _ticket = setup.group.queue.enqueue(Arc::clone(&waiting).into(), setup.at(11)).unwrap();
    drop(probe);
    assert!(waiting.chosen.lock().unwrap().is_some(), "the queued request becomes the probe");
}
