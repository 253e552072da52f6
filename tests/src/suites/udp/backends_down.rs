//! Backends that are down: an ICMP message says so, and their flows move.

use std::net::SocketAddr;

use backends::UdpEcho;

use super::{Peer, echoes, expect_statistic, start, start_echoing};
use crate::Context;
use crate::admin_client::AdminClient;
use crate::case::cases;
use crate::suites::layer4::statistic;
use crate::suites::support::reserved_port;
use crate::wait::until;

cases! { "udp";
    Fast a_flow_moves_when_its_backend_is_unreachable,
    Fast without_a_backend_datagrams_are_dropped,
    Fast a_backend_comes_back_after_its_time,
    Fast a_silent_backend_stays_up,
    Fast a_name_with_two_addresses_is_tried_at_both,
    Fast checks_are_off_unless_asked_for,
}

fn a_flow_moves_when_its_backend_is_unreachable(ctx: &Context) {
    let mut backends = echoes(2);
    let program = start_echoing(ctx, &backends, &["--log-requests", "--udp-timeout", "2s", "--workers", "1"]);
    let clients: Vec<_> = (0..4).map(|_| Peer::of(&program)).collect();
    let first: Vec<_> = clients.iter().map(|client| client.ask("who?")).collect();
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

/// `localhost` is often `::1` first, where nothing listens.
fn a_name_with_two_addresses_is_tried_at_both(ctx: &Context) {
    let backends = echoes(1);
    let name = format!("localhost:{}", backends[0].addr().port());
    let program = ctx.start_named(&[&name], &["--mode", "udp", "--workers", "1"]);
    assert_eq!(Peer::of(&program).ask_until_answered("who?"), "a");
    // From then on the address is known.
    assert!((0..4).all(|_| Peer::of(&program).ask("who?") == "a"));
    assert!(!program.stderr().contains("marked down"), "{}", program.stderr());
}

fn checks_are_off_unless_asked_for(ctx: &Context) {
    let (backends, dead) = (echoes(1), reserved_port());
    let named = [backends[0].addr().to_string(), dead.addr.to_string()];
    // Not by `start`, which switches checks off: here nothing says so.
    let line = |check: &[&str]| {
        let flags = [&["--mode", "udp", "--admin", "127.0.0.1:0"], check].concat();
        ctx.start_named(&[&named[0], &named[1]], &flags)
    };
    let program = line(&["--check", "tcp,interval=50ms,fall=1"]);
    let admin = AdminClient::of(&program);
    let is_down = || {
        let backends = admin.request_ok("GET", "/backends", "");
        backends["backends"].as_array().unwrap().iter().all(|backend| backend["state"] == "DOWN")
    };
    // A check is a TCP connect, and neither listens for that.
    until("both are down", is_down);
}
