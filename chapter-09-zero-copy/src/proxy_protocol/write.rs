//! Writes the header that goes before a connection's bytes.

use std::net::{IpAddr, SocketAddr};

use super::{header::ProxyHeader, v1, v2, version::Version};

/// Appends the header to `into`: at most 107 bytes, which the specification wants to be sent at once.
///
/// Both addresses of a header have one family. If only one of them is IPv6, as with a client that was read from another
/// header, the other is written IPv4-mapped (`::ffff:192.0.2.1`).
pub fn write(version: Version, header: &ProxyHeader, into: &mut Vec<u8>) {
    let ProxyHeader::Proxy { source, destination } = *header else {
        return match version {
            Version::V1 => v1::write_local(into),
            Version::V2 => v2::write_local(into),
        };
    };
    let (source, destination) = with_common_family(source, destination);
    match version {
        Version::V1 => v1::write_proxy(source, destination, into),
        Version::V2 => v2::write_proxy(source, destination, into),
    }
}

/// Appends the header of version 2 that goes before a datagram. Version 1 has none.
pub fn write_datagram(source: SocketAddr, destination: SocketAddr, into: &mut Vec<u8>) {
    let (source, destination) = with_common_family(source, destination);
    v2::write_datagram(source, destination, into);
}

/// IPv4 if both addresses are, mapped ones included; else IPv6.
fn with_common_family(source: SocketAddr, destination: SocketAddr) -> (SocketAddr, SocketAddr) {
    let (from, to) = (source.ip().to_canonical(), destination.ip().to_canonical());
    let (from, to) = if from.is_ipv4() && to.is_ipv4() { (from, to) } else { (to_ipv6(from), to_ipv6(to)) };
    (SocketAddr::new(from, source.port()), SocketAddr::new(to, destination.port()))
}

fn to_ipv6(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(_) => address,
    }
}
