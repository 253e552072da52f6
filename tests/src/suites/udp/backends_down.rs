//! Backends that are down: an ICMP message says so, and their flows move.

use std::net::SocketAddr;

use backends::UdpEcho;

use super::{Peer, ask_all, echoes, expect_statistic, start, start_echoing};
use crate::Context;
use crate::case::cases;
use crate::suites::layer4::{Listening, statistic};
use crate::wait::{ms, until};

cases! { "udp";
    Fast a_flow_moves_when_its_backend_is_unreachable,
    Fast without_a_backend_datagrams_are_dropped,
    Fast a_backend_comes_back_after_its_time,
    Fast a_silent_backend_stays_up,
    Fast checks_are_off_unless_asked_for,
}

fn a_flow_moves_when_its_backend_is_unreachable(ctx: &Context) {
    let mut backends = echoes(2);
    let program = start_echoing(ctx, &backends, &["--log-requests", "--udp-timeout", "2s", "--workers", "1"]);
    let clients: Vec<_> = (0..4).map(|_| Peer::of(&program)).collect();
    let first = ask_all(&clients, "who?");
    assert_eq!(first, ["a", "b", "a", "b"]);
    backends.remove(0);
    // Of the first flow that notices, a datagram is lost. Those of the others that are sent afterwards move at once.
    assert_eq!(clients[0].ask_until_answered("moved?"), "b");
    assert!(clients[1..].iter().all(|client| client.ask("who?") == "b"));
    expect_statistic(&program, "ended idle", 4);
    let logged = program.stderr();
    let moves = |number: usize| logged.matches(&format!(" moves={number} idle")).count();
    assert_eq!((moves(0), moves(1)), (2, 2), "{logged}");
    assert!(logged.contains("marked down"), "{logged}");
}

fn without_a_backend_datagrams_are_dropped(ctx: &Context) {
    let gone: Vec<SocketAddr> = echoes(2).iter().map(UdpEcho::addr).collect();
    let program = start(ctx, &gone, &["--udp-timeout", "1s"]);
    let client = Peer::of(&program);
    // Two are lost on their way to the backends; then it is known that there is none.
    until("datagrams are dropped", || {
        client.send("anybody?");
        statistic(&program, "dropped no_backend") > 0
    });
    expect_statistic(&program, "ended unreachable", 1);
    assert_eq!(statistic(&program, "failed"), 1);
}

fn a_backend_comes_back_after_its_time(ctx: &Context) {
    let mut backends = echoes(2);
    let (first, second) = (backends[0].addr(), backends[1].addr());
    let program = start(ctx, &[first, second], &["--down-time", "500ms"]);
    let client = Peer::of(&program);
    assert_eq!(client.ask("who?"), "a");
    backends.remove(0);
    assert_eq!(client.ask_until_answered("moved?"), "b");
    let _back = UdpEcho::start_on(first, Some("a")).unwrap();
    until("the backend is up", || Peer::of(&program).ask_until_answered("who?") == "a");
    assert_eq!(client.ask("who?"), "b", "and a flow that has moved stays");
}

fn a_silent_backend_stays_up(ctx: &Context) {
    let (silent, echo) = (Peer::bind("127.0.0.1"), echoes(1));
    let program = start(ctx, &[silent.addr(), echo[0].addr()], &["--udp-timeout", "300ms"]);
    for _ in 0..6 {
        Peer::of(&program).send("log line");
    }
    (0..3).for_each(|_| silent.expect("log line"));
    expect_statistic(&program, "ended idle", 6);
    assert_eq!(statistic(&program, "failed"), 0);
}

/// A check is a TCP connect. By default the first comes within two seconds.
fn checks_are_off_unless_asked_for(ctx: &Context) {
    let checked = Listening::start();
    let backend = checked.addr().to_string();
    let line = ["0", &backend, "--mode", "udp"];
    let _off = ctx.start_exactly(&line);
    assert!(checked.accept_within(ms(2_500)).is_none(), "nobody has asked for checks");
    let _on = ctx.start_exactly(&[&line[..], &["--check", "tcp,interval=100ms"]].concat());
    checked.accept();
}
