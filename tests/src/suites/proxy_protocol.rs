//! Suite `proxy_protocol`: the header in front of a session, or of requests, that names the client.

use crate::Context;
use crate::case::cases;
use crate::suites::layer4::{Listening, Peer, expect_ended, session, start};
use crate::wait::{ms, until};

pub(super) mod http;
pub(super) mod http_ends;

cases! { "proxy_protocol";
    Fast a_header_is_taken_away_and_names_the_client,
    Fast a_header_may_come_in_pieces,
    Fast a_header_of_a_stranger_is_payload,
    Fast anything_else_from_a_trusted_proxy_is_reset,
    Fast a_backend_gets_a_header_before_the_bytes,
    Fast a_header_is_passed_on_in_the_other_version,
    Fast the_address_in_the_header_chooses_the_backend,
}

const TRUSTING: &[&str] = &["--accept-proxy", "127.0.0.0/8", "--log-requests"];
const V1: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 40001 443\r\n";

/// The same in version 2, with a TLV that says nothing.
fn v2() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10".to_vec();
    header.extend([192, 0, 2, 1, 192, 0, 2, 2]);
    header.extend(40_001_u16.to_be_bytes());
    header.extend(443_u16.to_be_bytes());
    header.extend([4, 0, 1, 0]); // NOOP
    header
}

/// What begins a connection and is no header.
fn malformed() -> [Vec<u8>; 6] {
    let mut wrong_length = v2();
    wrong_length[15] = 15; // the TLV does not fit in
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 40001 65536\r\n".to_vec(),
        b"PROXY TCP4 2001:db8::1 192.0.2.2 40001 443\r\n".to_vec(),
        b"\x16\x03\x01\0\x05hello".to_vec(),
        [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(),
        wrong_length,
    ]
}

fn a_header_is_taken_away_and_names_the_client(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], TRUSTING);
    for header in [V1, &v2()] {
        let mut client = Peer::connect(&program);
        client.send([header, b"payload"].concat());
        let mut server = backend.accept();
        server.expect("payload");
        server.send("answer");
        client.expect("answer");
    }
    let mut unknown = Peer::connect(&program);
    unknown.send("PROXY UNKNOWN whatever\r\nx");
    backend.accept().expect("x");
    let own_address = unknown.0.local_addr().unwrap();
    drop(unknown);
    until("all are logged", || {
        let logged = program.stderr();
        logged.matches(" 192.0.2.1:40001 via 127.0.0.1:").count() == 2
            && logged.contains(&format!(" {own_address} backend="))
    });
}

fn a_header_may_come_in_pieces(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], TRUSTING);
    for header in [V1, &v2()] {
        let mut client = Peer::connect(&program);
        for byte in header {
            client.send([*byte]);
            crate::wait::pause(ms(1));
        }
        backend.accept(); // without payload: the server may speak first
    }
}

fn a_header_of_a_stranger_is_payload(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &["--accept-proxy", "192.0.2.0/24", "--accept-proxy", "2001:db8::/32"]);
    let (mut client, mut server) = session(&program, &backend);
    client.send(V1);
    server.expect(V1);
}

fn anything_else_from_a_trusted_proxy_is_reset(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &[TRUSTING, &["--prelude-timeout", "300ms"]].concat());
    for bytes in malformed() {
        let mut client = Peer::connect(&program);
        client.send(bytes);
        client.expect_reset();
    }
    // Too late, and cut off.
    Peer::connect(&program).expect_reset();
    let mut cut_off = Peer::connect(&program);
    cut_off.send(&V1[..20]);
    cut_off.half_close();
    cut_off.expect_reset();
    expect_ended(&program, "bad_proxy_header", 8);
    assert!(backend.accept_within(ms(0)).is_none(), "no backend was connected");
}

fn a_backend_gets_a_header_before_the_bytes(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &["--send-proxy", "v1"]);
    let (mut client, mut server) = session(&program, &backend);
    let (source, destination) = (client.0.local_addr().unwrap(), program.addr());
    let header = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", source.port(), destination.port());
    server.expect(&header); // before the client has said anything
    client.send("payload");
    server.expect("payload");
    let program = start(ctx, &[&backend], &["--send-proxy", "v2"]);
    let (mut client, mut server) = session(&program, &backend);
    client.send("payload");
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([127, 0, 0, 1, 127, 0, 0, 1]);
    header.extend(client.0.local_addr().unwrap().port().to_be_bytes());
    header.extend(program.addr().port().to_be_bytes());
    server.expect(header);
    server.expect("payload");
}

fn a_header_is_passed_on_in_the_other_version(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &[TRUSTING, &["--send-proxy", "v1"]].concat());
    let mut client = Peer::connect(&program);
    client.send([&v2(), b"payload".as_slice()].concat());
    let mut server = backend.accept();
    server.expect(V1);
    server.expect("payload");
}

fn the_address_in_the_header_chooses_the_backend(ctx: &Context) {
    let backends = [&Listening::start(), &Listening::start(), &Listening::start()];
    let program = start(ctx, &backends, &[TRUSTING, &["-a", "iphash"]].concat());
    let reached = |host: u8| {
        let mut client = Peer::connect(&program);
        client.send(format!("PROXY TCP4 198.51.100.{host} 192.0.2.2 1 2\r\n"));
        let mut reached = None;
        until("a backend is reached", || {
            reached = backends.iter().position(|backend| backend.accept_within(ms(0)).is_some());
            reached.is_some()
        });
        reached
    };
    let first: Vec<_> = (0..20).map(reached).collect();
    assert!((0..3).all(|backend| first.contains(&Some(backend))), "{first:?}");
    assert_eq!((0..20).map(reached).collect::<Vec<_>>(), first);
}
