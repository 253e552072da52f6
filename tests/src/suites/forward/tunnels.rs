//! CONNECT: after the 200 every byte is forwarded as it is, in both directions.

use std::io::Write;
use std::thread;

use backends::TcpEcho;

use crate::Context;
use crate::backend::{Backend, Conn};
use crate::case::cases;
use crate::rng::Rng;
use crate::wait::{TEST_TIMEOUT, ms};

use super::{ask, connect, start, tunnel};

cases! { "forward";
    Fast a_tunnel_echoes_every_byte,
    Fast a_tunnel_carries_megabytes_both_ways_at_once,
    Fast bytes_sent_with_the_connect_are_delivered_first,
    Fast a_server_may_send_first,
    Fast a_tunnel_can_follow_requests_on_a_connection,
    Fast an_idle_tunnel_delays_no_other_client,
    Fast a_tunnel_frees_what_it_has_forwarded,
}

fn a_tunnel_echoes_every_byte(ctx: &Context) {
    let (echo, program) = (TcpEcho::start().unwrap(), start(ctx, &[]));
    for authority in [echo.addr().to_string(), format!("localhost:{}", echo.addr().port())] {
        let mut client = tunnel(&program, authority);
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\xff\x16\x03\x01", b"CONNECT b:1 HTTP/1.1\r\n\r\n"] {
            client.send(bytes);
            assert_eq!(client.read_exact(bytes.len()), bytes);
        }
    }
    assert_eq!(echo.connections(), 2);
}

fn a_tunnel_carries_megabytes_both_ways_at_once(ctx: &Context) {
    let (echo, program) = (TcpEcho::start().unwrap(), start(ctx, &[]));
    let mut client = tunnel(&program, echo.addr());
    let sent = Rng::new(11).bytes(4 << 20);
    let (mut writer, bytes) = (client.stream(), sent.clone());
    let writing = thread::spawn(move || writer.write_all(&bytes));
    assert!(client.read_exact(sent.len()) == sent, "the echo differs");
    writing.join().unwrap().unwrap();
}

fn bytes_sent_with_the_connect_are_delivered_first(ctx: &Context) {
    let (echo, program) = (TcpEcho::start().unwrap(), start(ctx, &[]));
    let at = echo.addr();
    for size in [1, 517, 40_000] {
        let early = Rng::new(size as u64).bytes(size);
        let mut segment = format!("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n\r\n").into_bytes();
        segment.extend_from_slice(&early);
        let mut client = program.client();
        client.send(&segment);
        assert_eq!(client.reader().response_head().unwrap().status, 200);
        client.send("later");
        assert!(client.read_exact(size) == early, "{size} bytes sent with the CONNECT");
        assert_eq!(client.read_exact(5), b"later");
    }
}

fn a_server_may_send_first(ctx: &Context) {
    let backend = Backend::start(|conn| {
        conn.write("220 ready\r\n");
        conn.read_until_closed();
    });
    let program = start(ctx, &[]);
    let mut client = tunnel(&program, backend.addr());
    assert_eq!(client.read_exact(11), b"220 ready\r\n");
}

fn a_tunnel_can_follow_requests_on_a_connection(ctx: &Context) {
    let (echo, backend, program) = (TcpEcho::start().unwrap(), Backend::ok("ok"), start(ctx, &[]));
    let mut client = program.client();
    assert_eq!(ask(&mut client, "GET", &format!("http://{}/", backend.addr()), "").text(), "ok");
    assert_eq!(connect(&mut client, echo.addr()), 200);
    client.send("hello");
    assert_eq!(client.read_exact(5), b"hello");
}

fn an_idle_tunnel_delays_no_other_client(ctx: &Context) {
    let (echo, backend, program) = (TcpEcho::start().unwrap(), Backend::ok("ok"), start(ctx, &[]));
    let mut idle: Vec<_> = (0..8).map(|_| tunnel(&program, echo.addr())).collect();
    assert_eq!(ask(&mut program.client(), "GET", &format!("http://{}/", backend.addr()), "").text(), "ok");
    let mut busy = tunnel(&program, echo.addr());
    busy.send("busy");
    assert_eq!(busy.read_exact(4), b"busy");
    for client in &mut idle {
        client.expect_no_input(ms(10));
        client.send("still there");
        assert_eq!(client.read_exact(11), b"still there");
    }
}

fn a_tunnel_frees_what_it_has_forwarded(ctx: &Context) {
    const PIECE: usize = 1 << 20;
    let sink = Backend::start(Conn::read_until_closed);
    let program = start(ctx, &[]);
    let mut client = tunnel(&program, sink.addr());
    let piece = vec![7; PIECE];
    client.send(&piece);
    sink.wait_for("the first piece", |seen| seen.first().is_some_and(|first| first.count == PIECE as u64));
    let before = program.peak_rss_kib();
    for _ in 0..63 {
        client.send(&piece);
    }
    assert!(
        sink.holds_within(3 * TEST_TIMEOUT, |seen| seen.first().is_some_and(|first| first.count == 64 * PIECE as u64)),
        "bytes are missing"
    );
    let grown = program.peak_rss_kib() - before;
    assert!(grown < 8 * 1024, "memory grew by {grown} KiB for 63 MiB in one direction");
}
