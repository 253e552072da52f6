//! Version 2: a signature that no other protocol begins with, then binary fields (§2.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    error::ProxyHeaderError,
    header::ProxyHeader,
    parsed::{MAX_HEADER_BYTES, Parsed, agrees_with},
    tlv,
};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family and transport, and the length of the rest.
const FIXED_BYTES: usize = SIGNATURE.len() + 4;
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
const UDP_OVER_IPV4: u8 = 0x12;
const UDP_OVER_IPV6: u8 = 0x22;
/// Two addresses and two ports.
const IPV4_BYTES: usize = 2 * (4 + 2);
const IPV6_BYTES: usize = 2 * (16 + 2);

/// What kind of addresses a header has.
#[derive(Clone, Copy)]
enum Family {
    /// None, or some that must be ignored.
    Ignored,
    Ipv4,
    Ipv6,
}

/// Reads a header at the start of `bytes`, field by field as they arrive.
pub(super) fn read(bytes: &[u8]) -> Result<Parsed, ProxyHeaderError> {
    if !agrees_with(bytes, SIGNATURE) {
        return Err(ProxyHeaderError::NoHeader);
    }
    let fields = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    let [version_and_command, fields @ ..] = fields else { return Ok(Parsed::Incomplete) };
    check_command(*version_and_command)?;
    let [family_and_transport, fields @ ..] = fields else { return Ok(Parsed::Incomplete) };
    let family = family(*version_and_command, *family_and_transport)?;
    let [high, low, ..] = fields else { return Ok(Parsed::Incomplete) };
    let length = FIXED_BYTES + usize::from(u16::from_be_bytes([*high, *low]));
    check_length(length, family)?;
    let Some(whole) = bytes.get(..length) else { return Ok(Parsed::Incomplete) };
    let header = match family {
        Family::Ignored => ProxyHeader::Local,
        Family::Ipv4 => read_addresses::<4>(whole, |ip| Ipv4Addr::from(ip).into())?,
        Family::Ipv6 => read_addresses::<16>(whole, |ip| Ipv6Addr::from(ip).into())?,
    };
    Ok(Parsed::Complete { header, length })
}

fn check_command(byte: u8) -> Result<(), ProxyHeaderError> {
    match byte {
        LOCAL | PROXY => Ok(()),
        0x22..=0x2F => Err(ProxyHeaderError::UnknownCommand(byte & 0x0F)),
        _ => Err(ProxyHeaderError::UnsupportedVersion(byte >> 4)),
    }
}

/// The family of the addresses.
///
/// §2.2 lets a receiver treat what it does not support as unspecified. UNIX sockets and datagrams are refused: what
/// arrives on a TCP listener with such a header is a wrong configuration, and would be counted as the proxy's own.
fn family(version_and_command: u8, family_and_transport: u8) -> Result<Family, ProxyHeaderError> {
    match family_and_transport {
        _ if version_and_command == LOCAL => Ok(Family::Ignored),
        0x00..=0x02 => Ok(Family::Ignored),
        TCP_OVER_IPV4 => Ok(Family::Ipv4),
        TCP_OVER_IPV6 => Ok(Family::Ipv6),
        _ => Err(ProxyHeaderError::UnsupportedFamily(family_and_transport)),
    }
}

fn check_length(length: usize, family: Family) -> Result<(), ProxyHeaderError> {
    let addresses = match family {
        Family::Ignored => 0,
        Family::Ipv4 => IPV4_BYTES,
        Family::Ipv6 => IPV6_BYTES,
    };
    match length {
        _ if length < FIXED_BYTES + addresses => Err(ProxyHeaderError::HeaderTooShort),
        _ if length > MAX_HEADER_BYTES => Err(ProxyHeaderError::HeaderTooLong),
        _ => Ok(()),
    }
}

/// Reads addresses of `N` bytes, and checks the TLVs. With unspecified addresses, TLVs have no defined place, so only
/// these headers can have a checksum.
fn read_addresses<const N: usize>(
    header: &[u8],
    ip: impl Fn([u8; N]) -> IpAddr,
) -> Result<ProxyHeader, ProxyHeaderError> {
    let short = ProxyHeaderError::HeaderTooShort;
    let (source_ip, rest) = header[FIXED_BYTES..].split_first_chunk::<N>().ok_or(short)?;
    let (destination_ip, rest) = rest.split_first_chunk::<N>().ok_or(short)?;
    let (source_port, rest) = rest.split_first_chunk::<2>().ok_or(short)?;
    let (destination_port, tlvs) = rest.split_first_chunk::<2>().ok_or(short)?;
    tlv::check(header, header.len() - tlvs.len())?;
    let source = SocketAddr::new(ip(*source_ip), u16::from_be_bytes(*source_port));
    let destination = SocketAddr::new(ip(*destination_ip), u16::from_be_bytes(*destination_port));
    Ok(ProxyHeader::proxy(source, destination))
}

/// Appends a header for addresses of one family.
pub(super) fn write_proxy(source: SocketAddr, destination: SocketAddr, into: &mut Vec<u8>) {
    write_addresses((TCP_OVER_IPV4, TCP_OVER_IPV6), source, destination, into);
}

/// The same before a datagram.
pub(super) fn write_datagram(source: SocketAddr, destination: SocketAddr, into: &mut Vec<u8>) {
    write_addresses((UDP_OVER_IPV4, UDP_OVER_IPV6), source, destination, into);
}

/// `families`: that of IPv4 addresses, and that of IPv6 addresses.
fn write_addresses(families: (u8, u8), source: SocketAddr, destination: SocketAddr, into: &mut Vec<u8>) {
    let (family, bytes) = if source.is_ipv4() { (families.0, IPV4_BYTES) } else { (families.1, IPV6_BYTES) };
    write_fixed(PROXY, family, bytes, into);
    for address in [source, destination] {
        match address.ip() {
            IpAddr::V4(ip) => into.extend(ip.octets()),
            IpAddr::V6(ip) => into.extend(ip.octets()),
        }
    }
    into.extend(source.port().to_be_bytes());
    into.extend(destination.port().to_be_bytes());
}

/// Appends the header of a connection of the proxy's own.
pub(super) fn write_local(into: &mut Vec<u8>) {
    write_fixed(LOCAL, 0, 0, into);
}

fn write_fixed(version_and_command: u8, family_and_transport: u8, length: usize, into: &mut Vec<u8>) {
    into.extend_from_slice(SIGNATURE);
    into.extend([version_and_command, family_and_transport]);
    into.extend(u16::try_from(length).expect("addresses are at most 36 bytes").to_be_bytes());
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::proxy_protocol::tlv::tests::{append_checksum, tlv};

    const IPV4: [u8; IPV4_BYTES] = [192, 0, 2, 1, 198, 51, 100, 7, 0xDC, 0x04, 0x01, 0xBB];

    /// A header with this body, whatever its fields.
    pub(crate) fn header(version_and_command: u8, family_and_transport: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[version_and_command, family_and_transport], &length, body].concat()
    }

    /// A header with a valid checksum after this body.
    pub(crate) fn header_with_checksum(family_and_transport: u8, body: &[u8]) -> Vec<u8> {
        let mut header = header(PROXY, family_and_transport, &[body, &[0; 7]].concat());
        header.truncate(header.len() - 7);
        append_checksum(&mut header);
        header
    }

    fn ipv4() -> ProxyHeader {
        ProxyHeader::Proxy {
            source: "192.0.2.1:56324".parse().unwrap(),
            destination: "198.51.100.7:443".parse().unwrap(),
        }
    }

    #[test]
    fn a_header_is_read() {
        let ipv6 = [&[0x20, 1, 0x0D, 0xB8][..], &[0; 11], &[1], &[0; 15], &[1], &[0, 1, 0, 2]].concat();
        let mapped = [&[0; 10][..], &[0xFF, 0xFF, 192, 0, 2, 1], &[0; 15], &[1], &[0, 1, 0, 2]].concat();
        let proxy = |source: &str, destination: &str| ProxyHeader::Proxy {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        };
        let longest = [&IPV4[..], &tlv(0xE0, &[0; MAX_HEADER_BYTES - FIXED_BYTES - IPV4_BYTES - 3])].concat();
        for (bytes, expected) in [
            (header(PROXY, TCP_OVER_IPV4, &IPV4), ipv4()),
            (header(PROXY, TCP_OVER_IPV6, &ipv6), proxy("[2001:db8::1]:1", "[::1]:2")),
            (header(PROXY, TCP_OVER_IPV6, &mapped), proxy("192.0.2.1:1", "[::1]:2")),
            (header(PROXY, TCP_OVER_IPV4, &[&IPV4[..], &tlv(1, b"h2"), &tlv(4, &[])].concat()), ipv4()),
            (header(PROXY, TCP_OVER_IPV4, &longest), ipv4()),
            (header_with_checksum(TCP_OVER_IPV4, &[&IPV4[..], &tlv(2, b"a.example")].concat()), ipv4()),
            (header(LOCAL, 0x00, &[]), ProxyHeader::Local),
            (header(LOCAL, TCP_OVER_IPV4, &IPV4), ProxyHeader::Local),
            (header(LOCAL, TCP_OVER_IPV4, &[1]), ProxyHeader::Local),
            (header(LOCAL, 0xFF, &[9; 40]), ProxyHeader::Local),
            (header(PROXY, 0x00, &[]), ProxyHeader::Local),
            (header(PROXY, 0x01, &[9; 40]), ProxyHeader::Local),
            (header(PROXY, 0x02, &[9]), ProxyHeader::Local),
        ] {
            let complete = Ok(Parsed::Complete { header: expected, length: bytes.len() });
            assert_eq!(read(&bytes), complete, "{bytes:?}");
            assert_eq!(read(&[&bytes[..], b"\r\n\r\n\0GET"].concat()), complete, "{bytes:?}");
            for length in 0..bytes.len() {
                assert_eq!(read(&bytes[..length]), Ok(Parsed::Incomplete), "{bytes:?} {length}");
            }
        }
    }

    /// Each header is refused at the byte with this index, not before.
    #[test]
    fn a_header_is_refused_at_its_first_invalid_field() {
        use ProxyHeaderError as E;
        let (command, family, length) = (SIGNATURE.len(), SIGNATURE.len() + 1, FIXED_BYTES - 1);
        let whole = |bytes: Vec<u8>, error| (bytes.len() - 1, bytes, error);
        let with_tlv = |kind, value: &[u8]| header(PROXY, TCP_OVER_IPV4, &[&IPV4[..], &tlv(kind, value)].concat());
        let mut changed = header_with_checksum(TCP_OVER_IPV4, &IPV4);
        changed[FIXED_BYTES] ^= 1;
        for (at, bytes, error) in [
            (1, b"\r\rQUIT".to_vec(), E::NoHeader),
            (11, [&SIGNATURE[..11], b"\r"].concat(), E::NoHeader),
            (command, header(0x11, TCP_OVER_IPV4, &IPV4), E::UnsupportedVersion(1)),
            (command, header(0x31, TCP_OVER_IPV4, &IPV4), E::UnsupportedVersion(3)),
            (command, header(0x22, TCP_OVER_IPV4, &IPV4), E::UnknownCommand(2)),
            (command, header(0x2F, 0, &[]), E::UnknownCommand(15)),
            (family, header(PROXY, 0x03, &IPV4), E::UnsupportedFamily(0x03)),
            (family, header(PROXY, 0x10, &IPV4), E::UnsupportedFamily(0x10)),
            (family, header(PROXY, 0x12, &IPV4), E::UnsupportedFamily(0x12)),
            (family, header(PROXY, 0x22, &[0; 36]), E::UnsupportedFamily(0x22)),
            (family, header(PROXY, 0x31, &[0; 216]), E::UnsupportedFamily(0x31)),
            (family, header(PROXY, 0x32, &[0; 216]), E::UnsupportedFamily(0x32)),
            (family, header(PROXY, 0x41, &[]), E::UnsupportedFamily(0x41)),
            (length, header(PROXY, TCP_OVER_IPV4, &[]), E::HeaderTooShort),
            (length, header(PROXY, TCP_OVER_IPV4, &IPV4[1..]), E::HeaderTooShort),
            (length, header(PROXY, TCP_OVER_IPV6, &[0; 35]), E::HeaderTooShort),
            (length, header(PROXY, TCP_OVER_IPV4, &[0; MAX_HEADER_BYTES - FIXED_BYTES + 1]), E::HeaderTooLong),
            (length, header(LOCAL, 0, &[0; MAX_HEADER_BYTES - FIXED_BYTES + 1]), E::HeaderTooLong),
            whole(header(PROXY, TCP_OVER_IPV4, &[&IPV4[..], &[4]].concat()), E::TruncatedTlv),
            whole(header(PROXY, TCP_OVER_IPV4, &[&IPV4[..], &[4, 0]].concat()), E::TruncatedTlv),
            whole(header(PROXY, TCP_OVER_IPV4, &[&IPV4[..], &[4, 0, 1]].concat()), E::TruncatedTlv),
            whole(with_tlv(3, &[0; 3]), E::InvalidChecksumTlv),
            whole(with_tlv(3, &[0; 4]), E::ChecksumMismatch),
            whole(changed, E::ChecksumMismatch),
        ] {
            assert_eq!(read(&bytes[..at]), Ok(Parsed::Incomplete), "{bytes:?}");
            assert_eq!(read(&bytes[..=at]), Err(error), "{bytes:?}");
            assert_eq!(read(&bytes), Err(error), "{bytes:?}");
        }
    }
}
