//! What has a share of its own: nobody gets a second one by another spelling, and nobody takes another's.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use super::{backend, field, parameter, passed};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::process::Program;
use crate::suites::support::run_in_parallel;
use crate::wait::{ms, pause};

cases! { "rate_limit";
    Fast each_address_has_its_share_and_an_ipv6_network_has_one,
    Fast an_untrusted_client_cannot_choose_its_address,
    Fast a_header_or_cookie_has_its_share_and_without_one_the_address,
    Fast two_headers_or_cookies_of_one_name_count_by_address,
    Fast a_route_has_its_share,
    Fast another_spelling_of_a_path_has_the_same_limit,
    Fast workers_share_a_limit_exactly,
    Fast a_flood_from_one_network_leaves_the_others_alone,
    Fast a_retried_request_counts_once,
    Full workers_share_a_rate_exactly,
    Fast more_keys_than_the_table_holds_share_one_and_known_ones_keep_theirs,
    Full a_million_keys_and_huge_headers_take_no_memory,
}

const TRUST: [&str; 2] = ["--trusted-proxy", "127.0.0.1"];

fn start(ctx: &Context, backend: &Backend, flags: &[&str]) -> Program {
    ctx.start(&[backend.addr()], &[flags, &TRUST].concat())
}

fn passed_of(program: &Program, client: &str, count: usize) -> usize {
    passed(&mut program.client(), "/", &format!("X-Forwarded-For: {client}\r\n"), count)
}

fn each_address_has_its_share_and_an_ipv6_network_has_one(ctx: &Context) {
    let backend = backend();
    let program = start(ctx, &backend, &["--limit", "3/h,burst=3 by=ip"]);
    for (client, expected) in [
        ("192.0.2.1", 3),
        ("192.0.2.2", 3),
        ("192.0.2.1", 0),
        ("::ffff:192.0.2.1", 0),
        ("2001:db8:1:2::1", 3),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", 0),
        ("2001:db8:1:3::1", 3),
    ] {
        assert_eq!(passed_of(&program, client, 5), expected, "{client}");
    }
}

fn an_untrusted_client_cannot_choose_its_address(ctx: &Context) {
    let backend = backend();
    let program = ctx.start(&[backend.addr()], &["--limit", "3/h,burst=3 by=ip"]);
    let passed: usize = (0..10).map(|number| passed_of(&program, &format!("192.0.2.{number}"), 1)).sum();
    assert_eq!(passed, 3);
}

fn a_header_or_cookie_has_its_share_and_without_one_the_address(ctx: &Context) {
    let backend = backend();
    for (by, name) in [("header:X-Api-Key", "X-API-KEY: "), ("cookie:session", "Cookie: a=b; session=")] {
        let program = ctx.start(&[backend.addr()], &["--limit", &format!("2/h,burst=2 by={by}")]);
        let mut client = program.client();
        for (extra, expected) in [
            (format!("{name}one\r\n"), 2),
            (format!("{name}two\r\n"), 2),
            (format!("{name}one\r\n"), 0),
            (String::new(), 2),
            (String::new(), 0),
            // As if it were not there: else an empty one would be another share.
            (format!("{name}\r\n"), 0),
        ] {
            assert_eq!(passed(&mut client, "/", &extra, 3), expected, "{by} {extra:?}");
        }
    }
}

/// A backend may read the other one, so a decoy must not buy a share.
fn two_headers_or_cookies_of_one_name_count_by_address(ctx: &Context) {
    let backend = backend();
    for (by, pair) in [
        ("header:X-Key", "X-Key: NUMBER\r\nX-Key: real\r\n"),
        ("cookie:session", "Cookie: session=NUMBER; session=real\r\n"),
        ("cookie:session", "Cookie: session=NUMBER\r\nCookie: session=real\r\n"),
        ("cookie:session", "Cookie: session=; session=real; x=NUMBER\r\n"),
    ] {
        let program = ctx.start(&[backend.addr()], &["--limit", &format!("2/h,burst=2 by={by}")]);
        let mut client = program.client();
        let ask = |number: usize| passed(&mut client, "/", &pair.replace("NUMBER", &number.to_string()), 1);
        assert_eq!((0..6).map(ask).sum::<usize>(), 2, "{by} {pair:?}");
        assert_eq!(passed(&mut client, "/", "", 2), 0, "they counted by address");
    }
}

fn a_route_has_its_share(ctx: &Context) {
    let backend = backend();
    let group = format!("web={}", backend.addr());
    let routes = ["--group", &group, "--route", "path=/a/* -> web", "--route", "path=/b/* -> web"];
    let flags = [&["--limit", "2/h,burst=2 by=route"][..], &routes].concat();
    let program = ctx.start(&[backend.addr()], &flags);
    let mut client = program.client();
    for (target, expected) in [("/a/1", 2), ("/a/2", 0), ("/b/1", 2), ("/c", 2), ("/d", 0)] {
        assert_eq!(passed(&mut client, target, "", 3), expected, "{target}");
    }
}

fn another_spelling_of_a_path_has_the_same_limit(ctx: &Context) {
    let backend = backend();
    let program = ctx.start(&[backend.addr()], &["--limit", "2/h,burst=2 by=ip path=/login"]);
    let mut client = program.client();
    assert_eq!(passed(&mut client, "/login", "", 3), 2);
    for other in ["/login?x=y", "/./login", "/x/../login", "/%6Cogin", "//login", "/login;v=1", "http://test/login"] {
        assert_eq!(passed(&mut client, other, "", 1), 0, "{other}");
    }
    assert_eq!(passed(&mut client, "/login/x", "", 5), 5);
    // A backend that reads it as /login must not get it past the limit.
    client.request("GET", "/%2e%2flogin", "");
    assert_eq!(client.response("GET").status(), 400);
}

fn workers_share_a_limit_exactly(ctx: &Context) {
    let backend = backend();
    for algorithm in ["gcra", "token", "governor", "log", "fixed", "sliding"] {
        let limit = match algorithm {
            "gcra" | "token" | "governor" => format!("1/h,burst=300 by=ip alg={algorithm}"),
            _ => format!("300/h by=ip alg={algorithm}"),
        };
        let program = ctx.start(&[backend.addr()], &["--workers", "2", "--limit", &limit]);
        let counted = AtomicUsize::new(0);
        run_in_parallel(8, |_| {
            let passed = passed(&mut program.client(), "/", "", 60);
            counted.fetch_add(passed, Ordering::SeqCst);
        });
        assert_eq!(counted.into_inner(), 300, "{algorithm}");
    }
}

/// The flood has a new address for each request, all of one /64.
fn a_flood_from_one_network_leaves_the_others_alone(ctx: &Context) {
    let backend = backend();
    let program = start(ctx, &backend, &["--limit", "50/s by=ip"]);
    let stop = AtomicBool::new(false);
    let (flooded, answered) = thread::scope(|scope| {
        let (program, stop) = (&program, &stop);
        let flood = scope.spawn(move || {
            let (mut client, mut passed) = (program.client(), 0);
            for number in 0_u64.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                client.request("GET", "/", &format!("X-Forwarded-For: 2001:db8::{:x}\r\n", number % 0xffff));
                passed += usize::from(client.response("GET").status() == 200);
            }
            passed
        });
        let others: Vec<_> = (1..=10)
            .map(|number| {
                scope.spawn(move || {
                    let (mut client, from) = (program.client(), format!("X-Forwarded-For: 192.0.2.{number}\r\n"));
                    let ask = |_| {
                        pause(ms(40));
                        passed(&mut client, "/", &from, 1)
                    };
                    (0..40).map(ask).sum::<usize>()
                })
            })
            .collect();
        let answered: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
        stop.store(true, Ordering::SeqCst);
        (flood.join().unwrap(), answered)
    });
    assert!(answered.iter().all(|count| *count >= 38), "95 % of 40: {answered:?}");
    // Fifty at once and fifty per second: of a flood that lasts for less than half a minute.
    assert!(flooded < 1_500, "{flooded}");
}

fn a_retried_request_counts_once(ctx: &Context) {
    let broken = Backend::start(|conn| {
        let _ = conn.request();
        conn.close();
    });
    let backend = backend();
    let flags = ["--limit", "50/h,burst=50 by=ip", "--retries", "1"];
    let program = ctx.start(&[broken.addr(), backend.addr()], &flags);
    let mut client = program.client();
    let left: Vec<_> = (0..10)
        .map(|_| {
            let response = client.get("/");
            assert_eq!(response.status(), 200);
            parameter(field(&response, "ratelimit"), "r")
        })
        .collect();
    assert!(broken.connections() > 0, "no request was retried");
    assert_eq!(left, (40..50).rev().collect::<Vec<_>>());
}

/// Within 1 % of what the rate lets through in ten seconds.
fn workers_share_a_rate_exactly(ctx: &Context) {
    let backend = backend();
    let program = ctx.start(&[backend.addr()], &["--workers", "2", "--limit", "1000/s,burst=100 by=ip"]);
    let began = Instant::now();
    let counted = AtomicUsize::new(0);
    run_in_parallel(8, |_| {
        let mut client = program.client();
        while began.elapsed() < ms(10_000) {
            counted.fetch_add(passed(&mut client, "/", "", 1), Ordering::SeqCst);
        }
    });
    let fair = 100.0 + 1_000.0 * began.elapsed().as_secs_f64();
    let counted = f64::from(u32::try_from(counted.into_inner()).unwrap());
    assert!((fair * 0.99..=fair * 1.001).contains(&counted), "{counted}, fair {fair}");
}

fn more_keys_than_the_table_holds_share_one_and_known_ones_keep_theirs(ctx: &Context) {
    let backend = backend();
    let flags = ["--limit", "5/h,burst=5 by=header:X-Key name=key", "--limit-keys", "16"];
    let program = ctx.start(&[backend.addr()], &flags);
    let mut client = program.client();
    assert_eq!(passed(&mut client, "/", "X-Key: first\r\n", 9), 5);
    let others: usize = (0..500).map(|number| passed(&mut client, "/", &format!("X-Key: {number}\r\n"), 1)).sum();
    assert!((16..=32 + 5).contains(&others), "32 slots, and one share for the rest: {others}");
    assert_eq!(passed(&mut client, "/", "X-Key: first\r\n", 3), 0, "a key that is limited is not forgotten");
    program.signal(nix::sys::signal::Signal::SIGUSR1);
    program.wait_stdout(" without a slot");
    assert!(!program.stdout().contains(" 0 without a slot"), "{}", program.stdout());
}

fn a_million_keys_and_huge_headers_take_no_memory(ctx: &Context) {
    let backend = backend();
    let program = ctx.start(&[backend.addr()], &["--limit", "1/h by=header:X-Key"]);
    let mut client = program.client();
    // First the limiter's own memory is touched, and a connection's buffers grow to the largest head.
    passed(&mut client, "/", &format!("X-Key: {}\r\n", "k".repeat(31 << 10)), 2);
    for number in 0..100_000 {
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Key: {number}\r\n\r\n"));
        client.response("GET");
    }
    let before = program.rss_kib();
    for number in 100_000..1_000_000 {
        let padding = if number % 100 == 0 { 31 << 10 } else { 0 };
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Key: {number}{}\r\n\r\n", "k".repeat(padding)));
        client.response("GET");
    }
    let grown = program.rss_kib().saturating_sub(before);
    assert!(grown < 1024, "{grown} KiB more");
}
