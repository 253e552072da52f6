//! The program from the outside: command line, exit codes, output, and its bundled backends.

use std::net::TcpListener;

use nix::sys::signal::Signal;

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::process::{ExitedProgram, Options};
use crate::suites::support::logged;
use crate::wait::TEST_TIMEOUT;

cases! { "proxy";
    Fast help_names_every_flag_and_version_a_number,
    Fast a_refused_command_line_is_one_line_and_64,
    Fast a_port_in_use_is_one_line_and_1,
    Fast a_name_that_does_not_resolve_is_one_line_and_1,
    Fast without_backends_it_starts_bundled_ones,
    Fast a_second_instance_bundles_backends_on_other_ports,
    Fast a_closed_standard_output_does_not_kill_it,
    Fast sigint_and_sigterm_print_the_table_and_exit_0,
    Fast requests_are_logged_only_with_the_flag,
    Fast the_first_byte_is_logged_if_the_backend_has_responded,
    Fast it_listens_on_the_given_address,
}

const FLAGS: &[&str] = &[
    "--bind",
    "--max-clients",
    "--connect-timeout",
    "--head-timeout",
    "--first-byte-timeout",
    "--body-timeout",
    "--idle-timeout",
    "--stream-timeout",
    "--tunnel-timeout",
    "--drain-timeout",
    "--trusted-proxy",
    "--log-requests",
    "--version",
    "--help",
];

fn assert_refused(finished: &ExitedProgram, code: i32, what: &str) {
    assert_eq!(finished.code, code, "{what}: {finished:?}");
    let lines: Vec<_> = finished.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{what}: one line on stderr: {finished:?}");
    assert!(!lines[0].trim().is_empty() && !lines[0].contains("panicked"), "{what}: {finished:?}");
    assert!(!finished.stdout.contains("listening"), "{what}: {finished:?}");
}

fn help_names_every_flag_and_version_a_number(ctx: &Context) {
    let help = ctx.run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{help:?}");
    for flag in FLAGS {
        assert!(help.stdout.contains(flag), "--help does not list {flag}:\n{}", help.stdout);
    }
    let version = ctx.run(&["--version"]);
    assert_eq!((version.code, version.stderr.as_str()), (0, ""), "{version:?}");
    assert!(version.stdout.contains(|c: char| c.is_ascii_digit()), "{version:?}");
}

fn a_refused_command_line_is_one_line_and_64(ctx: &Context) {
    let lines: &[&[&str]] = &[
        &["70000"],
        &["-1"],
        &["http"],
        &["0", "--no-such-flag"],
        &["0", "--head-timeout"],
        &["0", "--head-timeout", "soon"],
        &["0", "--head-timeout", "3 parsecs"],
        &["0", "--head-timeout", "-3s"],
        &["0", "--max-clients", "many"],
        &["0", "--bind", "nowhere"],
        &["0", "--trusted-proxy", "10.0.0.0/33"],
        &["0", "--trusted-proxy", "ten"],
    ];
    for line in lines {
        assert_refused(&ctx.run(line), 64, &format!("{line:?}"));
    }
    assert_refused(&ctx.run_named("0", &["127.0.0.1:70000"], &[]), 64, "backend port 70000");
}

fn a_port_in_use_is_one_line_and_1(ctx: &Context) {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert_refused(&ctx.run_named(&port, &["127.0.0.1:9"], &[]), 1, "port in use");
    // The same for another program of ours: SO_REUSEPORT must not share the port silently.
    let program = ctx.start_named(&["127.0.0.1:9"], &[]);
    let port = program.addr().port().to_string();
    assert_refused(&ctx.run_named(&port, &["127.0.0.1:9"], &[]), 1, "our own port in use");
}

fn a_name_that_does_not_resolve_is_one_line_and_1(ctx: &Context) {
    let finished = ctx.run_named("0", &["no-such-host.invalid:80"], &[]);
    assert_refused(&finished, 1, "an unknown name");
    assert!(finished.stderr.contains("no-such-host.invalid"), "{finished:?}");
}

fn without_backends_it_starts_bundled_ones(ctx: &Context) {
    let program = ctx.start_bundled(&[]);
    program.wait_stdout("curl");
    let mut client = program.client();
    for _ in 0..4 {
        let response = client.get("/");
        assert_eq!(response.status(), 200);
        for key in ["server_id", "port", "request_number", "timestamp", "message"] {
            assert!(response.text().contains(key), "{}", response.text());
        }
        assert!(response.fields().has("x-server-id"));
    }
    assert_eq!(client.get("/health").status(), 200);
    assert_eq!(client.get("/status/418").status(), 418);
    let response = client.get("/chunked/70000");
    assert_eq!((response.status(), response.body.len()), (200, 70_000));
    assert!(client.get("/headers").text().to_lowercase().contains("x-forwarded-for"));
}

fn a_second_instance_bundles_backends_on_other_ports(ctx: &Context) {
    let programs = [ctx.start_bundled(&[]), ctx.start_bundled(&[])];
    for program in &programs {
        let response = program.client().get("/");
        assert_eq!(response.status(), 200, "{}", program.stdout());
    }
}

fn a_closed_standard_output_does_not_kill_it(ctx: &Context) {
    let backend = Backend::ok("ok");
    let name = backend.addr().to_string();
    let options = Options { close_stdout: true, ..Options::default() };
    let mut program = ctx.start_with(&[&name], &["--log-requests"], options);
    assert_eq!(program.client().get("/").status(), 200);
    program.signal(Signal::SIGUSR1);
    assert_eq!(program.client().get("/").status(), 200);
    program.assert_running();
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn sigint_and_sigterm_print_the_table_and_exit_0(ctx: &Context) {
    let backend = Backend::ok("ok");
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut program = ctx.start(&[backend.addr()], &[]);
        assert_eq!(program.client().get("/").status(), 200);
        let before = program.stdout().len();
        program.signal(signal);
        assert_eq!(program.exit_code(TEST_TIMEOUT), 0, "{signal}");
        crate::wait::until("the table is printed", || program.stdout().len() > before + 10);
    }
}

fn requests_are_logged_only_with_the_flag(ctx: &Context) {
    let backend = Backend::ok("ok");
    for (flags, is_logged) in [(&[][..], false), (&["--log-requests"][..], true)] {
        let program = ctx.start(&[backend.addr()], flags);
        let before = program.stderr().len();
        let mut client = program.client();
        for _ in 0..3 {
            assert_eq!(client.get("/").status(), 200);
        }
        if is_logged {
            crate::wait::until("a line for each request", || logged(&program, "GET", 200) == 3);
        } else {
            assert_eq!((program.stderr().len(), logged(&program, "GET", 200)), (before, 0), "{}", program.stderr());
        }
    }
}

fn the_first_byte_is_logged_if_the_backend_has_responded(ctx: &Context) {
    for (raw, status, has_first_byte) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, true),
        // It breaks off in the read that brings its head.
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size", 200, true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 200, true),
        ("HTTP/1.1 200", 502, false),
        ("", 502, false),
    ] {
        let backend = Backend::answering(raw);
        let program = ctx.start(&[backend.addr()], &["--log-requests"]);
        let mut client = program.client();
        client.request("GET", "/", "");
        let _ = client.try_response("GET");
        crate::wait::until("a line for the request", || logged(&program, "GET", status) == 1);
        let output = program.stderr() + &program.stdout();
        let has_none = output.contains("first_byte=- ") || output.contains("\"first_byte_ms\":null");
        assert_eq!(!has_none, has_first_byte, "{raw:?}: {output}");
    }
}

fn it_listens_on_the_given_address(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    assert!(program.addr().ip().is_loopback(), "{}", program.addr());
    if TcpListener::bind(("::1", 0)).is_err() {
        println!("skipped: no IPv6 on this machine");
        return;
    }
    let v6 = Backend::start_at("[::1]:0".parse().unwrap(), |conn| {
        if conn.request().is_ok() {
            conn.write(crate::backend::ok_response("six"));
        }
    });
    let program = ctx.start(&[v6.addr()], &["--bind", "::1"]);
    assert!(program.addr().is_ipv6(), "{}", program.addr());
    assert_eq!(program.client().get("/").text(), "six");
    assert_eq!(v6.last_request().0.fields.get("x-forwarded-for"), Some("::1"));
}
