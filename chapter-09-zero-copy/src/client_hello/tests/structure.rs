//! Which bytes are a `ClientHello`, and which are refused, at which byte.

use super::messages::{
    before_extensions, contents, extensions, handshake, hello, protocols, records, server_names, vector8, vector16,
};
use crate::client_hello::{ClientHelloError as E, MAX_RECEIVED_BYTES, SniTable, read, read::ClientHelloRead};

const SNI: u16 = 0;
const ALPN: u16 = 16;
const MALFORMED_SNI: E = E::Malformed("server_name");
const MALFORMED_ALPN: E = E::Malformed("application_layer_protocol_negotiation");
const MALFORMED_EXTENSIONS: E = E::Malformed("extensions");

fn one_record(body: &[u8]) -> Vec<u8> {
    records(&handshake(body), 1 << 14)
}

#[test]
fn name_and_protocols_are_read() {
    let sni = || (SNI, server_names(&[b"A-1.b_c.example"]));
    let alpn = || (ALPN, protocols(&[b"h2", b"http/1.1", b"\x0a\x0a"]));
    let name = || Some("A-1.b_c.example".to_owned());
    let names = || vec!["h2".to_owned(), "http/1.1".to_owned(), "\n\n".to_owned()];
    for (bytes, expected) in [
        (hello(&[sni(), alpn()]), (name(), names())),
        (hello(&[alpn(), (0x0A0A, vec![]), (43, vec![2, 3, 4]), sni(), (0xFAFA, vec![0])]), (name(), names())),
        (hello(&[sni()]), (name(), vec![])),
        (hello(&[alpn()]), (None, names())),
        (hello(&[(43, vec![])]), (None, vec![])),
        (hello(&[]), (None, vec![])),
        (one_record(&before_extensions()), (None, vec![])),
    ] {
        assert_eq!(contents(&bytes), Ok(Some(expected)), "{bytes:?}");
    }
}

#[test]
fn a_server_name_is_a_host_name_without_a_trailing_dot() {
    let labels = |lengths: &[usize]| lengths.iter().map(|length| "x".repeat(*length)).collect::<Vec<_>>().join(".");
    for name in ["a", "1", "localhost", "xn--bcher-kva.example", "_a.-b-.example", "1.2.3", "1.2.3.4.example"]
        .map(str::to_owned)
        .into_iter()
        .chain([labels(&[63, 1]), labels(&[63, 63, 63, 61])])
    {
        let read = contents(&hello(&[(SNI, server_names(&[name.as_bytes()]))]));
        assert_eq!(read, Ok(Some((Some(name), vec![]))));
    }
    for name in
        ["", ".", "a.", ".a", "a..b", "a b", "a/b", "*.a", "a:443", "b\u{fc}cher.example", "a\0", "::1", "127.0.0.1"]
            .map(str::to_owned)
            .into_iter()
            .chain([labels(&[64, 1]), labels(&[63, 63, 63, 62])])
    {
        let read = contents(&hello(&[(SNI, server_names(&[name.as_bytes()]))]));
        assert_eq!(read, Err(E::InvalidServerName), "{name}");
    }
}

#[test]
fn an_extension_whose_lengths_do_not_add_up_is_refused() {
    for (extension, error) in [
        ((SNI, vec![]), MALFORMED_SNI),
        ((SNI, vec![0]), MALFORMED_SNI),
        ((SNI, vector16(&[])), MALFORMED_SNI),
        ((SNI, vec![0, 4, 0, 0, 1]), MALFORMED_SNI),
        ((SNI, vector16(&[0, 0])), MALFORMED_SNI),
        ((SNI, vector16(&[0, 0, 2, b'a'])), MALFORMED_SNI),
        ((SNI, [server_names(&[b"a"]), vec![0]].concat()), MALFORMED_SNI),
        ((SNI, vector16(&[0, 0, 1, b'a', 0])), MALFORMED_SNI),
        ((SNI, vector16(&[1, 0, 1, b'a'])), MALFORMED_SNI),
        ((SNI, vector16(&[0, 0, 1, b'a', 1, 0, 1, b'b'])), MALFORMED_SNI),
        ((SNI, vector16(&[1, 0, 1, b'b', 0, 0, 1, b'a'])), MALFORMED_SNI),
        ((SNI, server_names(&[b"a", b"b"])), MALFORMED_SNI),
        ((SNI, server_names(&[b"a", b"a"])), MALFORMED_SNI),
        ((ALPN, vec![]), MALFORMED_ALPN),
        ((ALPN, protocols(&[])), MALFORMED_ALPN),
        ((ALPN, protocols(&[b""])), MALFORMED_ALPN),
        ((ALPN, protocols(&[b"h2", b""])), MALFORMED_ALPN),
        ((ALPN, vector16(&[3, b'h', b'2'])), MALFORMED_ALPN),
        ((ALPN, [protocols(&[b"h2"]), vec![0]].concat()), MALFORMED_ALPN),
    ] {
        assert_eq!(read(&hello(std::slice::from_ref(&extension))), Err(error), "{extension:?}");
        // Nor may a length reach into what follows.
        assert_eq!(read(&hello(&[extension.clone(), (5, b"\0\x01a\x01a".repeat(9))])), Err(error), "{extension:?}");
    }
    let twice = |number: u16| read(&hello(&[(number, vec![]), (1, vec![]), (number, vec![])])).map(|_| ());
    for number in [5, 63, 64, 0x0A0A, 0xFFFF] {
        assert_eq!(twice(number), Err(E::DuplicateExtension(number)));
    }
    let all_different: Vec<_> = (17..4_000).map(|number| (number, vec![])).collect();
    assert_eq!(contents(&hello(&all_different)), Ok(Some((None, vec![]))));
}

#[test]
fn a_message_whose_lengths_do_not_add_up_is_refused() {
    let head = [&[3, 3][..], &[7; 32]].concat();
    let (session, suites) = (vector8(&[]), vector16(&[0x13, 1]));
    for (parts, error) in [
        (vec![], E::Malformed("version and random")),
        (vec![vec![3, 3], vec![7; 31]], E::Malformed("version and random")),
        (vec![head.clone()], E::Malformed("session id")),
        (vec![head.clone(), vector8(&[8; 33])], E::Malformed("session id")),
        (vec![head.clone(), vec![32, 8]], E::Malformed("session id")),
        (vec![head.clone(), session.clone()], E::Malformed("cipher suites")),
        (vec![head.clone(), session.clone(), vector16(&[])], E::Malformed("cipher suites")),
        (vec![head.clone(), session.clone(), vector16(&[0x13, 1, 0])], E::Malformed("cipher suites")),
        (vec![head.clone(), session.clone(), suites.clone()], E::Malformed("compression methods")),
        (vec![head, session, suites, vector8(&[])], E::Malformed("compression methods")),
        (vec![before_extensions(), vec![0]], MALFORMED_EXTENSIONS),
        (vec![before_extensions(), vec![0, 1]], MALFORMED_EXTENSIONS),
        (vec![before_extensions(), vector16(&[0, 5, 0])], MALFORMED_EXTENSIONS),
        (vec![before_extensions(), vector16(&[0, 5, 0, 1])], MALFORMED_EXTENSIONS),
        (vec![before_extensions(), vector16(&[0])], MALFORMED_EXTENSIONS),
        (vec![before_extensions(), extensions(&[]), vec![0]], MALFORMED_EXTENSIONS),
    ] {
        assert_eq!(read(&one_record(&parts.concat())), Err(error), "{parts:?}");
    }
}

/// All are incomplete without their last byte, and refused with it.
#[test]
fn other_bytes_are_refused_as_soon_as_it_is_certain() {
    let start = handshake(&before_extensions());
    let first_record = || records(&start[..9], 9);
    for (bytes, error) in [
        (b"G".to_vec(), E::NotTls),
        (b"\x80".to_vec(), E::NotTls),
        (b"\x15".to_vec(), E::NotTls),
        (b"\x16\x02".to_vec(), E::NotTls),
        (b"\x16\x03\x01\0\0".to_vec(), E::RecordLength(0)),
        (b"\x16\x03\x01\x40\x01".to_vec(), E::RecordLength((1 << 14) + 1)),
        (b"\x16\x03\x01\0\x04\x02".to_vec(), E::NotClientHello(2)),
        (b"\x16\x03\x01\x3f\xff\x01\0\x3f\xfd".to_vec(), E::TooLong),
        (b"\x16\x03\x01\x3f\xff\x01\x01\0\0".to_vec(), E::TooLong),
        (b"\x16\x03\x01\0\x05\x01\0\0\0".to_vec(), E::TrailingBytes),
        ([first_record(), vec![20]].concat(), E::InterruptedMessage),
        ([first_record(), vec![21]].concat(), E::InterruptedMessage),
        ([first_record(), vec![22, 4]].concat(), E::InterruptedMessage),
        ([first_record(), vec![22, 3, 1, 0, 0]].concat(), E::RecordLength(0)),
        ([first_record(), vec![22, 3, 3, 0x40, 1]].concat(), E::RecordLength((1 << 14) + 1)),
        ([first_record(), vec![22, 3, 3, 0x10, 0]].concat(), E::TrailingBytes),
    ] {
        let before = &bytes[..bytes.len() - 1];
        assert_eq!(read(before), Ok(ClientHelloRead::Incomplete), "{bytes:?}");
        assert_eq!(read(&bytes), Err(error), "{bytes:?}");
        assert_eq!(read(&[&bytes[..], b"more bytes"].concat()), Err(error), "{bytes:?}");
    }
}

#[test]
fn a_message_of_16_kib_is_read_unless_its_records_make_it_longer_than_32() {
    let padding = (1 << 14) - handshake(&before_extensions()).len() - 2 - 4;
    let message = |padding| handshake(&[before_extensions(), extensions(&[(21, vec![0; padding])])].concat());
    assert_eq!(message(padding).len(), 1 << 14);
    for size in [1 << 14, 100, 6] {
        let bytes = records(&message(padding), size);
        assert_eq!(contents(&bytes), Ok(Some((None, vec![]))), "{size}");
        assert_eq!(read(&bytes[..bytes.len() - 1]), Ok(ClientHelloRead::Incomplete), "{size}");
    }
    let bytes = records(&message(padding), 4);
    assert_eq!(read(&bytes[..MAX_RECEIVED_BYTES - 1]), Ok(ClientHelloRead::Incomplete));
    assert_eq!(read(&bytes[..MAX_RECEIVED_BYTES]), Err(E::TooLong));
    assert_eq!(read(&bytes), Err(E::TooLong));
    assert_eq!(read(&records(&message(padding + 1), 1 << 14)), Err(E::TooLong));
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = [
        "host=a.example alpn=h2 -> h2",
        "host=a.example -> a",
        "host=*.b.example -> b",
        "host=*.example alpn=acme-tls/1 -> acme",
        "alpn=imap -> mail",
        "host=*.example -> rest",
    ];
    let groups = ["a", "b", "h2", "acme", "mail", "rest"];
    let table = SniTable::new(rules.map(|rule| rule.parse().unwrap()).to_vec(), &groups).unwrap();
    for (name, offered, group) in [
        ("a.example", &[&b"h2"[..], b"http/1.1"][..], Some("h2")),
        ("A.EXAMPLE", &[b"http/1.1", b"h2"], Some("h2")),
        ("a.example", &[b"http/1.1"], Some("a")),
        ("a.example", &[b"H2"], Some("a")),
        ("x.a.example", &[b"h2"], Some("rest")),
        ("x.B.example", &[], Some("b")),
        ("x.y.b.example", &[b"acme-tls/1"], Some("b")),
        ("b.example", &[b"acme-tls/1"], Some("acme")),
        ("xb.example", &[b"x"], Some("rest")),
        ("example", &[b"imap"], Some("mail")),
        ("example", &[], None),
        ("", &[b"imap"], Some("mail")),
        ("", &[b"h2"], None),
    ] {
        let mut sent = vec![];
        if !name.is_empty() {
            sent.push((SNI, server_names(&[name.as_bytes()])));
        }
        if !offered.is_empty() {
            sent.push((ALPN, protocols(offered)));
        }
        let bytes = hello(&sent);
        let Ok(ClientHelloRead::Complete(hello)) = read(&bytes) else { panic!("{name}") };
        assert_eq!(table.find(&hello).map(|index| groups[index]), group, "{name} {offered:?}");
    }
}

#[test]
fn a_rule_with_an_unknown_group_or_that_never_matches_is_refused() {
    let new = |rules: &[&str]| {
        SniTable::new(rules.iter().map(|rule| rule.parse().unwrap()).collect(), &["web", "api"]).map(|_| ())
    };
    for (rules, expected) in [
        (&["host=a -> app"][..], "SNI rule 'host=a -> app': unknown group 'app'; known: web, api"),
        (&["host=a -> web", "host=A -> api"], "SNI rule 'host=a -> api' never matches, because 'host=a -> web' is"),
        (&["-> web", "alpn=h2 -> api"], "SNI rule 'alpn=h2 -> api' never matches"),
        (&["host=*.a -> web", "host=b.a alpn=h2 -> api"], "never matches"),
        (&["host=*.a -> web", "host=*.b.a -> api"], "never matches"),
        (&["alpn=h2 -> web", "host=a alpn=h2 -> api"], "never matches"),
    ] {
        let line = new(rules).unwrap_err().to_string();
        assert!(line.contains(expected), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
    for rules in [
        &["host=*.b.a -> web", "host=*.a -> api"][..],
        &["host=b.a -> web", "host=*.b.a -> api"],
        &["host=*.a -> web", "host=a -> api", "host=ba -> api", "-> api"],
        &["alpn=h2 -> web", "alpn=h3 -> web", "host=a -> api"],
        &["host=a alpn=h2 -> web", "host=a -> web", "alpn=h2 -> api"],
        &[],
    ] {
        assert_eq!(new(rules), Ok(()), "{rules:?}");
    }
}
