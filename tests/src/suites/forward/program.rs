//! The program from the outside: its command line, its output, and its test backend.

use std::net::TcpListener;

use backends::TcpEcho;
use nix::sys::signal::Signal;

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::wait::{TEST_TIMEOUT, until};

use super::{ask, run, start, tunnel};

cases! { "forward";
    Fast without_arguments_it_starts_a_test_backend,
    Fast a_refused_command_line_is_one_line_and_64,
    Fast a_port_in_use_is_one_line_and_1,
    Fast the_table_counts_requests_and_tunnels_separately,
    Fast the_log_names_destinations,
}

fn without_arguments_it_starts_a_test_backend(ctx: &Context) {
    let program = start(ctx, &[]);
    let said = program.wait_stdout("through CONNECT: curl -p -x ");
    let line = said.lines().find(|line| line.starts_with("try this:")).expect("a line that begins with `try this:`");
    let url = line.split_whitespace().last().unwrap();
    assert!(line.contains(&format!("curl -x http://{}", program.addr())), "{line}");
    let response = ask(&mut program.client(), "GET", url, "");
    assert_eq!(response.status(), 200);
    assert!(response.text().contains("forward_proxy-"), "its Via header reaches the backend: {}", response.text());
}

fn a_refused_command_line_is_one_line_and_64(ctx: &Context) {
    for flags in [
        &["--auth", "nocolon"][..],
        &["--auth", ":nobody"],
        &["--allow", "10.0.0.0/33"],
        &["--allow", "http://a/"],
        &["--allow", "example.com:80"],
        &["--allow"],
        &["--trusted-proxy", "10.0.0.0/8"],
        &["--bind", "::"],
        &["more", "words"],
    ] {
        let finished = run(ctx, "0", flags);
        assert_eq!((finished.code, finished.stderr.lines().count()), (64, 1), "{flags:?}: {finished:?}");
        assert!(!finished.stdout.contains("listening"), "{flags:?}: {finished:?}");
    }
}

fn a_port_in_use_is_one_line_and_1(ctx: &Context) {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let finished = run(ctx, &taken.local_addr().unwrap().port().to_string(), &[]);
    assert_eq!((finished.code, finished.stderr.lines().count()), (1, 1), "{finished:?}");
}

fn the_table_counts_requests_and_tunnels_separately(ctx: &Context) {
    let (echo, backend, mut program) = (TcpEcho::start().unwrap(), Backend::ok("ok"), start(ctx, &[]));
    let url = format!("http://{}/", backend.addr());
    for _ in 0..3 {
        assert_eq!(ask(&mut program.client(), "GET", &url, "").status(), 200);
    }
    let open = tunnel(&program, echo.addr());
    program.signal(Signal::SIGUSR1);
    let row = |name: &str, text: &str| -> Vec<String> {
        let line = text.lines().rev().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().skip(2).map(str::to_owned).collect()
    };
    until("a table with an open tunnel", || row("CONNECT", &program.stdout()) == ["1", "1", "0"]);
    assert_eq!(row("http", &program.stdout()), ["0", "3", "0"], "{}", program.stdout());
    drop(open);
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
    until("the table at the end", || row("CONNECT", &program.stdout()) == ["0", "1", "0"]);
}

fn the_log_names_destinations(ctx: &Context) {
    let (backend, program) = (Backend::ok("ok"), start(ctx, &["--log-requests"]));
    let at = backend.addr().to_string();
    assert_eq!(ask(&mut program.client(), "GET", &format!("http://{at}/"), "").status(), 200);
    until("a line with the destination", || {
        program.stderr().lines().any(|line| line.contains(&at) && line.contains("GET 200"))
    });
}
