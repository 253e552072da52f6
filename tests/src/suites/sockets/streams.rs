//! One client and its bytes: any number, any value, in both directions at once.

use std::io::{ErrorKind, Write as _};

use super::assert_echo;
use crate::Context;
use crate::case::cases;
use crate::client::Client;
use crate::rng::Rng;
use crate::wait::{TEST_TIMEOUT, eventually, ms, pause, until};

cases! { "sockets";
    Fast one_byte_comes_back,
    Fast messages_around_the_size_of_a_buffer_come_back,
    Fast a_megabyte_comes_back,
    Fast bytes_of_every_value_come_back,
    Fast pieces_come_back_without_waiting_for_a_line,
    Fast a_client_that_does_not_read_is_not_read_from_and_loses_nothing,
    Fast after_a_half_close_everything_comes_back_and_then_the_end,
    Fast a_half_close_without_a_byte_is_answered_with_the_end,
    Fast a_reset_ends_only_its_own_client,
    Fast a_client_that_leaves_with_its_echo_unread_ends_only_itself,
}

fn one_byte_comes_back(ctx: &Context) {
    let program = ctx.start(&[], &[]);
    assert_echo(&mut program.client(), b"x");
}

fn messages_around_the_size_of_a_buffer_come_back(ctx: &Context) {
    let program = ctx.start(&[], &[]);
    let mut client = program.client();
    for size in [4095, 4096, 4097, 16_383, 16_384, 16_385, 65_536] {
        assert_echo(&mut client, &Rng::new(size as u64).bytes(size));
    }
}

fn a_megabyte_comes_back(ctx: &Context) {
    for mode in [&[][..], &["--threads"]] {
        let program = ctx.start(&[], mode);
        assert_echo(&mut program.client(), &Rng::new(1).bytes(1 << 20));
    }
}

fn bytes_of_every_value_come_back(ctx: &Context) {
    let program = ctx.start(&[], &[]);
    let all: Vec<u8> = (0..=255).collect();
    assert_echo(&mut program.client(), &all);
    assert_echo(&mut Client::connect(program.addr()), &[0; 100]);
}

fn pieces_come_back_without_waiting_for_a_line(ctx: &Context) {
    let program = ctx.start(&[], &[]);
    let mut client = program.client();
    for piece in [&b"no"[..], b" line", b" end", b"\r\n\r\n", b"\n"] {
        assert_echo(&mut client, piece);
    }
}

fn a_client_that_does_not_read_is_not_read_from_and_loses_nothing(ctx: &Context) {
    let mut program = ctx.start(&[], &["--threads"]);
    let mut client = Client::connect_with_recv_buffer(program.addr(), 4096);
    let block = Rng::new(2).bytes(65_536);
    let (mut stream, mut sent) = (client.stream(), Vec::new());
    stream.set_nonblocking(true).unwrap();
    // The kernel's buffers fill in both directions; then the server reads nothing more until we read.
    let mut send_more = || match stream.write(&block) {
        Ok(taken) => {
            sent.extend_from_slice(&block[..taken]);
            true
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("send: {error}"),
    };
    let full = eventually(TEST_TIMEOUT, || {
        while send_more() {}
        pause(ms(200));
        (!send_more()).then_some(())
    });
    assert!(full.is_some(), "the server keeps reading although its echo is not read");
    assert!(program.peak_rss_kib() < 64 * 1024, "the echo is buffered in memory: {} KiB", program.peak_rss_kib());
    assert_echo(&mut program.client(), b"another client is served meanwhile");
    stream.set_nonblocking(false).unwrap();
    client.half_close();
    // A slow reader at first, then as fast as possible.
    let mut echoed = Vec::new();
    for _ in 0..20 {
        echoed.extend(client.read_exact(1000));
        pause(ms(5));
    }
    echoed.extend(client.read_until_closed(TEST_TIMEOUT).expect("the end"));
    assert!(echoed == sent, "{} of {} bytes, or other ones", echoed.len(), sent.len());
    program.assert_running();
}

fn after_a_half_close_everything_comes_back_and_then_the_end(ctx: &Context) {
    let program = ctx.start(&[], &[]);
    let mut client = program.client();
    let said = Rng::new(3).bytes(100_000);
    client.send(&said);
    client.half_close();
    assert!(client.read_exact(said.len()) == said);
    client.expect_closed();
}

fn a_half_close_without_a_byte_is_answered_with_the_end(ctx: &Context) {
    let program = ctx.start(&[], &[]);
    let mut client = program.client();
    client.half_close();
    client.expect_closed();
}

fn a_reset_ends_only_its_own_client(ctx: &Context) {
    let mut program = ctx.start(&[], &["--threads"]);
    let mut witness = program.client();
    assert_echo(&mut witness, b"before");
    for _ in 0..20 {
        let mut served = program.client();
        assert_echo(&mut served, b"served");
        served.reset();
        // This client may be gone before it is accepted.
        let mut hasty = program.client();
        hasty.send(b"and gone");
        hasty.reset();
    }
    assert_echo(&mut witness, b"after");
    until("the resets are logged", || program.stderr().matches("connection failed: ECONNRESET").count() >= 20);
    program.assert_running();

    let mut iterative = ctx.start(&[], &[]);
    iterative.client().reset();
    assert_echo(&mut iterative.client(), b"the next one");
    iterative.assert_running();
}

fn a_client_that_leaves_with_its_echo_unread_ends_only_itself(ctx: &Context) {
    // The client's kernel answers our echo with a RST, and the next send is EPIPE: a C program would die of SIGPIPE.
    let mut program = ctx.start(&[], &[]);
    for _ in 0..20 {
        let mut client = program.client();
        client.send(Rng::new(4).bytes(200_000));
        drop(client);
    }
    assert_echo(&mut program.client(), b"still there");
    program.assert_running();
}
