//! `lb_top`: what it prints is what the balancer has counted, and a terminal is as it was before.

use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::Signal;

use super::admin;
use crate::Context;
use crate::admin_client::AdminClient;
use crate::backend::{Backend, Conn};
use crate::case::cases;
use crate::process::{ExitedProgram, Program};
use crate::suites::support::reserved_port;
use crate::terminal::ProgramOnTerminal;
use crate::wait::until;

cases! { "metrics" from 8;
    Fast the_terminal_view_prints_each_backend_with_its_counts,
    Fast the_terminal_view_tells_bad_usage_from_no_answer,
    Fast the_terminal_view_drains_a_backend_only_when_told_twice,
    Fast the_terminal_view_restores_the_terminal_when_a_signal_ends_it,
    Fast the_terminal_view_outlives_its_balancer,
}

const ADMIN: [&str; 2] = ["--admin", "127.0.0.1:0"];

fn url(admin: AdminClient) -> String {
    format!("http://{}", admin.addr())
}

fn run(ctx: &Context, args: &[&str]) -> ExitedProgram {
    Program::run_to_end(ctx.other_program("lb_top"), args)
}

/// The cell of the row that has `name`, in the column with this title.
fn cell<'a>(table: &'a str, name: &str, title: &str) -> &'a str {
    let line = |word: &str| table.lines().find(|line| line.split_whitespace().any(|cell| cell == word));
    let titles = line("BACKEND").unwrap_or_else(|| panic!("no titles: {table}"));
    let row = line(name).unwrap_or_else(|| panic!("no row of {name}: {table}"));
    let at = titles.split_whitespace().position(|cell| cell == title).unwrap_or_else(|| panic!("no {title}: {table}"));
    row.split_whitespace().nth(at).unwrap_or_else(|| panic!("no {title} of {name}: {table}"))
}

fn the_terminal_view_prints_each_backend_with_its_counts(ctx: &Context) {
    let backends = [Backend::ok("a"), Backend::ok("b")];
    let program = ctx.start(&[backends[0].addr(), backends[1].addr()], &ADMIN);
    let admin = admin(&program);
    for _ in 0..6 {
        assert_eq!(program.client().get("/").status(), 200);
    }
    until("the requests are counted", || admin.request_ok("GET", "/stats", "")["requests"] == 6);
    admin.backend_action(backends[1].addr(), "drain");
    // Its standard output is a pipe, so `--once` changes nothing.
    for args in [&[url(admin).as_str()][..], &["--once", &url(admin)], &[&admin.addr().to_string()]] {
        let ExitedProgram { code, stdout, stderr } = run(ctx, args);
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        for (backend, state) in backends.iter().zip(["UP", "DRAIN"]) {
            let name = backend.addr().to_string();
            let row = ["GROUP", "STATE", "REQS", "ERRS", "SHARE"].map(|title| cell(&stdout, &name, title));
            assert_eq!(row, ["default", state, "3", "0", "50.0%"], "{stdout}");
        }
        assert!(stdout.contains("requests 6 ") && !stdout.contains('\u{1b}'), "{stdout}");
    }
}

fn the_terminal_view_tells_bad_usage_from_no_answer(ctx: &Context) {
    let closed = reserved_port().addr.to_string();
    let other = Backend::ok("not JSON");
    let (closed, other) = (format!("http://{closed}"), format!("http://{}", other.addr()));
    for (args, code, reason) in [
        (&["--twice"][..], 64, "unexpected argument"),
        (&["https://127.0.0.1:9900"], 64, "https"),
        (&["http://127.0.0.1:9900/\u{1b}[2J"], 64, "expected the URL"),
        (&["--once", &closed], 1, "no answer from"),
        (&[&other], 1, "not a document of live metrics"),
    ] {
        let ended = run(ctx, args);
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("lb_top: ") && ended.stderr.contains(reason), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}

fn the_terminal_view_drains_a_backend_only_when_told_twice(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = ctx.start(&[backend.addr()], &ADMIN);
    let admin = admin(&program);
    let lb_top = ctx.other_program("lb_top");
    let Some(mut top) = ProgramOnTerminal::start(lb_top, &[&url(admin)]) else { return };
    let state = || admin.request_ok("GET", "/live.json", "")["backends"][0]["state"].clone();
    top.wait_for(&backend.addr().to_string());
    top.type_keys("jd");
    top.wait_for("? (y/n)");
    top.type_keys("n");
    top.wait_for("not done: drain");
    assert_eq!(state(), "UP");
    top.type_keys("dy");
    until("it is drained", || state() == "DRAIN");
    top.wait_for("done: drain");
    top.type_keys("ey");
    until("it is enabled", || state() == "UP");
    top.type_keys("q");
    assert_eq!(top.end().0, 0);
}

fn the_terminal_view_restores_the_terminal_when_a_signal_ends_it(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = ctx.start(&[backend.addr()], &ADMIN);
    let url = url(admin(&program));
    for end in [Some(Signal::SIGTERM), Some(Signal::SIGINT), None] {
        let Some(mut top) = ProgramOnTerminal::start(ctx.other_program("lb_top"), &[&url]) else { return };
        top.wait_for(&backend.addr().to_string());
        match end {
            Some(signal) => top.signal(signal),
            None => top.type_keys("\u{3}"),
        }
        assert_eq!(top.end().0, 0, "{end:?}");
    }
}

/// Answers with a document whose requests grow.
fn answer(conn: &mut Conn, requests: &AtomicU64) {
    if conn.request().is_ok() {
        let second = requests.fetch_add(1, Ordering::Relaxed) + 1;
        let body = format!(
            r#"{{"uptime_ms": {second}000, "program": {{"name": "scripted"}}, "totals": {{"requests": {second}}}}}"#
        );
        conn.write(crate::backend::ok_response(&body));
    }
    conn.close();
}

fn the_terminal_view_outlives_its_balancer(ctx: &Context) {
    let start = |port| {
        Backend::start_on(port, {
            let requests = AtomicU64::new(0);
            move |conn| answer(conn, &requests)
        })
    };
    let balancer = start(reserved_port());
    let url = format!("http://{}", balancer.addr());
    let Some(mut top) = ProgramOnTerminal::start(ctx.other_program("lb_top"), &[&url]) else { return };
    top.wait_for("scripted");
    top.wait_for("last 1.0 s");
    let port = balancer.stop();
    let shown = top.wait_for(&format!("no answer from {url} since "));
    let _again = start(port);
    // The first reading of another run: no rate is negative, and none is that of the old one.
    let before = shown.matches("since start").count();
    until("it is read again", || top.wait_for("since start").matches("since start").count() > before);
    top.type_keys("q");
    let (code, after) = top.end();
    assert!(code == 0 && !after.contains("panicked"), "{after:?}");
}
