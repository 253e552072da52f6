//! The checks of exercise 9.7.

mod model;

use std::{
    iter,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use common::clock::now;
use exercises_09::contracts::{FlowLimits, Flows};
use integration_tests::rng::Rng;
use zero_copy::udp::{drop_reason::DropReason, flow_table::FlowKey};

use self::model::Model;
use crate::exercise_checks;

type NewFlows = fn(FlowLimits) -> Box<dyn Flows>;

exercise_checks!(
    exercises_09,
    e7_flow_table::flows,
    [
        a_flow_stays_with_its_backend,
        a_flow_is_its_client_and_the_address_asked,
        only_silence_ends_a_flow,
        flows_end_in_the_order_of_their_last_datagrams,
        an_unreachable_backend_is_replaced_by_the_next_datagram,
        both_limits_are_exact_and_known_flows_go_on,
        a_source_is_an_ipv4_address_or_an_ipv6_network,
        what_has_ended_or_was_dropped_leaves_nothing_behind,
        random_datagrams_are_treated_as_a_list_of_flows_says,
        many_flows_make_no_call_slow,
    ]
);

const SECOND: Duration = Duration::from_secs(1);
/// A second less than the time-out.
const ALMOST: Duration = Duration::from_secs(29);
const LIMITS: FlowLimits = FlowLimits { timeout: Duration::from_secs(30), max_flows: 100, max_flows_per_source: 100 };

fn key(client: &str) -> FlowKey {
    FlowKey { client: client.parse().unwrap(), local: [127, 0, 0, 1].into() }
}

/// A client's datagram; backend `backend` is picked if one is.
fn ask(flows: &mut dyn Flows, client: &str, now: Instant, backend: usize) -> Result<usize, DropReason> {
    flows.on_client(key(client), now, &mut || Some(backend))
}

fn expired(flows: &mut dyn Flows, now: Instant) -> Vec<FlowKey> {
    iter::from_fn(|| flows.expire(now)).collect()
}

fn a_flow_stays_with_its_backend(new: NewFlows) {
    let (mut flows, start) = (new(LIMITS), now());
    let mut picked = 0;
    let mut pick = || {
        picked += 1;
        Some(picked)
    };
    for datagram in 0..3 {
        for (client, backend) in [("192.0.2.1:1", 1), ("192.0.2.1:2", 2), ("192.0.2.2:1", 3)] {
            let chosen = flows.on_client(key(client), start + SECOND * datagram, &mut pick);
            assert_eq!(chosen, Ok(backend), "datagram {datagram} of {client}");
        }
    }
    assert_eq!((flows.flows(), picked), (3, 3), "flows, and backends picked");
}

fn a_flow_is_its_client_and_the_address_asked(new: NewFlows) {
    let (mut flows, start) = (new(LIMITS), now());
    let first = key("192.0.2.1:1");
    let other = FlowKey { local: [127, 0, 0, 2].into(), ..first };
    for (key, backend) in [(first, 1), (other, 2), (first, 1), (other, 2)] {
        assert_eq!(flows.on_client(key, start, &mut || Some(backend)), Ok(backend), "{key:?}");
    }
    assert_eq!((flows.flows(), flows.sources()), (2, 1));
    assert!(flows.on_backend(&first, start + SECOND));
    assert_eq!(expired(&mut *flows, start + LIMITS.timeout), [other]);
    assert!(!flows.on_backend(&other, start + LIMITS.timeout));
}

fn only_silence_ends_a_flow(new: NewFlows) {
    let (mut flows, start) = (new(LIMITS), now());
    assert_eq!((flows.next_expiry(), flows.expire(start)), (None, None));
    let (client, mut at) = ("192.0.2.1:1", start);
    assert_eq!(ask(&mut *flows, client, at, 1), Ok(1));
    for is_reply in [true, false, true, true, false, false] {
        assert_eq!(flows.next_expiry(), Some(at + LIMITS.timeout));
        at += ALMOST;
        assert_eq!(flows.expire(at), None, "a second too early");
        if is_reply {
            assert!(flows.on_backend(&key(client), at));
        } else {
            assert_eq!(ask(&mut *flows, client, at, 2), Ok(1));
        }
    }
    at += LIMITS.timeout;
    assert_eq!(flows.expire(at.checked_sub(Duration::from_nanos(1)).unwrap()), None);
    // Until it is ended, it is there.
    assert!(flows.on_backend(&key(client), at));
    at += LIMITS.timeout;
    assert_eq!(flows.expire(at), Some(key(client)), "at its time");
    assert_eq!((flows.flows(), flows.next_expiry(), flows.expire(at)), (0, None, None));
    assert_eq!(ask(&mut *flows, client, at, 2), Ok(2), "another flow");
}

fn flows_end_in_the_order_of_their_last_datagrams(new: NewFlows) {
    let (mut flows, start) = (new(LIMITS), now());
    let clients = ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "192.0.2.3:1", "192.0.2.4:1"];
    for client in clients {
        assert_eq!(ask(&mut *flows, client, start, 1), Ok(1));
    }
    assert!(flows.on_backend(&key(clients[2]), start));
    assert_eq!(ask(&mut *flows, clients[0], start, 2), Ok(1));
    assert_eq!(ask(&mut *flows, clients[3], start + SECOND, 2), Ok(1));
    assert_eq!(flows.next_expiry(), Some(start + LIMITS.timeout));
    let order = [1, 4, 2, 0, 3].map(|index: usize| key(clients[index]));
    assert_eq!(expired(&mut *flows, start + LIMITS.timeout), order[..4]);
    assert_eq!(flows.next_expiry(), Some(start + LIMITS.timeout + SECOND));
    assert_eq!(expired(&mut *flows, start + LIMITS.timeout + SECOND), order[4..]);
}

fn an_unreachable_backend_is_replaced_by_the_next_datagram(new: NewFlows) {
    let (mut flows, start) = (new(LIMITS), now());
    let (moved, other) = ("192.0.2.1:1", "192.0.2.2:1");
    assert_eq!(ask(&mut *flows, moved, start, 1), Ok(1));
    assert_eq!(ask(&mut *flows, other, start, 1), Ok(1));
    flows.on_unreachable(&key(moved));
    flows.on_unreachable(&key("192.0.2.9:1"));
    assert_eq!(flows.flows(), 2, "it goes on");
    let without = flows.on_client(key(moved), start + SECOND, &mut || None);
    assert_eq!((without, flows.flows()), (Err(DropReason::NoBackend), 2));
    assert_eq!(ask(&mut *flows, moved, start + SECOND, 2), Ok(2));
    assert_eq!(ask(&mut *flows, moved, start + SECOND, 3), Ok(2), "it stays there");
    assert_eq!(ask(&mut *flows, other, start + SECOND, 3), Ok(1), "the other flow is told nothing");
    flows.on_unreachable(&key(other));
    // Its client is silent, and so is the backend.
    assert_eq!(expired(&mut *flows, start + SECOND + LIMITS.timeout), [key(moved), key(other)]);
}

fn both_limits_are_exact_and_known_flows_go_on(new: NewFlows) {
    let limits = FlowLimits { max_flows: 4, max_flows_per_source: 2, ..LIMITS };
    let (mut flows, start) = (new(limits), now());
    let clients = ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "192.0.2.3:1"];
    for client in &clients[..3] {
        assert_eq!(ask(&mut *flows, client, start, 1), Ok(1), "{client}");
    }
    assert_eq!(ask(&mut *flows, "192.0.2.1:3", start, 1), Err(DropReason::MaxFlowsPerSource));
    assert_eq!(ask(&mut *flows, clients[3], start + SECOND, 1), Ok(1));
    assert_eq!(ask(&mut *flows, "192.0.2.2:2", start + SECOND, 1), Err(DropReason::MaxFlows));
    assert_eq!(ask(&mut *flows, "192.0.2.1:3", start + SECOND, 1), Err(DropReason::MaxFlowsPerSource), "rather");
    for client in clients {
        assert_eq!(ask(&mut *flows, client, start + SECOND, 2), Ok(1), "{client} is known");
    }
    flows.on_unreachable(&key(clients[0]));
    assert_eq!(ask(&mut *flows, clients[0], start + SECOND, 2), Ok(2), "it has a place, and gets a backend");
    assert_eq!(expired(&mut *flows, start + SECOND + limits.timeout).len(), 4);
    assert_eq!(ask(&mut *flows, "192.0.2.1:3", start + SECOND + limits.timeout, 1), Ok(1));
}

fn a_source_is_an_ipv4_address_or_an_ipv6_network(new: NewFlows) {
    let (mut flows, start) = (new(FlowLimits { max_flows_per_source: 1, ..LIMITS }), now());
    for (client, expected) in [
        ("[2001:db8:0:1::1]:1", Ok(1)),
        ("[2001:db8:0:1:ffff::2]:1", Err(DropReason::MaxFlowsPerSource)),
        ("[2001:db8:0:2::1]:1", Ok(1)),
        ("192.0.2.1:1", Ok(1)),
        ("192.0.2.2:1", Ok(1)),
        ("[::ffff:192.0.2.1]:2", Err(DropReason::MaxFlowsPerSource)),
        ("[::ffff:192.0.2.3]:2", Ok(1)),
        ("[::1]:1", Ok(1)),
    ] {
        assert_eq!(ask(&mut *flows, client, start, 1), expected, "{client}");
    }
    assert_eq!(flows.sources(), 6);
}

fn what_has_ended_or_was_dropped_leaves_nothing_behind(new: NewFlows) {
    let limits = FlowLimits { max_flows: 3, max_flows_per_source: 2, ..LIMITS };
    let (mut flows, mut at) = (new(limits), now());
    for _ in 0..10 {
        let without = flows.on_client(key("192.0.2.1:1"), at, &mut || None);
        assert_eq!(without, Err(DropReason::NoBackend));
        assert_eq!((flows.flows(), flows.sources(), flows.next_expiry()), (0, 0, None), "no flow has begun");
    }
    for _ in 0..3 {
        for (client, expected) in [
            ("192.0.2.1:1", Ok(1)),
            ("192.0.2.1:2", Ok(1)),
            ("192.0.2.1:3", Err(DropReason::MaxFlowsPerSource)),
            ("192.0.2.2:1", Ok(1)),
            ("192.0.2.3:1", Err(DropReason::MaxFlows)),
        ] {
            assert_eq!(ask(&mut *flows, client, at, 1), expected, "{client}");
        }
        assert_eq!((flows.flows(), flows.sources()), (3, 2));
        at += limits.timeout;
        assert_eq!(expired(&mut *flows, at).len(), 3);
        assert_eq!((flows.flows(), flows.sources()), (0, 0), "all have ended");
    }
}

fn random_key(rng: &mut Rng) -> FlowKey {
    let ip =
        *rng.pick(&["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]);
    let port = 1 + u16::try_from(rng.below(3)).unwrap();
    let local = [127, 0, 0, 1 + u8::try_from(rng.below(2)).unwrap()];
    FlowKey { client: SocketAddr::new(ip.parse().unwrap(), port), local: local.into() }
}

fn random_datagrams_are_treated_as_a_list_of_flows_says(new: NewFlows) {
    let (mut rng, mut ended) = (Rng::new(97), 0);
    for run in 0..200 {
        let limits = FlowLimits { max_flows: 12, max_flows_per_source: 4, ..LIMITS };
        let (mut flows, mut model) = (new(limits), Model::new(limits));
        let mut at = now();
        for step in 0..150 {
            let (key, said) = (random_key(&mut rng), format!("run {run}, step {step}"));
            match rng.below(12) {
                0..6 => {
                    let picked = (rng.below(8) > 0).then_some(step);
                    let mut picks = 0;
                    let is_needed = model.on_client(key, at, picked);
                    let chosen = flows.on_client(key, at, &mut || {
                        picks += 1;
                        picked
                    });
                    assert_eq!(chosen, is_needed, "{said}: a datagram of {key:?}; a pick would be {picked:?}");
                    let used = usize::from(chosen == Ok(step) || chosen == Err(DropReason::NoBackend));
                    assert_eq!(picks, used, "{said}: backends picked");
                }
                6 | 7 => assert_eq!(flows.on_backend(&key, at), model.on_backend(&key, at), "{said}: a reply"),
                8 => {
                    flows.on_unreachable(&key);
                    model.on_unreachable(&key);
                }
                // Whole seconds, so that flows are looked at exactly at their times.
                _ => at += SECOND * u32::try_from(rng.below(8)).unwrap(),
            }
            if rng.below(3) == 0 {
                let expected: Vec<_> = iter::from_fn(|| model.expire(at)).collect();
                assert_eq!(expired(&mut *flows, at), expected, "{said}: the flows that have ended");
                ended += expected.len();
            }
            let found = (flows.flows(), flows.sources(), flows.next_expiry());
            let expected = (model.flows.len(), model.sources(), model.next_expiry());
            assert_eq!(found, expected, "{said}: flows, sources, the next expiry");
        }
    }
    assert!(ended > 1_000, "{ended} flows have ended");
}

fn many_flows_make_no_call_slow(new: NewFlows) {
    const FLOWS: u32 = 100_000;
    const DEADLINE: Duration = Duration::from_secs(10);
    let limits = FlowLimits { max_flows: FLOWS as usize, max_flows_per_source: 1, ..LIMITS };
    let (mut flows, start, began) = (new(limits), now(), now());
    let key = |number: u32| FlowKey {
        client: SocketAddr::new(IpAddr::from((0x0a00_0000 + number).to_be_bytes()), 1),
        local: [127, 0, 0, 1].into(),
    };
    for datagram in 0..4 * FLOWS {
        let key = key(datagram * 7_919 % FLOWS);
        assert_eq!(flows.expire(start), None);
        if datagram < FLOWS || datagram % 2 == 0 {
            assert_eq!(flows.on_client(key, start, &mut || Some(1)), Ok(1), "{key:?}");
        } else {
            assert!(flows.on_backend(&key, start));
        }
        assert_eq!(flows.next_expiry(), Some(start + limits.timeout));
        if datagram % 256 == 0 {
            let took = now().saturating_duration_since(began);
            assert!(took < DEADLINE, "{datagram} datagrams of {} flows took {took:.1?}", flows.flows());
        }
    }
    assert_eq!(expired(&mut *flows, start + limits.timeout).len(), FLOWS as usize);
}
