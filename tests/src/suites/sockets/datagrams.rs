//! The echo service over UDP.

use std::net::{SocketAddr, UdpSocket};

use nix::sys::signal::Signal;

use super::{run_other, words};
use crate::Context;
use crate::case::cases;
use crate::rng::Rng;
use crate::wait::TEST_TIMEOUT;

cases! { "sockets";
    Fast datagrams_of_any_size_come_back_as_they_were,
    Fast datagrams_go_back_to_their_sender,
    Fast the_client_sends_a_datagram_per_line,
    Fast the_client_reports_a_missing_server_and_lost_datagrams,
    Fast the_datagram_server_ends_on_sigterm,
}

fn socket(peer: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    socket.connect(peer).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut bytes = vec![0; 65_535];
    let length = socket.recv(&mut bytes).unwrap();
    bytes.truncate(length);
    bytes
}

fn datagrams_of_any_size_come_back_as_they_were(ctx: &Context) {
    let program = ctx.start(&[], &["--udp"]);
    let socket = socket(program.addr());
    // 1,472 bytes fill an Ethernet frame, 65,507 are the most that fit.
    for size in [1, 0, 1472, 0, 1473, 9000, 65_507] {
        let sent = Rng::new(size as u64).bytes(size);
        assert_eq!(socket.send(&sent).unwrap(), size);
        assert!(receive(&socket) == sent, "a datagram of {size} bytes");
    }
}

fn datagrams_go_back_to_their_sender(ctx: &Context) {
    let program = ctx.start(&[], &["--udp"]);
    let sockets: Vec<_> = (0..10).map(|_| socket(program.addr())).collect();
    for (socket, number) in sockets.iter().zip(0_u8..) {
        socket.send(&[number]).unwrap();
    }
    for (socket, number) in sockets.iter().zip(0_u8..) {
        assert_eq!(receive(socket), [number]);
    }
}

fn the_client_sends_a_datagram_per_line(ctx: &Context) {
    let program = ctx.start(&[], &["--udp"]);
    let [host, port] = words(program.addr());
    let finished = run_other(ctx, "echo_client", &[&host, &port, "--udp"], b"one\n\nthree");
    assert_eq!((finished.code, finished.stdout.as_str()), (0, "one\n\nthree"), "{finished:?}");
}

fn the_client_reports_a_missing_server_and_lost_datagrams(ctx: &Context) {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let [host, port] = words(silent.local_addr().unwrap());
    let finished = run_other(ctx, "echo_client", &["--udp", &host, &port], b"one\ntwo\n");
    assert_eq!((finished.code, finished.stdout.as_str()), (1, ""), "{finished:?}");
    assert!(finished.stderr.contains("2 datagrams were lost"), "{finished:?}");
    drop(silent);
    let finished = run_other(ctx, "echo_client", &["--udp", &host, &port], b"one\ntwo\n");
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.stderr.contains("ECONNREFUSED"), "{finished:?}");
}

fn the_datagram_server_ends_on_sigterm(ctx: &Context) {
    let mut program = ctx.start(&[], &["--udp"]);
    let socket = socket(program.addr());
    socket.send(b"x").unwrap();
    assert_eq!(receive(&socket), b"x");
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}
