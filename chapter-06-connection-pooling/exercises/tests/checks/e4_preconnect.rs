//! The checks of exercise 6.4.

use common::clock::now;
use exercises_06::contracts::{Event, Limits, PoolState, Preconnect};
use integration_tests::{rng::Rng, wait::ms};

use crate::exercise_checks;
use crate::simulation::{Load, PhaseCounts, Simulation, assert_allowed};

type New<P> = fn(Limits) -> P;

exercise_checks!(
    exercises_06,
    e4_preconnect::preconnect,
    [
        every_waiting_request_has_a_connect_in_progress,
        no_more_than_the_bound_are_opened_ahead,
        requests_rarely_wait,
        few_connections_are_idle,
        requests_in_flight_do_not_matter,
        it_adapts_to_changes,
        nothing_is_opened_without_requests,
        returned_connections_are_not_opened_ahead,
        a_backend_that_is_down_gets_few_connects,
    ]
);

const LIMITS: Limits = Limits { max_ahead: 64, max_connections: 1_000, backoff: ms(3_000) };

/// `rate` requests per second to a backend with this connect time, which closes each connection after its response.
const fn load(rate: usize, connect_ms: u64) -> Load {
    Load { rate, connect_ms, serve_ms: 5, is_reusable: false, is_down: false }
}

/// How many requests arrive during one connect.
fn arrivals_per_connect(load: Load) -> u64 {
    load.rate as u64 * load.connect_ms / 1_000
}

fn assert_ready(counts: &PhaseCounts, load: Load, context: &str) {
    let (waited, requests) = (counts.waited, counts.requests);
    assert!(waited * 50 <= requests, "{context}: {waited} of {requests} requests waited, more than 2 in 100: {load:?}");
}

fn assert_economical(counts: &PhaseCounts, load: Load, context: &str) {
    let (idle, limit) = (counts.idle(), 3 * arrivals_per_connect(load) + 6);
    assert!(idle <= limit, "{context}: {idle} connections are idle on average, the limit is {limit}: {load:?}");
}

const LOADS: [Load; 6] = [load(10, 20), load(20, 50), load(100, 50), load(300, 20), load(250, 4), load(50, 200)];

/// Checks the counts from the tenth second on, for each load and some seeds.
fn after_ten_seconds<P: Preconnect>(new: New<P>, mut check: impl FnMut(&PhaseCounts, Load, &str)) {
    for (load, seed) in LOADS.into_iter().flat_map(|load| (0..3).map(move |seed| (load, seed))) {
        let mut simulation = Simulation::new(new, LIMITS, load, seed);
        simulation.run_phase(load, 10);
        check(&simulation.run_phase(load, 40), load, &format!("seed {seed}"));
    }
}

fn every_waiting_request_has_a_connect_in_progress<P: Preconnect>(new: New<P>) {
    for (waiting, in_use, connecting) in [(1, 0, 0), (7, 3, 2), (100, 0, 0), (100, 30, 50), (5, 900, 5), (200, 900, 0)]
    {
        let pool = PoolState { waiting, in_use, connecting, idle: 0 };
        let connects = new(LIMITS).decide(Event::RequestArrived, pool, now());
        assert_allowed(LIMITS, pool, connects, &format!("the first request: {pool:?}"));
    }
}

fn no_more_than_the_bound_are_opened_ahead<P: Preconnect>(new: New<P>) {
    // Every decision has to keep the limits, whatever the policy has recorded.
    for (max_ahead, max_connections) in [(0, 1_000), (3, 1_000), (16, 40), (64, 8), (1_000, 100)] {
        let limits = Limits { max_ahead, max_connections, ..LIMITS };
        for (load, seed) in LOADS.into_iter().zip(0..) {
            let mut simulation = Simulation::new(new, limits, load, seed);
            simulation.run_phase(load, 10);
            simulation.run_phase(Load { is_reusable: true, serve_ms: 200, ..load }, 10);
        }
    }
    let mut policy = new(LIMITS);
    let (mut random, mut at) = (Rng::new(1), now());
    for step in 0..20_000 {
        let events =
            [Event::RequestArrived, Event::Connected { took: ms(40) }, Event::Released, Event::Closed, Event::Tick];
        let mut some = || random.below(60);
        let mut pool = PoolState { waiting: some(), in_use: some(), idle: 0, connecting: some() };
        if pool.waiting.is_multiple_of(2) {
            (pool.idle, pool.waiting) = (pool.waiting, 0);
        }
        at += ms(1);
        let event = *random.pick(&events);
        assert_allowed(LIMITS, pool, policy.decide(event, pool, at), &format!("step {step}, {event:?}: {pool:?}"));
    }
}

fn requests_rarely_wait<P: Preconnect>(new: New<P>) {
    after_ten_seconds(new, assert_ready);
}

fn few_connections_are_idle<P: Preconnect>(new: New<P>) {
    after_ten_seconds(new, assert_economical);
}

fn requests_in_flight_do_not_matter<P: Preconnect>(new: New<P>) {
    for serve_ms in [1, 100, 3_000] {
        let load = Load { serve_ms, ..load(50, 40) };
        let mut simulation = Simulation::new(new, LIMITS, load, serve_ms);
        simulation.run_phase(load, 10);
        let counts = simulation.run_phase(load, 40);
        assert_ready(&counts, load, "after ten seconds");
        assert_economical(&counts, load, "after ten seconds");
    }
}

fn it_adapts_to_changes<P: Preconnect>(new: New<P>) {
    let loads = [load(20, 20), load(200, 20), load(20, 20), load(20, 400), load(20, 20), load(100, 80), load(10, 10)];
    for seed in 0..3 {
        let mut simulation = Simulation::new(new, LIMITS, loads[0], seed);
        for (before, load) in loads.into_iter().zip(loads.into_iter().skip(1)) {
            simulation.run_phase(before, 30);
            simulation.run_phase(load, 20);
            let (counts, context) =
                (simulation.run_phase(load, 30), format!("seed {seed}, 20 s after {before:?} has changed"));
            assert_ready(&counts, load, &context);
            assert_economical(&counts, load, &context);
        }
    }
}

fn nothing_is_opened_without_requests<P: Preconnect>(new: New<P>) {
    for before in LOADS {
        let mut simulation = Simulation::new(new, LIMITS, before, 1);
        simulation.run_phase(before, 20);
        simulation.run_phase(load(0, before.connect_ms), 10);
        let opened = simulation.run_phase(load(0, before.connect_ms), 120).connects;
        assert_eq!(opened, 0, "connects that started ten seconds after the last request; before that {before:?}");
    }
}

fn returned_connections_are_not_opened_ahead<P: Preconnect>(new: New<P>) {
    for (rate, connect_ms, serve_ms) in [(50, 20, 20), (100, 50, 200), (300, 20, 100), (100, 400, 20)] {
        let load = Load { serve_ms, is_reusable: true, ..load(rate, connect_ms) };
        let mut simulation = Simulation::new(new, LIMITS, load, 5);
        simulation.run_phase(load, 10);
        let counts = simulation.run_phase(load, 60);
        assert_ready(&counts, load, "connections are kept");
        let (connects, requests) = (counts.connects, counts.requests);
        assert!(
            connects * 50 <= requests,
            "{connects} connects for {requests} requests, though each connection is kept: {load:?}"
        );
    }
}

fn a_backend_that_is_down_gets_few_connects<P: Preconnect>(new: New<P>) {
    let load = load(100, 50);
    let mut simulation = Simulation::new(new, LIMITS, load, 7);
    simulation.run_phase(load, 20);
    // Connections that were opened ahead are used up in the first second.
    simulation.run_phase(Load { is_down: true, ..load }, 1);
    let counts = simulation.run_phase(Load { is_down: true, ..load }, 20);
    let (connects, waited) = (counts.connects, counts.waited);
    assert!(connects <= waited, "{connects} connects to a backend that is down, and {waited} requests waited");
    let counts = simulation.run_phase(load, 2);
    assert!(
        counts.waited * 2 > counts.requests,
        "{} of {} requests waited during the backoff",
        counts.waited,
        counts.requests
    );
    // Three seconds of backoff, and ten more.
    simulation.run_phase(load, 11);
    assert_ready(&simulation.run_phase(load, 20), load, "it is up again");
}
