use std::net::Ipv4Addr;

use integration_tests::rng::Rng;

use super::*;
use crate::raw_dns::{
    A, AAAA, ANY, AXFR, Answer, FORMERR, MX, NOERROR, NOTIMP, NS, NXDOMAIN, REFUSED, SOA, parse, query, with_edns,
};

const HOST: &str = "www.example.test";

fn zone(addresses: Vec<IpAddr>) -> Zone {
    Zone::new(HOST, addresses, 7, Ipv4Addr::LOCALHOST).unwrap()
}

fn v4(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

fn v6(last: u8) -> IpAddr {
    format!("2001:db8::{last}").parse().unwrap()
}

/// Two IPv4 backends, and an IPv6 one between them.
fn mixed() -> Zone {
    zone(vec![v4(1), v6(1), v4(2)])
}

const ALL_UP: [bool; 3] = [true; 3];

fn bytes_for(query: &[u8], zone: &Zone, transport: Transport) -> Vec<u8> {
    answer(query, zone, &[true; 100], &Turns::default(), transport).unwrap()
}

fn ask(query: &[u8]) -> Answer {
    parse(&bytes_for(query, &mixed(), Transport::Udp))
}

#[test]
fn each_question_has_its_code_and_records() {
    for (name, kind, rcode, answers, authority) in [
        (HOST, A, NOERROR, &[A, A][..], &[][..]),
        ("WwW.eXample.TEST", A, NOERROR, &[A, A], &[]),
        (HOST, AAAA, NOERROR, &[AAAA], &[]),
        (HOST, ANY, NOERROR, &[A, A], &[]),
        (HOST, MX, NOERROR, &[], &[SOA]),
        ("example.test", SOA, NOERROR, &[SOA], &[]),
        ("example.test", NS, NOERROR, &[NS], &[]),
        ("example.test", A, NOERROR, &[], &[SOA]),
        ("ns.example.test", A, NOERROR, &[A], &[]),
        ("ns.example.test", AAAA, NOERROR, &[], &[SOA]),
        ("other.example.test", A, NXDOMAIN, &[], &[SOA]),
        ("a.www.example.test", A, NXDOMAIN, &[], &[SOA]),
        ("www.example.org", A, REFUSED, &[], &[]),
        ("test", SOA, REFUSED, &[], &[]),
        ("anexample.test", A, REFUSED, &[], &[]),
        ("example.test", AXFR, REFUSED, &[], &[]),
    ] {
        let got = ask(&query(name, kind));
        assert_eq!((got.rcode, &got.answers[..], &got.authority[..]), (rcode, answers, authority), "{name} {kind}");
        assert_eq!(got.authoritative, rcode != REFUSED, "{name} {kind}");
        assert!(got.ttls.iter().all(|ttl| *ttl == 7), "{name} {kind}: {:?}", got.ttls);
    }
}

#[test]
fn the_question_is_repeated_as_it_was_spelled() {
    let query = query("wWw.ExAmPlE.tEsT", A);
    let answer = bytes_for(&query, &mixed(), Transport::Udp);
    assert_eq!(answer[12..query.len()], query[12..]);
}

#[test]
fn both_types_rotate_by_turns_of_their_own() {
    let (zone, turns) = (zone(vec![v4(1), v4(2), v6(1), v6(2), v4(3)]), Turns::default());
    let ask = |kind| {
        let answer = answer(&query(HOST, kind), &zone, &[true; 5], &turns, Transport::Udp).unwrap();
        parse(&answer).addresses
    };
    for round in 0..2 {
        let orders = [[1, 2, 3], [2, 3, 1], [3, 1, 2]];
        for (index, order) in orders.iter().enumerate() {
            assert_eq!(ask(A), order.map(v4), "round {round}");
            let first = u8::try_from((round * orders.len() + index) % 2).unwrap();
            assert_eq!(ask(AAAA), [v6(1 + first), v6(2 - first)], "round {round}");
        }
    }
}

#[test]
fn only_healthy_backends_are_in_an_answer_and_all_if_none_is() {
    for (healthy, expected) in [
        ([true, true, true], vec![v4(1), v4(2)]),
        ([true, false, false], vec![v4(1)]),
        ([false, false, true], vec![v4(2)]),
        ([false, true, false], vec![v4(1), v4(2)]),
        ([false, false, false], vec![v4(1), v4(2)]),
    ] {
        let answer = answer(&query(HOST, A), &mixed(), &healthy, &Turns::default(), Transport::Udp).unwrap();
        assert_eq!(parse(&answer).addresses, expected, "{healthy:?}");
    }
}

#[test]
fn a_long_answer_is_truncated_over_udp_and_whole_over_tcp() {
    // A header of 12 bytes, a question of 22, 16 per address; an OPT record has 11.
    let twenty = zone((1..=20).map(v4).collect());
    let forty = zone((1..=40).map(v4).collect());
    let hundred = zone((1..=100).map(v4).collect());
    let plain = query(HOST, A);
    let sized = |size| with_edns(plain.clone(), size, 0);
    for (query, zone, transport, count) in [
        (&plain, &forty, Transport::Udp, None),
        (&plain, &forty, Transport::Tcp, Some(40)),
        (&sized(684), &forty, Transport::Udp, None),
        (&sized(685), &forty, Transport::Udp, Some(40)),
        (&sized(100), &forty, Transport::Udp, None),
        (&sized(100), &twenty, Transport::Udp, Some(20)), // 365 bytes: less than 512 counts as 512
        (&sized(4096), &hundred, Transport::Udp, None),
        (&sized(100), &hundred, Transport::Tcp, Some(100)),
    ] {
        let answer = parse(&bytes_for(query, zone, transport));
        assert_eq!(answer.truncated, count.is_none(), "{transport:?} {}", query.len());
        assert_eq!(answer.addresses.len(), count.unwrap_or(0), "{transport:?} {}", query.len());
    }
}

#[test]
fn edns_is_answered_with_our_size_and_other_versions_are_refused() {
    let plain = query(HOST, A);
    assert_eq!(ask(&plain).edns, None);
    assert_eq!(ask(&with_edns(plain.clone(), 4096, 0)).edns, Some((MAX_UDP_BYTES, 0)));
    let other = ask(&with_edns(plain, 4096, 1));
    // BADVERS is 16: one in the upper bits, nothing in the header's four.
    assert_eq!((other.rcode, other.edns, other.answers.len()), (0, Some((MAX_UDP_BYTES, 1)), 0));
}

#[test]
fn other_messages_are_refused_or_ignored() {
    let plain = query(HOST, A);
    let changed = |at: usize, byte: u8| {
        let mut query = plain.clone();
        query[at] = byte;
        query
    };
    for (query, rcode) in [
        (changed(2, 0x29), NOTIMP), // an update
        (changed(2, 0x21), NOTIMP), // a notification
        (changed(5, 0), FORMERR),   // no question, and bytes left over or not
        (changed(5, 2), FORMERR),   // two questions, and bytes for one
        ([&changed(5, 2)[..], &plain[12..]].concat(), FORMERR),
        (plain[..20].to_vec(), FORMERR),
        (plain[..12].to_vec(), FORMERR),
        (changed(12, 0xc0), FORMERR),           // a pointer to nowhere
        (changed(plain.len() - 1, 3), REFUSED), // class CHAOS
    ] {
        let answer = answer(&query, &mixed(), &ALL_UP, &Turns::default(), Transport::Udp).unwrap();
        assert_eq!(answer[3] & 15, rcode, "{query:x?}");
        assert_eq!((answer[..2] == plain[..2], answer[2] & 0x80), (true, 0x80), "{query:x?}");
        assert_eq!(answer[2] & 0x78, query[2] & 0x78, "the opcode is copied: {query:x?}");
    }
    for ignored in [&[][..], &plain[..11], &changed(2, 0x81)] {
        assert_eq!(answer(ignored, &mixed(), &ALL_UP, &Turns::default(), Transport::Udp), None, "{ignored:x?}");
    }
}

#[test]
fn no_query_panics_or_gets_more_than_it_allows() {
    let (zone, turns, mut rng) = (zone((1..=40).map(v4).collect()), Turns::default(), Rng::new(53));
    let good = [query(HOST, A), with_edns(query("a.b.example.test", ANY), 600, 0), query("example.test", SOA)];
    let check = |bytes: &[u8]| {
        if let Some(answer) = answer(bytes, &zone, &[true; 40], &turns, Transport::Udp) {
            assert!(answer.len() <= usize::from(MAX_UDP_BYTES), "{bytes:x?}");
            // Nothing in these asks for more, except by an OPT record that a changed byte has made larger.
            assert!(answer.len() <= 512 || bytes.len() > 12 && bytes[11] > 0, "{bytes:x?}");
        }
    };
    for bytes in &good {
        (0..bytes.len()).for_each(|length| check(&bytes[..length]));
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[at] = value;
                check(&changed);
            }
        }
    }
    for round in 0..2_000 {
        check(&rng.bytes(round % 300));
    }
    // Names that point at each other, and 64 KiB of everything.
    check(&[&good[0][..12], &[0xc0, 14, 0xc0, 12, 0, 1, 0, 1]].concat());
    for fill in [0, 1, 63, 0xc0, 0xff] {
        check(&vec![fill; 65_535]);
        let mut long = good[1].clone();
        long.resize(65_535, fill);
        check(&long);
        for count in [4, 6, 8, 10] {
            let mut many = long.clone();
            many[count..count + 2].fill(0xff);
            check(&many);
        }
    }
}
