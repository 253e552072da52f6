//! Affinity by the client's address, for clients that keep no cookies.

use std::thread;

use super::cookie::{affinity_cookie, get_with};
use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::client::Client;
use crate::process::Program;
use crate::suites::support::{assert_usage_error, named};
use crate::wait::{ms, pause, until};

cases! { "sticky";
    Fast each_address_is_placed_by_the_algorithm_and_stays,
    Fast first_requests_of_one_address_go_to_one_backend,
    Fast behind_a_trusted_proxy_the_forwarded_address_counts,
    Fast an_untrusted_client_cannot_forge_its_address,
    Fast an_address_at_a_backend_that_is_down_moves_for_good,
    Fast a_client_idle_for_too_long_is_balanced_anew,
    Fast a_cookie_takes_precedence_over_the_address,
    Fast each_group_has_its_own_stick_table,
    Fast invalid_idle_times_are_rejected,
}

/// The client with this number: each has its own address.
fn from(number: u16, program: &Program) -> Client {
    let [high, low] = number.to_be_bytes();
    Client::connect_from([127, 0, high, low].into(), program.addr())
}

/// The backend that answers this client's request, on a new connection.
fn asked(number: u16, program: &Program) -> String {
    let answer = from(number, program).get("/");
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer.text()
}

fn each_address_is_placed_by_the_algorithm_and_stays(ctx: &Context) {
    for (algorithm, placed) in [("rr", "abcabc"), ("wrr", "abcabc"), ("lc", ""), ("random", ""), ("ketama", "")] {
        let (_backends, addrs) = named(&["a", "b", "c"]);
        let program = ctx.start(&addrs, &["--sticky-source", "-a", algorithm]);
        let first: String = (11..17).map(|number| asked(number, &program)).collect();
        assert!(placed.is_empty() || first == placed, "{algorithm}: {first}");
        for round in 0..3 {
            // In another order, so that round robin would not return the same backends.
            let again: String = (11..17).rev().map(|number| asked(number, &program)).collect();
            assert_eq!(again.chars().rev().collect::<String>(), first, "{algorithm}, round {round}");
        }
    }
}

fn first_requests_of_one_address_go_to_one_backend(ctx: &Context) {
    let (_backends, addrs) = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--sticky-source"]);
    for number in 21..31 {
        let mut clients: Vec<_> = (0..8).map(|_| from(number, &program)).collect();
        let answers: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = clients.iter_mut().map(|client| scope.spawn(|| client.get("/").text())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(answers.iter().all(|answer| *answer == answers[0]), "127.0.0.{number}: {answers:?}");
    }
}

/// The backend that answers when a proxy forwards this client's request.
fn for_client(client: &mut Client, address: &str) -> String {
    client.request("GET", "/", &format!("X-Forwarded-For: {address}\r\n"));
    let answer = client.response("GET");
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer.text()
}

fn behind_a_trusted_proxy_the_forwarded_address_counts(ctx: &Context) {
    let (_backends, addrs) = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--sticky-source", "--trusted-proxy", "127.0.0.0/8"]);
    let mut proxy = program.client();
    let clients = ["192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1"];
    let first: Vec<_> = clients.iter().map(|client| for_client(&mut proxy, client)).collect();
    assert_eq!(first.concat(), "abca", "each address gets a backend");
    // Other spellings of the same addresses, other addresses of the same /64, and another proxy.
    for (spelling, place) in [
        ("::ffff:192.0.2.2", 1),
        ("192.0.2.1", 0),
        ("2001:0db8::1:ffff:0:0:9", 2),
        ("2001:db8:0:2:1:2:3:4", 3),
        ("6.6.6.6, 192.0.2.2", 1),
    ] {
        assert_eq!(for_client(&mut proxy, spelling), first[place], "{spelling}");
        assert_eq!(for_client(&mut from(33, &program), spelling), first[place], "{spelling}");
    }
}

fn an_untrusted_client_cannot_forge_its_address(ctx: &Context) {
    let (_backends, addrs) = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--sticky-source"]);
    let mut stranger = program.client();
    let first = for_client(&mut stranger, "192.0.2.1");
    for number in 2..9 {
        assert_eq!(for_client(&mut stranger, &format!("192.0.2.{number}")), first);
    }
    assert_ne!(asked(34, &program), first, "another address gets the next backend");
}

fn an_address_at_a_backend_that_is_down_moves_for_good(ctx: &Context) {
    let (mut backends, addrs) = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--sticky-source", "--down-time", "50ms"]);
    assert_eq!((asked(11, &program), asked(12, &program)), ("a".to_owned(), "b".to_owned()));
    let port = backends.remove(0).stop();
    let moved = asked(11, &program);
    assert_ne!(moved, "a");
    let _back = Backend::start_on(port, |conn| {
        if conn.request().is_ok() {
            conn.write(ok_response("a"));
        }
    });
    let mut newcomers = 1_000..;
    until("it gets new clients again", || newcomers.next().is_some_and(|number| asked(number, &program) == "a"));
    for _ in 0..5 {
        assert_eq!((asked(11, &program), asked(12, &program)), (moved.clone(), "b".to_owned()));
    }
}

fn a_client_idle_for_too_long_is_balanced_anew(ctx: &Context) {
    let (_backends, addrs) = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--sticky-source=300ms"]);
    let mut places = Vec::new();
    for _ in 0..3 {
        places.push(asked(11, &program));
        pause(ms(400));
    }
    assert_eq!(places.concat(), "abc");
}

fn a_cookie_takes_precedence_over_the_address(ctx: &Context) {
    let (_backends, addrs) = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--sticky", "--sticky-source"]);
    let (first, second) = (from(11, &program).get("/"), from(12, &program).get("/"));
    assert_eq!((first.text().as_str(), second.text().as_str()), ("a", "b"));
    // The cookie of one backend, from an address with affinity to the other.
    for _ in 0..3 {
        assert_eq!(get_with(&mut from(11, &program), &affinity_cookie(&second)).text(), "b");
    }
    // Without a cookie the address decides, and the response sets its cookie.
    let again = from(11, &program).get("/");
    assert_eq!((again.text().as_str(), affinity_cookie(&again)), ("a", affinity_cookie(&first)));
}

fn each_group_has_its_own_stick_table(ctx: &Context) {
    let (_web, web) = named(&["w1", "w2"]);
    let (_api, api) = named(&["a1", "a2"]);
    let group = format!("api={},{}", api[0], api[1]);
    let program = ctx.start(&web, &["--sticky-source", "--group", &group, "--route", "path=/api/* -> api"]);
    let ask = |number, target| from(number, &program).get(target).text();
    assert_eq!(ask(11, "/"), "w1");
    assert_eq!((ask(12, "/api"), ask(11, "/api")), ("a1".to_owned(), "a2".to_owned()));
    for _ in 0..3 {
        assert_eq!((ask(11, "/"), ask(11, "/api")), ("w1".to_owned(), "a2".to_owned()));
        assert_eq!(ask(12, "/api"), "a1");
    }
}

fn invalid_idle_times_are_rejected(ctx: &Context) {
    for (flags, says) in [
        (&["--sticky-source=0s"][..], "--sticky-source"),
        (&["--sticky-source=30"], "the unit is missing"),
        (&["--sticky-source=long"], "long"),
        // The next argument is parsed as a backend, not as the time.
        (&["--sticky-source", "10m"], "10m"),
    ] {
        assert_usage_error(ctx, &[&["0", "127.0.0.1:9"], flags].concat(), says);
    }
}
