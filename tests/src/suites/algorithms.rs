//! Suite `algorithms`: each algorithm by name, and the properties of each that a client can observe.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::Context;
use crate::backend::{Backend, ReservedPort, ok_response};
use crate::case::cases;
use crate::client::Client;
use crate::suites::balance::{addrs, named};
use crate::wait::{TEST_TIMEOUT, eventually, ms, pause};

pub(super) mod hashes;
pub(super) mod workers;

cases! { "algorithms";
    Fast weights_are_smooth,
    Fast weights_are_exact_under_many_clients,
    Fast a_backend_of_weight_zero_gets_no_requests,
    Fast invalid_weights_are_rejected,
    Fast each_name_serves,
    Fast an_unknown_name_is_64_and_known_names_are_listed,
    Fast an_idle_backend_is_preferred,
    Fast connections_follow_the_weights,
    Fast a_slow_backend_is_avoided,
    Fast random_picks_are_fair,
}

const NAMES: [&str; 23] = [
    "round-robin",
    "rr",
    "weighted-round-robin",
    "wrr",
    "weighted",
    "least-connections",
    "lc",
    "least-conn",
    "weighted-least-connections",
    "wlc",
    "random",
    "two-choices",
    "p2c",
    "peak-ewma",
    "ewma",
    "source-hash",
    "iphash",
    "ketama",
    "ring",
    "rendezvous",
    "hrw",
    "maglev",
    "MAGLEV",
];

/// The backends as command line arguments, each with a weight.
fn weighted(backends: &[Backend], weights: &[u32]) -> Vec<String> {
    backends.iter().zip(weights).map(|(backend, weight)| format!("{}:{weight}", backend.addr())).collect()
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn weights_are_smooth(ctx: &Context) {
    let backends = named(&["a", "b", "c"]);
    for flags in [&[][..], &["-a", "wrr"]] {
        let program = ctx.start_named(&strs(&weighted(&backends, &[5, 1, 1])), flags);
        let mut client = program.client();
        let answers: String = (0..14).map(|_| client.get("/").text()).collect();
        assert_eq!(answers, "aabacaaaabacaa", "{flags:?}");
    }
}

fn weights_are_exact_under_many_clients(ctx: &Context) {
    let backends = named(&["a", "b", "c"]);
    let program = ctx.start_named(&strs(&weighted(&backends, &[5, 1, 1])), &[]);
    thread::scope(|scope| {
        for _ in 0..14 {
            scope.spawn(|| {
                let mut client = program.client();
                (0..100).for_each(|_| assert_eq!(client.get("/").status(), 200));
            });
        }
    });
    let counts: Vec<_> = backends.iter().map(Backend::connections).collect();
    assert_eq!(counts, [1_000, 200, 200]);
}

fn a_backend_of_weight_zero_gets_no_requests(ctx: &Context) {
    let backends = named(&["a", "b", "c"]);
    for name in ["wrr", "wlc", "random", "p2c", "ewma", "iphash", "ketama", "rendezvous", "maglev"] {
        let program = ctx.start_named(&strs(&weighted(&backends, &[0, 1, 2])), &["-a", name]);
        let mut client = program.client();
        assert!((0..12).all(|_| client.get("/").text() != "a"), "{name}");
    }
    assert_eq!(backends[0].connections(), 0);
}

fn invalid_weights_are_rejected(ctx: &Context) {
    for args in [
        &["127.0.0.1:9001:-5"][..],
        &["127.0.0.1:9001:heavy"],
        &["127.0.0.1:9001:0", "127.0.0.1:9002:0"],
        &["127.0.0.1:9001:2", "127.0.0.1:9002", "-a", "rr"],
        &["127.0.0.1:9001:2", "127.0.0.1:9002", "-a", "lc"],
    ] {
        let finished = ctx.run(&[&["0"], args].concat());
        assert_eq!(finished.code, 64, "{args:?}: {finished:?}");
        assert_eq!(finished.stderr.trim_end().lines().count(), 1, "{args:?}: {finished:?}");
    }
}

fn each_name_serves(ctx: &Context) {
    let backends = named(&["a", "b", "c"]);
    for name in NAMES {
        let program = ctx.start(&addrs(&backends), &["-a", name]);
        let mut client = program.client();
        for _ in 0..6 {
            assert_eq!(client.get("/").status(), 200, "{name}");
        }
    }
}

fn an_unknown_name_is_64_and_known_names_are_listed(ctx: &Context) {
    for unknown in ["fastest", "", "rr,lc", "round robin"] {
        let finished = ctx.run(&["0", "127.0.0.1:9001", "-a", unknown]);
        assert_eq!(finished.code, 64, "{unknown:?}: {finished:?}");
        assert_eq!(finished.stderr.trim_end().lines().count(), 1, "{finished:?}");
        let words: Vec<_> = finished.stderr.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
        let missing: Vec<_> = NAMES.iter().filter(|name| **name != "MAGLEV" && !words.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?} not in: {}", finished.stderr);
    }
}

/// Backends that answer at once, but hold each request for `/hold` until they are released.
fn holding(names: &[&'static str], release: &Arc<AtomicBool>) -> Vec<Backend> {
    let backend = |name: &&'static str| {
        let (name, release) = (*name, Arc::clone(release));
        Backend::start(move |conn| {
            let Ok(request) = conn.request() else { return };
            if request.head.target == "/hold" {
                eventually(TEST_TIMEOUT, || release.load(Ordering::SeqCst).then_some(()));
            }
            conn.write(ok_response(name));
        })
    };
    names.iter().map(backend).collect()
}

/// Sends a request that will be held, and waits until one of the backends has it.
fn hold(mut client: Client, backends: &[Backend]) -> Client {
    let blocked_requests = || backends.iter().map(Backend::total_bytes).sum::<u64>();
    let before = blocked_requests();
    client.request("GET", "/hold", "");
    eventually(TEST_TIMEOUT, || (blocked_requests() > before).then_some(())).expect("a backend gets the request");
    client
}

fn an_idle_backend_is_preferred(ctx: &Context) {
    for name in ["lc", "wlc", "p2c"] {
        let release = Arc::new(AtomicBool::new(false));
        let backends = holding(&["a", "b"], &release);
        let program = ctx.start(&addrs(&backends), &["-a", name]);
        let mut held = hold(program.client(), &backends);
        let mut client = program.client();
        let answers: Vec<_> = (0..20).map(|_| client.get("/").text()).collect();
        release.store(true, Ordering::SeqCst);
        let busy = held.response("GET").text();
        assert!(answers.iter().all(|answer| *answer != busy), "{name}: {busy} is busy: {answers:?}");
    }
}

fn connections_follow_the_weights(ctx: &Context) {
    let release = Arc::new(AtomicBool::new(false));
    let backends = holding(&["a", "b"], &release);
    let program = ctx.start_named(&strs(&weighted(&backends, &[3, 1])), &["-a", "wlc"]);
    let held: Vec<_> = (0..8).map(|_| hold(program.client(), &backends)).collect();
    release.store(true, Ordering::SeqCst);
    let answers: Vec<_> = held.into_iter().map(|mut client| client.response("GET").text()).collect();
    assert_eq!(answers.iter().filter(|answer| *answer == "a").count(), 6, "{answers:?}");
}

fn a_slow_backend_is_avoided(ctx: &Context) {
    let slow = Backend::start(|conn| {
        if conn.request().is_ok() {
            pause(ms(100));
            conn.write(ok_response("slow"));
        }
    });
    let fast = [Backend::ok("b"), Backend::ok("c")];
    let program = ctx.start(&[slow.addr(), fast[0].addr(), fast[1].addr()], &["-a", "ewma"]);
    let mut client = program.client();
    (0..100).for_each(|_| assert_eq!(client.get("/").status(), 200));
    // Round robin would send it 33.
    assert!(slow.connections() <= 15, "{} of 100 requests went to the slow one", slow.connections());
}

fn random_picks_are_fair(ctx: &Context) {
    let backends = named(&["a", "b", "c"]);
    for name in ["random", "p2c"] {
        let before: Vec<_> = backends.iter().map(Backend::connections).collect();
        let program = ctx.start(&addrs(&backends), &["-a", name]);
        let mut client = program.client();
        (0..600).for_each(|_| assert_eq!(client.get("/").status(), 200));
        let counts: Vec<_> = backends.iter().zip(before).map(|(backend, was)| backend.connections() - was).collect();
        // Five standard deviations to either side of 200: a fair draw fails once in a million runs.
        assert!(counts.iter().all(|count| (142..=258).contains(count)), "{name}: {counts:?}");
    }
}

/// The backend of each of `clients` clients. All requests come through one trusted proxy.
fn backend_by_client(client: &mut Client, clients: u32) -> BTreeMap<u32, String> {
    let ask = |number: u32| {
        let forwarded = format!("X-Forwarded-For: 10.1.{}.{}\r\n", number / 200, number % 200 + 1);
        client.request("GET", "/", &forwarded);
        let response = client.response("GET");
        assert_eq!(response.status(), 200, "{response:?}");
        (number, response.text())
    };
    (0..clients).map(ask).collect()
}

fn restart_on(port: ReservedPort, name: &'static str) -> Backend {
    Backend::start_on(port, move |conn| {
        if conn.request().is_ok() {
            conn.write(ok_response(name));
        }
    })
}
