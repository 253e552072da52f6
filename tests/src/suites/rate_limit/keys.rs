//! What has a share of its own: nobody gets a second one by another spelling, and nobody takes another's.

use super::{backend, passed};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::process::Program;
use crate::suites::support::run_in_parallel;

cases! { "rate_limit";
    Fast each_address_has_its_share_and_an_ipv6_network_has_one,
    Fast an_untrusted_client_cannot_choose_its_address,
    Fast a_header_or_cookie_has_its_share_and_without_one_the_address,
    Fast a_header_cannot_pass_for_an_address,
    Fast a_route_has_its_share,
    Fast another_spelling_of_a_path_has_the_same_limit,
    Fast workers_share_a_limit_exactly,
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

/// 65.66.67.68 are the bytes of "ABCD".
fn a_header_cannot_pass_for_an_address(ctx: &Context) {
    let backend = backend();
    let program = start(ctx, &backend, &["--limit", "2/h,burst=2 by=header:X-Key"]);
    assert_eq!(passed(&mut program.client(), "/", "X-Key: ABCD\r\n", 5), 2);
    assert_eq!(passed_of(&program, "65.66.67.68", 5), 2);
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
        let counted = std::sync::atomic::AtomicUsize::new(0);
        run_in_parallel(8, |_| {
            let passed = passed(&mut program.client(), "/", "", 60);
            counted.fetch_add(passed, std::sync::atomic::Ordering::SeqCst);
        });
        assert_eq!(counted.into_inner(), 300, "{algorithm}");
    }
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
    program.wait_stdout("limit key: ");
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
