//! How the server ends: signals, with clients in every state, and readers of its output that go away.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::{assert_echo, words};
use crate::Context;
use crate::case::cases;
use crate::client::Client;
use crate::process::Options;
use crate::rng::Rng;
use crate::wait::{TEST_TIMEOUT, eventually};

cases! { "sockets";
    Fast sigint_and_sigterm_close_idle_clients_and_exit_0,
    Fast a_client_that_does_not_read_does_not_hold_up_the_end,
    Fast sigusr1_and_sigpipe_end_nothing,
    Fast the_server_outlives_the_reader_of_its_output,
    Fast the_client_ends_quietly_with_the_reader_of_its_output,
}

fn sigint_and_sigterm_close_idle_clients_and_exit_0(ctx: &Context) {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        for mode in [&[][..], &["--threads"]] {
            let mut program = ctx.start(&[], mode);
            let mut served = program.client();
            assert_echo(&mut served, b"served");
            let _waiting = program.client();
            program.signal(signal);
            served.expect_closed();
            assert_eq!(program.exit_code(TEST_TIMEOUT), 0, "{signal} {mode:?}");
            assert!(!program.stderr().contains("panicked"));
        }
    }
}

fn a_client_that_does_not_read_does_not_hold_up_the_end(ctx: &Context) {
    for mode in [&[][..], &["--threads"]] {
        let mut program = ctx.start(&[], mode);
        let client = Client::connect_with_recv_buffer(program.addr(), 4096);
        let mut stream = client.stream();
        stream.set_write_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
        let block = Rng::new(5).bytes(65_536);
        while stream.write_all(&block).is_ok() {}
        program.signal(Signal::SIGTERM);
        assert_eq!(program.exit_code(TEST_TIMEOUT), 0, "{mode:?}");
    }
}

fn sigusr1_and_sigpipe_end_nothing(ctx: &Context) {
    let mut program = ctx.start(&[], &[]);
    let mut client = program.client();
    for signal in [Signal::SIGUSR1, Signal::SIGPIPE, Signal::SIGUSR1] {
        program.signal(signal);
        assert_echo(&mut client, b"still here");
    }
    program.assert_running();
}

fn the_server_outlives_the_reader_of_its_output(ctx: &Context) {
    for flags in [&["--threads"][..], &[]] {
        let mut program = ctx.start_with(&[], flags, Options { close_stdout: true, ..Options::default() });
        assert_echo(&mut program.client(), b"| head -1");
        program.signal(Signal::SIGTERM);
        assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
        assert!(!program.stderr().contains("panicked"), "{}", program.stderr());
    }
}

fn the_client_ends_quietly_with_the_reader_of_its_output(ctx: &Context) {
    let mut program = ctx.start(&[], &[]);
    let mut child = Command::new(ctx.other_program("echo_client"))
        .args(words(program.addr()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (pid, children) = (i32::try_from(child.id()).unwrap(), ctx.children());
    children.add(pid);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"first\n").unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n");
    drop(stdout); // as `| head -1` does
    let ended = eventually(TEST_TIMEOUT, || {
        let _ = stdin.write_all(b"more\n");
        child.try_wait().unwrap()
    });
    children.remove(pid);
    let mut complaints = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    assert_eq!(ended.and_then(|status| status.code()), Some(0), "{complaints}");
    assert_eq!(complaints, "");
    assert_echo(&mut program.client(), b"the server does not mind");
    program.assert_running();
}
