//! What a check sends, and which responses count as success.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{respond_with, state, until_state};
use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::wait::{ms, pause, until};

cases! { "health";
    Fast an_http_check_matches_status_and_body,
    Fast a_check_that_times_out_fails,
    Fast a_check_can_have_its_own_port,
    Fast a_check_sends_the_configured_host,
    Fast a_tcp_check_detects_failure_and_recovery,
    Fast an_invalid_check_is_one_line_and_64,
}

fn an_http_check_matches_status_and_body(ctx: &Context) {
    let ok = |body: &str| ok_response(body);
    let status = |line: &str| format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").into_bytes();
    for (options, answer, is_healthy) in [
        ("", ok("fine"), true),
        ("", status("302 Found"), true),
        ("", status("404 Not Found"), false),
        ("", status("500 Internal Server Error"), false),
        ("", b"no HTTP at all\r\n\r\n".to_vec(), false),
        ("", Vec::new(), false),
        (",expect=200-299", status("302 Found"), false),
        (",expect=204|503", status("503 Service Unavailable"), true),
        (",expect=204|503", ok("fine"), false),
        (",body=all fine", ok("{we are all fine}"), true),
        (",body=all fine", ok("all is lost"), false),
        (",expect=200,body=fine", status("204 No Content"), false),
    ] {
        let case = format!("{options:?} and {}", answer.escape_ascii());
        let checks = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&checks);
        let subject = Backend::start(move |conn| {
            respond_with(conn, |request| {
                assert_eq!((request.head.method.as_str(), request.head.target.as_str()), ("GET", "/healthy?deep=1"));
                counted.fetch_add(1, Ordering::SeqCst);
                answer.clone()
            });
        });
        let check = format!("http:/healthy?deep=1,interval=40ms,fall=1,rise=1{options}");
        let program = ctx.start(&[subject.addr()], &["--check", &check]);
        until(&case, || checks.load(Ordering::SeqCst) >= 3);
        let expected = if is_healthy { "UP" } else { "DOWN" };
        assert_eq!(state(&program, subject.addr()), expected, "{case}");
    }
}

fn a_check_that_times_out_fails(ctx: &Context) {
    let hanging = Backend::start(|conn| {
        if conn.request().is_ok() {
            conn.write("HTTP/1.1 200");
            conn.read_until_closed();
        }
    });
    let flags = ["--check", "http:/health,interval=50ms,timeout=150ms"];
    let program = ctx.start(&[hanging.addr()], &flags);
    until_state(&program, hanging.addr(), "DOWN");
    hanging.wait_for("the connection of a check that timed out is closed", |seen| seen.iter().any(|seen| seen.ended));
}

fn a_check_can_have_its_own_port(ctx: &Context) {
    let serving = Backend::ok("served");
    let counted = Backend::answering(super::failure());
    let flag = format!("http:/health,interval=50ms,port={}", counted.addr().port());
    let program = ctx.start(&[serving.addr()], &["--check", &flag]);
    until_state(&program, serving.addr(), "DOWN");
    assert_eq!(serving.connections(), 0, "only the other port is checked");
}

fn a_check_sends_the_configured_host(ctx: &Context) {
    for (option, host) in [("", None), (",host=a.example:80", Some("a.example:80"))] {
        let backend = Backend::ok("fine");
        let addr = backend.addr().to_string();
        let _program = ctx.start(&[backend.addr()], &["--check", &format!("http:/h,interval=50ms{option}")]);
        backend.wait_for("a check", |seen| seen.iter().any(|seen| seen.bytes.ends_with(b"\r\n\r\n")));
        let (head, _) = backend.recordings()[0].request();
        assert_eq!(head.fields.get("host"), Some(host.unwrap_or(&addr)));
    }
}

fn a_tcp_check_detects_failure_and_recovery(ctx: &Context) {
    let (a, b) = (Backend::ok("a"), Backend::ok("b"));
    let addr = a.addr();
    let program = ctx.start(&[addr, b.addr()], &["--check", "tcp,interval=50ms"]);
    b.wait_for("checks", |seen| seen.len() >= 3);
    assert_eq!(state(&program, addr), "UP");
    let port = a.stop();
    // Meanwhile no client sends a request.
    until_state(&program, addr, "DOWN");
    let mut client = program.client();
    assert!((0..6).all(|_| client.get("/").text() == "b"));
    let _back = Backend::start_on(port, |conn| respond_with(conn, |_| ok_response("a")));
    until_state(&program, addr, "UP");
    let answers: Vec<_> = (0..6).map(|_| client.get("/").text()).collect();
    assert_eq!(answers.iter().filter(|answer| *answer == "a").count(), 3, "{answers:?}");
}

fn an_invalid_check_is_one_line_and_64(ctx: &Context) {
    for check in [
        "",
        "ping",
        "http",
        "http:health",
        "tcp,fall=0",
        "tcp,body=x",
        "tcp,interval=2",
        "http:/,expect=99",
        "tcp,fall=1,fall=1",
    ] {
        let finished = ctx.run(&["0", "127.0.0.1:9001", "--check", check]);
        assert_eq!(finished.code, 64, "{check:?}: {finished:?}");
        assert_eq!(finished.stderr.trim_end().lines().count(), 1, "{check:?}: {finished:?}");
    }
    // `off` means that no backend is checked.
    let backend = Backend::ok("unasked");
    let _program = ctx.start(&[backend.addr()], &["--check", "off"]);
    pause(ms(300));
    assert_eq!(backend.connections(), 0);
}
