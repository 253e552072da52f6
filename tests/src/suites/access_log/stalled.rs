//! A log that cannot be written: requests go on, and what is dropped is counted.

use nix::sys::signal::Signal;

use crate::Context;
use crate::admin_client::AdminClient;
use crate::backend::Backend;
use crate::case::cases;
use crate::process::{Options, Program};
use crate::wait::{TEST_TIMEOUT, until};

cases! { "access_log";
    Fast a_reader_that_stalls_costs_lines_and_no_request,
    Fast a_full_disk_costs_lines_and_no_request,
    Fast a_closed_standard_output_costs_lines_and_no_request,
}

fn backend() -> Backend {
    Backend::keeping_alive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
}

/// Sends requests until it is said that lines are dropped. Each line is as long as it can be.
fn send_until_dropped(program: &Program) {
    let target = format!("/{}?{}", "p".repeat(2_000), "q".repeat(2_000));
    let agent = format!("User-Agent: {}\r\n", "a".repeat(2_000));
    let mut client = program.client();
    for _ in 0..20_000 {
        client.request("GET", &target, &agent);
        assert_eq!(client.response("GET").status(), 200);
        if program.stderr().contains("lines dropped") {
            return;
        }
    }
    panic!("no line is dropped: {}", program.stderr());
}

fn a_reader_that_stalls_costs_lines_and_no_request(ctx: &Context) {
    let (backend, options) = (backend(), Options { unread_stdout: true, ..Options::default() });
    let name = backend.addr().to_string();
    let mut program = ctx.start_with(&[&name], &["--access-log", "-", "--workers", "1"], options);
    send_until_dropped(&program);
    assert_eq!(program.client().get("/").status(), 200);
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0, "it does not wait for its reader");
    assert!(program.stderr().contains("takes no more lines"), "{}", program.stderr());
}

fn a_full_disk_costs_lines_and_no_request(ctx: &Context) {
    let backend = backend();
    let flags = ["--access-log", "/dev/full", "--workers", "1", "--admin", "127.0.0.1:0"];
    let mut program = ctx.start(&[backend.addr()], &flags);
    send_until_dropped(&program);
    let said = program.stderr().matches("No space left on device").count();
    assert_eq!(said, 1, "once: {}", program.stderr());
    let admin = AdminClient::of(&program);
    let text = admin.send("GET", "/metrics", &format!("Host: {}\r\n", admin.addr()), "").text();
    let dropped = text.lines().find_map(|line| line.strip_prefix("lb_access_log_dropped_total "));
    assert!(dropped.unwrap().parse::<u64>().unwrap() >= 1);
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn a_closed_standard_output_costs_lines_and_no_request(ctx: &Context) {
    let (backend, options) = (backend(), Options { close_stdout: true, ..Options::default() });
    let name = backend.addr().to_string();
    let mut program = ctx.start_with(&[&name], &["--access-log", "-"], options);
    (0..100).for_each(|_| assert_eq!(program.client().get("/").status(), 200));
    until("it is said", || program.stderr().contains("Broken pipe"));
    program.assert_running();
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}
