//! Datagrams: their lengths, and the addresses they come from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ppp::v2::{Addresses, Header, Protocol};

use super::{Peer, echoes, expect_statistic, start, start_echoing};
use crate::Context;
use crate::case::cases;
use crate::process::Program;
use crate::suites::layer4::statistic;

cases! { "udp";
    Fast datagrams_of_any_length_are_relayed,
    Fast a_datagram_that_is_too_long_with_its_header_is_dropped,
    Fast many_datagrams_of_one_client_keep_their_order,
    Fast a_reply_comes_from_the_address_asked,
    Fast ipv6_is_relayed,
    Fast each_datagram_has_its_proxy_header,
}

fn datagrams_of_any_length_are_relayed(ctx: &Context) {
    let backend = Peer::bind("127.0.0.1");
    let program = start(ctx, &[backend.addr()], &[]);
    let client = Peer::of(&program);
    for length in [0, 1, 1_472, 1_473, 9_000, 65_507, 0] {
        let payload: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
        client.send(&payload);
        let (received, upstream) = backend.receive();
        assert!(received == payload, "{length}");
        backend.0.send_to(&received, upstream).unwrap();
        client.expect(&payload);
    }
}

fn a_datagram_that_is_too_long_with_its_header_is_dropped(ctx: &Context) {
    let backend = Peer::bind("127.0.0.1");
    let program = start(ctx, &[backend.addr()], &["--send-proxy", "v2"]);
    let client = Peer::of(&program);
    client.send(vec![1; 65_507 - 28]);
    assert_eq!(backend.receive().0.len(), 65_507);
    client.send(vec![1; 65_507 - 27]);
    client.send("short");
    assert_eq!(backend.receive().0.len(), 28 + 5);
    expect_statistic(&program, "dropped too_long", 1);
}

fn many_datagrams_of_one_client_keep_their_order(ctx: &Context) {
    let backend = Peer::bind("127.0.0.1");
    let program = start(ctx, &[backend.addr()], &[]);
    let (client, other) = (Peer::of(&program), Peer::of(&program));
    // More than a batch, and another client's in between. Few enough for every buffer.
    for number in 0..100_u8 {
        client.send([number]);
        if number % 7 == 0 {
            other.send([200]);
        }
    }
    let mut numbers: Vec<u8> = Vec::new();
    while numbers.len() < 100 {
        let (received, upstream) = backend.receive();
        if received != [200] {
            numbers.extend(&received);
            backend.0.send_to(&received, upstream).unwrap();
        }
    }
    assert!(numbers.iter().copied().eq(0..100), "{numbers:?}");
    (0..100_u8).for_each(|number| client.expect([number]));
    other.expect_silence();
}

fn a_reply_comes_from_the_address_asked(ctx: &Context) {
    let backends = echoes(2);
    for (bind, addresses) in [("0.0.0.0", ["127.0.0.1", "127.0.0.2"]), ("::", ["::1", "127.0.0.2"])] {
        if bind == "::" && !has_ipv6() {
            continue;
        }
        let program = start_echoing(ctx, &backends, &["--bind", bind]);
        let v4 = Peer::bind("127.0.0.1");
        for address in addresses {
            let asked = SocketAddr::new(address.parse().unwrap(), program.addr().port());
            let v6 = asked.is_ipv6().then(|| Peer::bind("::1"));
            let client = v6.as_ref().unwrap_or(&v4);
            for _ in 0..2 {
                client.0.send_to(b"who?", asked).unwrap();
                let (reply, from) = client.receive();
                assert!(reply.ends_with(b": who?"));
                assert_eq!(from, asked, "bound to {bind}");
            }
        }
        // The address asked is part of what a flow is.
        assert_eq!(statistic(&program, "clients"), 2, "flows on {bind}");
    }
}

fn has_ipv6() -> bool {
    std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn ipv6_is_relayed(ctx: &Context) {
    if !has_ipv6() {
        return;
    }
    let backend = Peer::bind("::1");
    for bind in ["::1", "127.0.0.1"] {
        let program = start(ctx, &[backend.addr()], &["--bind", bind]);
        let client = Peer::of(&program);
        client.send("question");
        let (question, upstream) = backend.receive();
        assert_eq!(question, b"question");
        backend.0.send_to(b"answer", upstream).unwrap();
        client.expect("answer");
    }
}

/// The addresses in a datagram's PROXY header, as another implementation reads it, and what is after it.
fn read_header(datagram: &[u8]) -> (SocketAddr, SocketAddr, Vec<u8>) {
    let header = Header::try_from(datagram).expect("a header of version 2");
    assert_eq!(header.protocol, Protocol::Datagram);
    let (source, destination) = match header.addresses {
        Addresses::IPv4(ip) => (
            SocketAddr::new(IpAddr::V4(ip.source_address), ip.source_port),
            SocketAddr::new(IpAddr::V4(ip.destination_address), ip.destination_port),
        ),
        Addresses::IPv6(ip) => (
            SocketAddr::new(IpAddr::V6(ip.source_address), ip.source_port),
            SocketAddr::new(IpAddr::V6(ip.destination_address), ip.destination_port),
        ),
        other => panic!("{other:?}"),
    };
    (source, destination, datagram[header.len()..].to_vec())
}

fn each_datagram_has_its_proxy_header(ctx: &Context) {
    let backend = Peer::bind("127.0.0.1");
    let start = |bind: &str| start(ctx, &[backend.addr()], &["--send-proxy", "v2", "--bind", bind]);
    let check = |program: &Program, client: &Peer, asked: SocketAddr| {
        for payload in ["one", "", "three"] {
            client.0.send_to(payload.as_bytes(), SocketAddr::new(asked.ip(), program.addr().port())).unwrap();
            let (datagram, upstream) = backend.receive();
            assert_eq!(read_header(&datagram), (client.addr(), asked, payload.as_bytes().to_vec()));
            // No header on the way back.
            backend.0.send_to(b"answer", upstream).unwrap();
            client.expect("answer");
        }
    };
    let program = start("0.0.0.0");
    for ip in ["127.0.0.1", "127.0.0.2"] {
        let asked = SocketAddr::new(ip.parse().unwrap(), program.addr().port());
        check(&program, &Peer::bind("127.0.0.1"), asked);
    }
    if has_ipv6() {
        let program = start("::1");
        check(&program, &Peer::bind("::1"), program.addr());
    }
}
