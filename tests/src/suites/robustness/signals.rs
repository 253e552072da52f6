//! SIGUSR1 prints the table while clients are idle, busy and stalled, and nothing blocks.

use nix::sys::signal::Signal;

use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::client::Client;
use crate::process::Options;
use crate::rng::block;
use crate::wait::{TEST_TIMEOUT, eventually, ms, pause, until};

cases! { "robustness";
    Fast sigusr1_prints_the_table_and_blocks_no_client,
    Fast sigpipe_and_a_burst_of_sigusr1_do_not_end_it,
    Fast a_blocked_stdout_stops_neither_service_nor_drain,
}

fn sigusr1_prints_the_table_and_blocks_no_client(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(request) = conn.request() else { return };
        match request.head.target.as_str() {
            "/big" => {
                let block = block();
                conn.write("HTTP/1.1 200 OK\r\nContent-Length: 6553600\r\n\r\n");
                (0..100).all(|_| conn.write(&block));
            }
            "/slow" => {
                pause(ms(1000));
                conn.write(ok_response("slow"));
            }
            _ => _ = conn.write(ok_response("quick")),
        }
    });
    let mut program = ctx.start(&[backend.addr()], &[]);
    let mut idle = program.client();
    assert_eq!(idle.get("/").text(), "quick");
    let fresh = program.client();
    let mut stalled = Client::connect_with_recv_buffer(program.addr(), 32 * 1024);
    stalled.request("GET", "/big", "");
    let mut waiting = program.client();
    waiting.request("GET", "/slow", "");
    for _ in 0..5 {
        let before = program.stdout().len();
        program.signal(Signal::SIGUSR1);
        let printed = eventually(TEST_TIMEOUT, || (program.stdout().len() > before + 10).then_some(()));
        assert!(printed.is_some(), "no table: {:?}", program.stdout());
        assert_eq!(program.client().get("/").text(), "quick");
        assert_eq!(idle.get("/").text(), "quick");
    }
    assert_eq!(waiting.response("GET").text(), "slow");
    assert_eq!(stalled.response("GET").body.len(), 6_553_600);
    drop(fresh);
    program.assert_running();
}

/// `load_balancer | less`: the pipe is full, and the table waits for a key that is never pressed.
fn a_blocked_stdout_stops_neither_service_nor_drain(ctx: &Context) {
    let backend = Backend::ok("ok");
    let unread = Options { unread_stdout: true, ..Options::default() };
    let name = backend.addr().to_string();
    let mut program = ctx.start_with(&[&name], &[], unread);
    for _ in 0..1500 {
        program.signal(Signal::SIGUSR1);
        pause(std::time::Duration::from_micros(200));
    }
    assert_eq!(program.client().get("/").text(), "ok");
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn sigpipe_and_a_burst_of_sigusr1_do_not_end_it(ctx: &Context) {
    let backend = Backend::ok("ok");
    let mut program = ctx.start(&[backend.addr()], &[]);
    program.signal(Signal::SIGPIPE);
    assert_eq!(program.client().get("/").status(), 200);
    // A burst: signal handlers that allocate or lock would deadlock sooner or later.
    for _ in 0..200 {
        program.signal(Signal::SIGUSR1);
    }
    until("it still serves", || program.client().get("/").status() == 200);
    program.assert_running();
}
