//! Part 1: one slow backend, under round robin and under least connections; keys that keep their backend.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use backends::Fault;
use integration_tests::client::Client;
use integration_tests::process::Program;
use integration_tests::wait::ms;

use super::{asked, balancer};
use crate::demo_backends::{DemoBackends, count_by_backend, responding_backend};
use crate::narrator::{Narrator, Programs, now};

const CLIENTS: usize = 6;
const EACH: usize = 10;
/// The latency of the slow backend.
const SLOW: Duration = ms(200);
const KEYS: usize = 60;

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let backends = DemoBackends::start(3);
    one_is_slow(narrator, programs, &backends);
    keys_stay(narrator, programs, &backends);
}

fn one_is_slow(narrator: &Narrator, programs: &Programs, backends: &DemoBackends) {
    backends.set_fault(3, Fault::Slow(SLOW));
    narrator.section(
        "One slow backend",
        "Backend 3 takes 200 ms for each response, the others almost no time. Six clients send ten requests each. \
         First round robin:",
    );
    let [_, _, in_turns] = load(narrator, &balancer(narrator, programs, &backends.names(), &["-a", "rr"]));
    assert_eq!(in_turns, CLIENTS * EACH / 3, "round robin is exact");
    narrator.say("The slow one gets as many as the others. Now least connections: which backend has the fewest requests in flight?");
    let [_, _, by_load] = load(narrator, &balancer(narrator, programs, &backends.names(), &["-a", "lc"]));
    assert!(by_load < in_turns / 2, "{by_load} of {in_turns}");
    narrator.say("The slow backend is not configured anywhere: it shows by its requests in flight.");
    backends.set_fault(3, Fault::None);
}

/// Prints the result for all clients at once; returns how many requests each backend got.
fn load(narrator: &Narrator, balancer: &Program) -> [usize; 3] {
    let (began, seen) = (now(), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| ask(balancer.client(), &seen));
        }
    });
    let took = began.elapsed();
    let mut seen = seen.into_inner().expect("no client panics");
    seen.sort();
    let waited = seen.iter().filter(|(time, _)| *time >= SLOW).count();
    let counts = count_by_backend(&seen.iter().map(|(_, number)| *number).collect::<Vec<_>>());
    let counts = [1, 2, 3].map(|number| counts.get(&number).copied().unwrap_or(0));
    assert!(waited >= counts[2], "requests at the slow backend wait");
    let [one, two, three] = counts;
    narrator.output(&format!("requests to backend 1: {one}, to 2: {two}, to 3: {three}"));
    narrator.output(&format!("{waited} of {} waited for 200 ms or longer; all done in {took:.1?}", seen.len()));
    counts
}

fn ask(mut client: Client, seen: &Mutex<Vec<(Duration, usize)>>) {
    for _ in 0..EACH {
        let began = now();
        let number = responding_backend(&client.get("/"));
        seen.lock().expect("no client panics").push((began.elapsed(), number));
    }
}

fn keys_stay(narrator: &Narrator, programs: &Programs, backends: &DemoBackends) {
    narrator.section(
        "Consistent hashing",
        "Three caches: each path should always go to the same one. Sixty paths, and then backend 3 dies. First a hash \
         modulo the number of backends:",
    );
    let [lost, moved] = one_leaves(narrator, programs, backends, "iphash");
    assert!(moved > lost && moved > KEYS / 2, "a modulo hash moves nearly all");
    narrator.say("Most caches are cold now, also at the backends that are still up. Now a hash ring:");
    let [lost, moved] = one_leaves(narrator, programs, backends, "ketama");
    assert_eq!(moved, lost, "a ring moves what it must");
    narrator.say("Only the keys of the dead backend have moved.");
}

/// Kills backend 3; returns how many keys it had, and how many keys have moved.
fn one_leaves(narrator: &Narrator, programs: &Programs, backends: &DemoBackends, algorithm: &str) -> [usize; 2] {
    let balancer = balancer(narrator, programs, &backends.names(), &["-a", algorithm, "--hash-key", "path"]);
    let mut client = balancer.client();
    let mut places = || (0..KEYS).map(|key| asked(&mut client, &format!("/video/{key}"), "")).collect::<Vec<_>>();
    let before = places();
    assert_eq!(before, places(), "the same key, the same backend");
    backends.set_fault(3, Fault::Down);
    let after = places();
    backends.set_fault(3, Fault::None);
    let lost = before.iter().filter(|place| **place == 3).count();
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    narrator.output(&format!("backend 3 had {lost} of the {KEYS} paths; {moved} paths have moved"));
    [lost, moved]
}
