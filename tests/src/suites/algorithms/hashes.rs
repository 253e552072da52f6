//! Hash algorithms: which clients keep their backend, which move, and which return when a backend recovers.

use std::collections::BTreeSet;

use super::{backend_by_client, restart_on};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::suites::balance::{addrs, named};
use crate::wait::until;

cases! { "algorithms";
    Fast a_source_hash_keeps_clients,
    Fast a_ring_keeps_clients_and_moves_only_those_of_a_dead_backend,
    Fast rendezvous_keeps_clients_and_moves_only_those_of_a_dead_backend,
    Fast maglev_keeps_clients_and_moves_few,
    Fast without_a_trusted_proxy_the_peer_address_is_hashed,
    Fast the_hash_key_can_be_configured,
}

const CLIENTS: u32 = 200;
const TRUST_LOOPBACK: [&str; 2] = ["--trusted-proxy", "127.0.0.1"];

/// Kills one of four backends and restarts it. `most_moved`: of a hundred clients of the other backends.
fn assert_consistent(ctx: &Context, algorithm: &str, most_moved: usize) {
    let mut backends = named(&["a", "b", "c", "d"]);
    let flags =
        ["-a", algorithm, "--check", "tcp,interval=50ms", "--down-time", "60s", TRUST_LOOPBACK[0], TRUST_LOOPBACK[1]];
    let program = ctx.start(&addrs(&backends), &flags);
    let mut client = program.client();
    let initial = backend_by_client(&mut client, CLIENTS);
    assert_eq!(initial.values().collect::<BTreeSet<_>>().len(), 4, "some are unused: {initial:?}");
    assert_eq!(
        backend_by_client(&mut program.client(), CLIENTS),
        initial,
        "a client keeps its backend, whatever its connection"
    );

    let port = backends.remove(1).stop();
    until("its clients have moved", || backend_by_client(&mut client, CLIENTS).values().all(|at| at != "b"));
    let moved_to = backend_by_client(&mut client, CLIENTS);
    assert_eq!(backend_by_client(&mut client, CLIENTS), moved_to, "they keep their new backend");
    let survivors = initial.iter().filter(|(_, at)| *at != "b").count();
    let moved = initial.iter().filter(|(number, at)| *at != "b" && moved_to[*number] != **at).count();
    assert!(moved * 100 <= survivors * most_moved, "{moved} of {survivors} moved without need");
    let new_backends: BTreeSet<_> =
        initial.iter().filter(|(_, at)| *at == "b").map(|(number, _)| &moved_to[number]).collect();
    assert!(new_backends.len() > 1, "all moved to the same backend: {new_backends:?}");

    let _back = restart_on(port, "b");
    until("every client is back at its first backend", || backend_by_client(&mut client, CLIENTS) == initial);
}

fn a_source_hash_keeps_clients(ctx: &Context) {
    // For contrast: without a consistent hash nearly every client may move.
    assert_consistent(ctx, "iphash", 100);
}

fn a_ring_keeps_clients_and_moves_only_those_of_a_dead_backend(ctx: &Context) {
    assert_consistent(ctx, "ketama", 0);
}

fn rendezvous_keeps_clients_and_moves_only_those_of_a_dead_backend(ctx: &Context) {
    assert_consistent(ctx, "rendezvous", 0);
}

fn maglev_keeps_clients_and_moves_few(ctx: &Context) {
    assert_consistent(ctx, "maglev", 15);
}

fn without_a_trusted_proxy_the_peer_address_is_hashed(ctx: &Context) {
    let backends = named(&["a", "b", "c", "d"]);
    for name in ["iphash", "ketama", "rendezvous", "maglev"] {
        let program = ctx.start(&addrs(&backends), &["-a", name]);
        let initial = backend_by_client(&mut program.client(), 60);
        assert_eq!(initial.values().collect::<BTreeSet<_>>().len(), 1, "{name}: X-Forwarded-For was used");
    }
}

fn the_hash_key_can_be_configured(ctx: &Context) {
    let backends = named(&["a", "b", "c", "d"]);
    for (key, target, extra) in
        [("path", "/{}?other", ""), ("target", "/?{}", ""), ("header:X-Tenant", "/", "X-Tenant: {}\r\n")]
    {
        let program = ctx.start(&addrs(&backends), &["-a", "ketama", "--hash-key", key]);
        let mut client = program.client();
        let mut round = || -> Vec<String> {
            let mut ask = |number: u32| {
                let filled = |text: &str| text.replace("{}", &number.to_string());
                client.request("GET", &filled(target), &filled(extra));
                client.response("GET").text()
            };
            (0..60).map(&mut ask).collect()
        };
        let first = round();
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 4, "{key}: {first:?}");
        assert_eq!(round(), first, "{key}");
    }
    assert!(backends.iter().all(|backend: &Backend| backend.connections() > 0));
}
