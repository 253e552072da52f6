//! Laws for all inputs, and the crate `ppp` as another reader of the same bytes.

use std::net::{IpAddr, SocketAddr};

use ppp::PartialResult;
use proptest::{prelude::*, sample::Index};

use super::{
    MAX_HEADER_BYTES, Parsed, ProxyHeader, ProxyHeaderError, Version, parse,
    tlv::tests::tlv,
    v2::tests::{header, header_with_checksum},
    write,
};

fn address() -> impl Strategy<Value = SocketAddr> {
    let mapped = any::<[u8; 4]>().prop_map(|ip| std::net::Ipv4Addr::from(ip).to_ipv6_mapped().into());
    let ip = prop_oneof![3 => any::<IpAddr>(), 1 => mapped];
    (ip, any::<u16>()).prop_map(SocketAddr::from)
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V1), Just(Version::V2)]
}

/// A header as the writer writes it, with any mix of families.
fn written() -> impl Strategy<Value = Vec<u8>> {
    let addresses = prop::option::weighted(0.9, (address(), address()));
    (version(), addresses).prop_map(|(version, addresses)| {
        let header = match addresses {
            Some((source, destination)) => ProxyHeader::Proxy { source, destination },
            None => ProxyHeader::Local,
        };
        to_bytes(version, &header)
    })
}

/// A version 2 header with TLVs, and fields that the writer never writes.
fn foreign() -> impl Strategy<Value = Vec<u8>> {
    let value = prop::collection::vec(any::<u8>(), 0..20);
    let tlvs = prop::collection::vec((any::<u8>().prop_filter("no checksum", |kind| *kind != 3), value), 0..4);
    let families =
        prop::sample::select(vec![(0, 0), (1, 5), (0x11, 12), (0x12, 12), (0x21, 36), (0x31, 216), (0x10, 12)]);
    (0x20..0x22_u8, families, prop::collection::vec(any::<u8>(), 216), tlvs, any::<bool>()).prop_map(
        |(command, (family, length), body, tlvs, has_checksum)| {
            let tlvs: Vec<u8> = tlvs.iter().flat_map(|(kind, value)| tlv(*kind, value)).collect();
            let body = [&body[..length], &tlvs[..]].concat();
            if has_checksum { header_with_checksum(family, &body) } else { header(command, family, &body) }
        },
    )
}

/// Lines that are almost those of version 1.
fn almost_v1() -> impl Strategy<Value = Vec<u8>> {
    "PROXY ?(TCP4|TCP6|UNKNOWN|TCP5|TCP)( {1,2}(0|1?[0-9.]{1,9}|1\\.2\\.3\\.4|::1|[0-9a-f:]{2,9})){2} \\+?[0-9]{1,6} [0-9]{0,6} ?\r?\n"
        .prop_map(String::into_bytes)
}

/// A header with a few bytes replaced, inserted or removed, or cut off, and payload after it.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b" \r\n0159.:TCPUNKNOWN\x20\x21\x11".to_vec())];
    let change = (0..4_u8, any::<Index>(), byte);
    let changes = prop::collection::vec(change, 0..4);
    (prop_oneof![written(), foreign(), almost_v1()], changes, prop::collection::vec(any::<u8>(), 0..8)).prop_map(
        |(mut bytes, changes, payload)| {
            bytes.extend(payload);
            for (kind, at, byte) in changes {
                // Past the end, all kinds append.
                let at = at.index(bytes.len() + 1);
                match kind {
                    _ if at == bytes.len() => bytes.push(byte),
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    2 => _ = bytes.remove(at),
                    _ => bytes.truncate(at),
                }
            }
            bytes
        },
    )
}

fn to_bytes(version: Version, header: &ProxyHeader) -> Vec<u8> {
    let mut bytes = b"before".to_vec();
    write(version, header, &mut bytes);
    bytes.split_off(b"before".len())
}

/// That the result for `bytes` is the same however they arrive, and does not depend on bytes after the header.
fn check_prefixes(bytes: &[u8]) -> Result<(), TestCaseError> {
    let whole = parse(bytes);
    let first = (0..=bytes.len()).find(|length| parse(&bytes[..*length]) != Ok(Parsed::Incomplete));
    let Some(first) = first else {
        prop_assert!(bytes.len() < MAX_HEADER_BYTES);
        return Ok(());
    };
    prop_assert_eq!(parse(&bytes[..first]), whole, "decided at {}", first);
    if let Ok(Parsed::Complete { length, .. }) = whole {
        prop_assert_eq!(length, first);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(
        version in version(),
        source in address(),
        destination in address(),
        payload in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let header = ProxyHeader::Proxy { source, destination };
        let mut bytes = to_bytes(version, &header);
        let length = bytes.len();
        bytes.extend(payload);
        prop_assert_eq!(parse(&bytes), Ok(Parsed::Complete { header: ProxyHeader::proxy(source, destination), length }));
    }

    #[test]
    fn any_bytes_have_one_result_however_they_are_split(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_prefixes(&bytes)?;
    }

    #[test]
    fn almost_a_header_has_one_result_however_it_is_split(bytes in mutated()) {
        check_prefixes(&bytes)?;
    }

    #[test]
    fn another_reader_agrees(bytes in mutated()) {
        compare_with_ppp(&bytes)?;
    }
}

/// What HAProxy 2.6.12 sends, and what it says. With `send-proxy` and `send-proxy-v2`, we write the same bytes; the
/// others add `proxy-v2-options crc32c`, and `unique-id`.
#[test]
fn headers_of_haproxy_are_read_and_written_alike() {
    const CHECKSUM_AND_ID: &[u8] =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x19\x7f\0\0\x01\x7f\0\0\x01\xee\x1c\xc7\xa7\x03\0\x04\
        \x96\x27\x7c\x30\x05\0\x03abc";
    const IPV6_CHECKSUM: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x2b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x8e\xca\xc8\xf3\x03\0\x04\xe8\xe4\xe6\xb3";
    for (version, bytes, source, destination) in [
        (
            Some(Version::V1),
            &b"PROXY TCP4 127.0.0.1 127.0.0.1 47898 51303\r\n"[..],
            "127.0.0.1:47898",
            "127.0.0.1:51303",
        ),
        (Some(Version::V1), b"PROXY TCP6 ::1 ::1 33368 57201\r\n", "[::1]:33368", "[::1]:57201"),
        (
            Some(Version::V2),
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\x87\x16\xe9\x67",
            "127.0.0.1:34582",
            "127.0.0.1:59751",
        ),
        (None, CHECKSUM_AND_ID, "127.0.0.1:60956", "127.0.0.1:51111"),
        (None, IPV6_CHECKSUM, "[::1]:36554", "[::1]:51443"),
    ] {
        let header = ProxyHeader::proxy(source.parse().unwrap(), destination.parse().unwrap());
        assert_eq!(parse(bytes), Ok(Parsed::Complete { header, length: bytes.len() }), "{source}");
        if let Some(version) = version {
            assert_eq!(to_bytes(version, &header), bytes);
        }
    }
}

#[test]
fn local_is_written_and_read() {
    assert_eq!(to_bytes(Version::V1, &ProxyHeader::Local), b"PROXY UNKNOWN\r\n");
    assert_eq!(to_bytes(Version::V2, &ProxyHeader::Local), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    for (version, length) in [(Version::V1, 15), (Version::V2, 16)] {
        let read = parse(&to_bytes(version, &ProxyHeader::Local));
        assert_eq!(read, Ok(Parsed::Complete { header: ProxyHeader::Local, length }));
    }
}

#[test]
fn addresses_are_written_in_their_common_family() {
    for (source, destination, line) in [
        ("192.0.2.1:1", "198.51.100.7:2", "PROXY TCP4 192.0.2.1 198.51.100.7 1 2\r\n"),
        ("[::ffff:192.0.2.1]:1", "[::ffff:198.51.100.7]:2", "PROXY TCP4 192.0.2.1 198.51.100.7 1 2\r\n"),
        ("192.0.2.1:1", "[2001:db8::1]:2", "PROXY TCP6 ::ffff:c000:201 2001:db8::1 1 2\r\n"),
        ("[2001:db8::1]:1", "192.0.2.1:2", "PROXY TCP6 2001:db8::1 ::ffff:c000:201 1 2\r\n"),
        ("[fe80::1%3]:1", "[fe80::2%3]:2", "PROXY TCP6 fe80::1 fe80::2 1 2\r\n"),
    ] {
        let header = ProxyHeader::Proxy { source: source.parse().unwrap(), destination: destination.parse().unwrap() };
        assert_eq!(String::from_utf8(to_bytes(Version::V1, &header)).unwrap(), line);
        let lengths = [to_bytes(Version::V2, &header).len(), if line.contains("TCP4") { 28 } else { 52 }];
        assert_eq!(lengths[0], lengths[1], "{line}");
    }
}

#[test]
fn each_byte_of_the_signatures_counts() {
    for signature in [&b"PROXY "[..], b"\r\n\r\n\0\r\nQUIT\n"] {
        for at in 1..signature.len() {
            for byte in (0..=u8::MAX).filter(|byte| *byte != signature[at]) {
                let bytes = [&signature[..at], &[byte]].concat();
                assert_eq!(parse(&bytes), Err(ProxyHeaderError::NoHeader), "{bytes:?}");
            }
        }
    }
}

#[test]
fn another_protocol_is_refused_at_its_first_bytes() {
    for (bytes, needed) in [
        (&b"GET / HTTP/1.1\r\n"[..], 1),
        (b"POST / HTTP/1.1\r\n", 2),
        (b"PRI * HTTP/2.0\r\n", 3),
        (b"PROPFIND / HTTP/1.1\r\n", 4),
        (b"\x16\x03\x01\x02\0\x01", 1),
        (b"SSH-2.0-OpenSSH\r\n", 1),
        (b"\r\n\r\nGET /", 5),
        (b"\n", 1),
    ] {
        assert_eq!(parse(&bytes[..needed]), Err(ProxyHeaderError::NoHeader), "{bytes:?}");
        assert_eq!(parse(&bytes[..needed - 1]), Ok(Parsed::Incomplete), "{bytes:?}");
    }
}

/// What `ppp` makes of `bytes`, in our terms; `Err` if it refuses them. It reports addresses as they are written.
fn parse_with_ppp(bytes: &[u8]) -> Result<Parsed, String> {
    let result = ppp::HeaderResult::parse(bytes);
    if result.is_incomplete() {
        return Ok(Parsed::Incomplete);
    }
    let proxy =
        |source: (IpAddr, u16), destination: (IpAddr, u16)| ProxyHeader::proxy(source.into(), destination.into());
    match result {
        ppp::HeaderResult::V1(Ok(header)) => {
            use ppp::v1::Addresses as A;
            let length = header.header.len();
            let header = match header.addresses {
                A::Unknown => ProxyHeader::Local,
                A::Tcp4(a) => {
                    proxy((a.source_address.into(), a.source_port), (a.destination_address.into(), a.destination_port))
                }
                A::Tcp6(a) => {
                    proxy((a.source_address.into(), a.source_port), (a.destination_address.into(), a.destination_port))
                }
            };
            Ok(Parsed::Complete { header, length })
        }
        ppp::HeaderResult::V2(Ok(header)) => {
            use ppp::v2::{Addresses as A, Command, Protocol};
            if header.command == Command::Proxy && header.addresses != A::Unspecified {
                header.tlvs().try_for_each(|tlv| tlv.map(|_| ())).map_err(|error| error.to_string())?;
            }
            let length = header.len();
            let header = match (header.command, header.addresses, header.protocol) {
                (Command::Local, ..) | (_, A::Unspecified, _) => ProxyHeader::Local,
                (_, A::IPv4(a), Protocol::Stream) => {
                    proxy((a.source_address.into(), a.source_port), (a.destination_address.into(), a.destination_port))
                }
                (_, A::IPv6(a), Protocol::Stream) => {
                    proxy((a.source_address.into(), a.source_port), (a.destination_address.into(), a.destination_port))
                }
                // Difference: `ppp` leaves it to its caller which families and transports are accepted.
                (_, addresses, protocol) => return Err(format!("not TCP: {addresses:?} {protocol:?}")),
            };
            Ok(Parsed::Complete { header, length })
        }
        ppp::HeaderResult::V1(Err(error)) => Err(error.to_string()),
        ppp::HeaderResult::V2(Err(error)) => Err(error.to_string()),
    }
}

/// The differences that are meant, by our result; all others are faults.
#[expect(clippy::match_same_arms, reason = "each arm is a difference of its own")]
fn compare_with_ppp(bytes: &[u8]) -> Result<(), TestCaseError> {
    use ProxyHeaderError as E;
    let (ours, theirs) = (parse(bytes), parse_with_ppp(bytes));
    let (is_v1, is_unknown) = (bytes.starts_with(b"PROXY "), bytes.starts_with(b"PROXY UNKNOWN "));
    let is_local = bytes.get(12) == Some(&0x20);
    let is_meant = match (&ours, &theirs) {
        // `ppp` refuses later: version 2 with 16 bytes, and it waits for more words after a line has ended.
        (Err(_), Ok(Parsed::Incomplete)) => true,
        // It does not check checksums, nor limit the length of version 2.
        (Err(E::InvalidChecksumTlv | E::ChecksumMismatch | E::HeaderTooLong), Ok(_)) => true,
        // It reads a port as Rust does, with a sign.
        (Err(E::InvalidPort), Ok(_)) if is_v1 && bytes.contains(&b'+') => true,
        // It lets a line whose words it ignores end in LF alone.
        (Err(E::InvalidLineEnd), Ok(_)) if is_unknown => true,
        // It wants at most five words after UNKNOWN, all in UTF-8; the specification wants them ignored.
        (Ok(Parsed::Complete { .. }), Ok(Parsed::Incomplete) | Err(_)) if is_unknown => true,
        // It takes the last word of an incomplete line for a whole one.
        (Ok(Parsed::Incomplete), Err(_)) if is_v1 && !bytes.contains(&b'\n') => true,
        // It checks the family and the length of LOCAL; the specification wants them ignored.
        (Ok(_), Err(_)) if is_local => true,
        _ => ours.map_err(|_| ()) == theirs.clone().map_err(|_| ()),
    };
    prop_assert!(is_meant, "{:?}: ours {ours:?}, ppp {theirs:?}", String::from_utf8_lossy(bytes));
    Ok(())
}
