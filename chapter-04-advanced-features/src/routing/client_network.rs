//! What tells clients apart: the address, or for IPv6 the network.

use std::net::{IpAddr, Ipv6Addr};

/// The client's address; for IPv6 its /64 network, which is what a home or a host is assigned: one host may use any of
/// its 2^64 addresses, and could fill every table alone. IPv4-mapped addresses become IPv4.
pub fn client_network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_its_network() {
        for (client, network) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
            ("::1", "::"),
        ] {
            assert_eq!(client_network(client.parse().unwrap()), network.parse::<IpAddr>().unwrap(), "{client}");
        }
    }
}
