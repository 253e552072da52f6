//! Chapter 7: each client gets its share, however it asks; and is told when to come back.

use std::thread;
use std::time::{Duration, Instant};

use backends::{Backend, BackendConfig};
use integration_tests::admin_client::AdminClient;
use integration_tests::client::{Client, Response};
use integration_tests::process::Program;
use integration_tests::wait::{ms, pause};

use crate::narrator::{Narrator, Programs, now};

/// Where the clients of a trusted proxy can be told apart by what it reports.
const BEHIND_A_PROXY: [&str; 2] = ["--trusted-proxy", "127.0.0.1"];

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let config = BackendConfig { id: "backend-1".into(), ..BackendConfig::default() };
    let backend = Backend::start(config).expect("a free port");
    ten_logins_a_minute(narrator, programs, &backend);
    another_spelling(narrator, programs, &backend);
    a_client_that_keeps_trying(narrator, programs, &backend);
    a_flood(narrator, programs, &backend);
}

fn start(narrator: &Narrator, programs: &Programs, backend: &Backend, options: &[&str]) -> Program {
    let name = backend.addr().to_string();
    let args: Vec<_> = ["0", &name, "--check", "off"].into_iter().chain(options.iter().copied()).collect();
    programs.start(narrator, "rate_limited_lb", &args)
}

fn header(response: &Response, name: &str) -> String {
    response.fields().get(name).unwrap_or("-").to_owned()
}

fn ten_logins_a_minute(narrator: &Narrator, programs: &Programs, backend: &Backend) {
    narrator.section(
        "Ten logins a minute",
        "Somebody tries passwords. A limit on /login, counted by address: ten at once, then one every six seconds. What \
         does the eleventh get, and what does another page?",
    );
    let limit = "10/m,burst=10 by=ip path=/login name=login";
    let balancer = start(narrator, programs, backend, &["--limit", limit]);
    let mut client = balancer.client();
    let answers: Vec<_> = (0..30).map(|_| client.get("/login")).collect();
    let passed = answers.iter().filter(|answer| answer.status() == 200).count();
    narrator.output(&format!("30 requests: {passed} passed, {} got 429", 30 - passed));
    assert_eq!(passed, 10);
    let refused = answers.last().expect("there are 30");
    for name in ["RateLimit-Policy", "RateLimit", "Retry-After"] {
        narrator.output(&format!("{name}: {}", header(refused, &name.to_ascii_lowercase())));
    }
    let other = client.get("/").status();
    narrator.output(&format!("another page: {other}"));
    assert_eq!(other, 200);
}

fn another_spelling(narrator: &Narrator, programs: &Programs, backend: &Backend) {
    narrator.section(
        "Another spelling",
        "A limit that a client can talk its way around is none. Does one of these still get through?",
    );
    let balancer = start(narrator, programs, backend, &["--limit", "1/h by=ip path=/login"]);
    let mut client = balancer.client();
    assert_eq!(client.get("/login").status(), 200);
    for target in ["/login?again", "/%6Cogin", "//login", "/x/../login", "/login;v=2"] {
        let status = client.get(target).status();
        narrator.output(&format!("GET {target:<14} {status}"));
        assert_eq!(status, 429, "{target}");
    }
}

fn a_client_that_keeps_trying(narrator: &Narrator, programs: &Programs, backend: &Backend) {
    narrator.section(
        "A client that keeps trying",
        "100 per second, burst 20, and a client that does not care: it sends as fast as it can. Some limiters count what \
         they refuse, and lock it out for good. How many get through in two seconds?",
    );
    let balancer = start(narrator, programs, backend, &["--limit", "100/s,burst=20 by=ip"]);
    let mut client = balancer.client();
    let (began, mut passed, mut sent) = (now(), 0_u32, 0_u32);
    while now() - began < ms(2_000) {
        passed += u32::from(client.get("/").status() == 200);
        sent += 1;
    }
    narrator.output(&format!("{sent} sent, {passed} passed: the burst of 20, and 100 for each second"));
    assert!((150..=225).contains(&passed), "{passed}");
}

/// Sends requests of `from` until `stop`; returns how many were sent, and how many passed.
fn send_as(client: &mut Client, from: &str, until: Instant, between: Duration) -> (u32, u32) {
    let (mut sent, mut passed) = (0, 0);
    while now() < until {
        client.request("GET", "/", &format!("X-Forwarded-For: {from}\r\n"));
        passed += u32::from(client.response("GET").status() == 200);
        sent += 1;
        pause(between);
    }
    (sent, passed)
}

fn a_flood(narrator: &Narrator, programs: &Programs, backend: &Backend) {
    narrator.section(
        "A flood",
        "One host floods, from a new IPv6 address with each request: it has 18,446,744,073,709,551,616 of them. Two other \
         clients send ten requests per second. All three may send fifty.",
    );
    let options = [&["--limit", "50/s by=ip name=each", "--admin", "127.0.0.1:0"], &BEHIND_A_PROXY[..]].concat();
    let balancer = start(narrator, programs, backend, &options);
    let until = now() + ms(1_500);
    let (flood, others) = thread::scope(|scope| {
        let balancer = &balancer;
        let flood = scope.spawn(move || {
            let (mut client, mut sent, mut passed) = (balancer.client(), 0_u32, 0_u32);
            while now() < until {
                client.request("GET", "/", &format!("X-Forwarded-For: 2001:db8::{:x}\r\n", sent % 0xffff));
                passed += u32::from(client.response("GET").status() == 200);
                sent += 1;
            }
            (sent, passed)
        });
        let other = |from: &'static str| scope.spawn(move || send_as(&mut balancer.client(), from, until, ms(100)));
        let others = [other("192.0.2.1"), other("2001:db8:0:1::1")].map(|thread| thread.join().expect("a client"));
        (flood.join().expect("the flood"), others)
    });
    narrator.output(&format!("the flood: {} sent, {} passed", flood.0, flood.1));
    for (sent, passed) in others {
        narrator.output(&format!("another:   {sent} sent, {passed} passed"));
        assert_eq!(sent, passed, "another client was refused");
    }
    assert!(flood.1 <= 130, "the flood has one share: {flood:?}");
    let limits = AdminClient::of(&balancer).request_ok("GET", "/limits", "");
    narrator.command("curl -s http://127.0.0.1:9900/limits");
    narrator.output(&limits.to_string());
    narrator.say("A /64 is one client, so the flood had one share, and the others did not notice.");
}
