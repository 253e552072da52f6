//! What a client is told: on answers that pass, and on 429.

use std::time::Instant;

use super::{backend, backend_with, field, parameter, passed, statuses};
use crate::Context;
use crate::case::cases;
use crate::suites::local_reply;
use crate::wait::{ms, pause, until};

cases! { "rate_limit";
    Fast the_burst_passes_and_then_the_client_is_told_when_to_come_back,
    Slow a_client_that_waits_as_told_gets_through,
    Fast a_client_that_keeps_trying_gets_its_share,
    Fast every_limit_is_listed_and_a_refusal_takes_nothing,
    Fast a_backends_stricter_limit_is_sent,
    Fast the_headers_can_be_chosen,
    Fast a_backends_other_headers_are_not_loosened,
    Fast a_client_that_names_json_gets_a_problem,
    Fast a_refused_request_keeps_its_connection,
    Fast a_dry_run_refuses_nothing_and_says_what_it_would,
    Fast an_exempt_client_has_no_limits,
    Fast what_is_answered_with_400_takes_nothing,
}

const LOGIN: [&str; 2] = ["--limit", "10/m,burst=10 by=ip path=/login name=login"];

fn the_burst_passes_and_then_the_client_is_told_when_to_come_back(ctx: &Context) {
    let backend = backend();
    let program = ctx.start(&[backend.addr()], &LOGIN);
    let mut client = program.client();
    let began = Instant::now();
    for left in (0..10).rev() {
        let response = client.get("/login");
        assert_eq!(response.status(), 200);
        assert_eq!(field(&response, "ratelimit-policy"), r#""login";q=10;w=60"#);
        assert_eq!(parameter(field(&response, "ratelimit"), "r"), left, "{response:?}");
    }
    let refused = client.get("/login");
    assert!(began.elapsed() < ms(5_000), "too slow to tell anything");
    local_reply::assert_local(&refused, 429);
    let item = field(&refused, "ratelimit");
    assert!(item.starts_with(r#""login";r=0;t="#), "{item}");
    assert_eq!(field(&refused, "retry-after"), parameter(item, "t").to_string());
    assert!((1..=6).contains(&parameter(item, "t")), "{item}");
    // Other paths have no limit, and no headers about one.
    let other = client.get("/");
    assert!(other.status() == 200 && !other.fields().has("ratelimit") && !other.fields().has("ratelimit-policy"));
    assert_eq!(
        backend
            .recordings()
            .iter()
            .map(|seen| seen.bytes.windows(11).filter(|at| at == b"GET /login ").count())
            .sum::<usize>(),
        10
    );
}

fn a_client_that_waits_as_told_gets_through(ctx: &Context) {
    let backend = backend();
    for algorithm in ["gcra", "token", "sliding", "log", "fixed", "governor"] {
        let program = ctx.start(&[backend.addr()], &["--limit", &format!("2/s by=ip alg={algorithm}")]);
        let mut client = program.client();
        let mut refused = client.get("/");
        until("it is refused", || {
            refused = client.get("/");
            refused.status() == 429
        });
        let seconds: u64 = field(&refused, "retry-after").parse().unwrap();
        pause(ms(1_000 * seconds));
        assert_eq!(client.get("/").status(), 200, "{algorithm}: {refused:?}");
    }
}

/// The originals let through 20 per second of 100, or locked such a client out for good.
fn a_client_that_keeps_trying_gets_its_share(ctx: &Context) {
    let backend = backend();
    let program = ctx.start(&[backend.addr()], &["--limit", "100/s,burst=20 by=ip"]);
    let mut client = program.client();
    let began = Instant::now();
    let mut count = 0;
    let mut within = began.elapsed();
    while within < ms(2_000) {
        count += passed(&mut client, "/", "", 1);
        within = began.elapsed();
    }
    let most = 20.0 + 100.0 * within.as_secs_f64() + 1.0;
    let count_f64 = f64::from(u32::try_from(count).unwrap());
    // A pause of the client longer than the burst's 200 ms loses a part of its share.
    assert!((150.0..=most).contains(&count_f64), "{count} in {within:?}");
}

fn every_limit_is_listed_and_a_refusal_takes_nothing(ctx: &Context) {
    let backend = backend();
    let limits = ["--limit", "5/h,burst=5 by=ip name=all", "--limit", "2/h,burst=2 by=header:X-Key name=key"];
    let program = ctx.start(&[backend.addr()], &limits);
    let mut client = program.client();
    client.request("GET", "/", "X-Key: a\r\n");
    let first = client.response("GET");
    assert_eq!(field(&first, "ratelimit-policy"), r#""all";q=5;w=3600, "key";q=2;w=3600"#);
    let items: Vec<_> = field(&first, "ratelimit").split(", ").collect();
    assert_eq!(items.iter().map(|item| parameter(item, "r")).collect::<Vec<_>>(), [4, 1], "{items:?}");
    // Six more of the same key: one passes, five are refused, and what they took of `all` is given back.
    assert_eq!(passed(&mut client, "/", "X-Key: a\r\n", 6), 1);
    client.request("GET", "/", "X-Key: a\r\n");
    let by_key = client.response("GET");
    let items: Vec<_> = field(&by_key, "ratelimit").split(", ").collect();
    assert_eq!(items.iter().map(|item| parameter(item, "r")).collect::<Vec<_>>(), [3, 0], "{items:?}");
    assert_eq!(passed(&mut client, "/", "X-Key: b\r\n", 5), 2);
    assert_eq!(passed(&mut client, "/", "X-Key: c\r\n", 5), 1, "`all` has 5");
    client.request("GET", "/", "X-Key: d\r\n");
    let refused = client.response("GET");
    assert_eq!(refused.status(), 429);
    assert!(!field(&refused, "ratelimit").contains("key"), "`key` was not asked: {refused:?}");
}

fn a_backends_stricter_limit_is_sent(ctx: &Context) {
    let (ours, stricter) = (r#""all";q=5;w=3600"#, r#""all";q=2;w=10"#);
    for (theirs, expected, policy) in [
        ("RateLimit: \"all\";r=1;t=9\r\nRateLimit-Policy: \"all\";q=2;w=10\r\n", r#""all";r=1;t=9"#, stricter),
        ("RateLimit: \"all\";r=99;t=9\r\n", r#""all";r=4;t="#, ours),
        ("ratelimit: \"tenant\";r=1\r\nRateLimit: \"b\";r=0;t=1\r\n", r#""tenant";r=1, "b";r=0;t=1"#, ours),
    ] {
        let backend = backend_with(theirs);
        let program = ctx.start(&[backend.addr()], &["--limit", "5/h,burst=5 by=ip name=all"]);
        let response = program.client().get("/");
        assert_eq!(response.fields().all("ratelimit").len(), 1, "{response:?}");
        assert!(field(&response, "ratelimit").contains(expected), "{response:?}");
        assert_eq!(field(&response, "ratelimit-policy"), policy);
    }
}

fn the_headers_can_be_chosen(ctx: &Context) {
    let backend = backend_with("X-RateLimit-Limit: 7\r\nX-RateLimit-Remaining: 6\r\n");
    for (style, draft, legacy) in
        [("draft", true, Some("7")), ("legacy", false, Some("5")), ("both", true, Some("5")), ("off", false, Some("7"))]
    {
        let flags = ["--limit", "5/h,burst=5 by=ip", "--limit", "100/h,burst=100 by=global", "--limit-headers", style];
        let program = ctx.start(&[backend.addr()], &flags);
        let response = program.client().get("/");
        assert_eq!(response.fields().has("ratelimit"), draft, "{style}: {response:?}");
        assert_eq!(response.fields().all("x-ratelimit-limit"), legacy.as_slice(), "{style}: {response:?}");
        if legacy == Some("5") {
            assert_eq!(field(&response, "x-ratelimit-remaining"), "4", "{style}");
            assert_eq!(field(&response, "x-ratelimit-reset"), "720", "{style}");
        }
    }
}

fn a_backends_other_headers_are_not_loosened(ctx: &Context) {
    let legacy = backend_with("X-RateLimit-Limit: 9\r\nX-RateLimit-Remaining: 1\r\nX-RateLimit-Reset: 8\r\n");
    let limit = ["--limit", "5/h,burst=5 by=ip", "--limit-headers", "both"];
    let response = ctx.start(&[legacy.addr()], &limit).client().get("/");
    let kept = ["limit", "remaining", "reset"].map(|name| field(&response, &format!("x-ratelimit-{name}")));
    assert_eq!(kept, ["9", "1", "8"]);
    assert_eq!(parameter(field(&response, "ratelimit"), "r"), 4);
    // An older draft's.
    let older = backend_with("RateLimit: limit=100, remaining=0, reset=5\r\n");
    let response = ctx.start(&[older.addr()], &limit).client().get("/");
    assert_eq!(response.fields().all("ratelimit"), ["limit=100, remaining=0, reset=5"]);
}

fn a_client_that_names_json_gets_a_problem(ctx: &Context) {
    let backend = backend();
    let program = ctx.start(&[backend.addr()], &["--limit", "1/h by=ip"]);
    let mut client = program.client();
    assert_eq!(client.get("/").status(), 200);
    for (accept, is_json) in [
        ("Accept: application/json\r\n", true),
        ("Accept: */*\r\n", false),
        ("Accept: application/json;q=0\r\n", false),
        ("", false),
    ] {
        client.request("GET", "/", accept);
        let response = client.response("GET");
        let expected = if is_json { "application/problem+json" } else { "text/plain; charset=utf-8" };
        assert_eq!((response.status(), field(&response, "content-type")), (429, expected), "{accept}");
        assert_eq!(response.text().starts_with('{'), is_json, "{response:?}");
    }
}

fn a_refused_request_keeps_its_connection(ctx: &Context) {
    let backend = backend();
    let program = ctx.start(&[backend.addr()], &["--limit", "1/h by=ip path=/limited"]);
    let mut client = program.client();
    assert_eq!(client.get("/limited").status(), 200);
    client.request("HEAD", "/limited", "");
    let head = client.response("HEAD");
    assert!(head.status() == 429 && head.body.is_empty());
    client.send("POST /limited HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response("POST").status(), 429);
    // Pipelined behind a refused one.
    client.send("GET /limited HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((client.response("GET").status(), client.response("GET").status()), (429, 200));
}

fn a_dry_run_refuses_nothing_and_says_what_it_would(ctx: &Context) {
    let backend = backend();
    let flags = ["--limit", "3/h,burst=3 by=ip path=/* name=strict", "--limit-dry-run"];
    let program = ctx.start(&[backend.addr()], &flags);
    let mut client = program.client();
    assert_eq!(passed(&mut client, "/", "", 19), 19);
    // With a limit by path it would be a 400: a dry run changes nothing.
    assert_eq!(passed(&mut client, "/a%2Fb", "", 1), 1);
    let response = client.get("/");
    assert!(!response.fields().has("ratelimit") && !response.fields().has("ratelimit-policy"), "{response:?}");
    until("it is logged", || program.stderr().contains("limit strict: would refuse a request from 127.0.0.1"));
    assert!(program.stderr().matches("would refuse").count() <= 3, "at most once a second:\n{}", program.stderr());
    program.signal(nix::sys::signal::Signal::SIGUSR1);
    program.wait_stdout("limit strict: 3 allowed, 18 refused, 0 without a slot");
}

fn an_exempt_client_has_no_limits(ctx: &Context) {
    let backend = backend();
    let flags = ["--limit", "2/h,burst=2 by=global", "--limit-exempt", "192.0.2.0/24", "--trusted-proxy", "127.0.0.1"];
    let program = ctx.start(&[backend.addr()], &flags);
    let mut client = program.client();
    assert_eq!(passed(&mut client, "/", "X-Forwarded-For: 192.0.2.9\r\n", 10), 10);
    client.request("GET", "/", "X-Forwarded-For: 192.0.2.9\r\n");
    assert!(!client.response("GET").fields().has("ratelimit"));
    assert_eq!(passed(&mut client, "/", "X-Forwarded-For: 198.51.100.9\r\n", 10), 2);
}

fn what_is_answered_with_400_takes_nothing(ctx: &Context) {
    let backend = backend();
    let program = ctx.start(&[backend.addr()], &["--limit", "3/h,burst=3 by=ip"]);
    for bad in ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"] {
        for _ in 0..5 {
            let mut client = program.client();
            client.send(bad);
            assert_eq!(client.response("GET").status(), 400);
        }
    }
    assert_eq!(statuses(&mut program.client(), "/", "", 4), [200, 200, 200, 429]);
}
