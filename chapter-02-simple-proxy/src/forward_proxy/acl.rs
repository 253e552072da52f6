//! The access control list: which destinations clients may connect to.
//!
//! A forward proxy connects to any destination that a client names, from its own network position: to a printer in
//! its network, to a database that only listens on loopback, to itself. Without rules and reachable by others it is
//! an *open proxy*, and scanners find it within hours. So names are checked, and then the addresses they resolve to,
//! because the owner of a name decides where it points.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    str::FromStr,
};

use common::endpoint::Endpoint;
use ipnet::IpNet;

use super::destination::Destination;

/// One `--allow` rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowRule {
    /// A network: its addresses, and names that resolve to them.
    Network(IpNet),
    /// One host name.
    Host(String),
    /// All host names with this suffix, which begins with a dot.
    Suffix(String),
}

impl FromStr for AllowRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unbracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Some(net) = unbracketed.parse().ok().or_else(|| unbracketed.parse::<IpAddr>().map(IpNet::from).ok()) {
            return Ok(Self::Network(net));
        }
        let (suffix, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        let is_host = !name.contains(':') && format!("{name}:80").parse::<Endpoint>().is_ok();
        if !is_host || name.parse::<IpAddr>().is_ok() {
            return Err("expected a network, a host or *.suffix, such as 10.0.0.0/8, example.com, *.example.com".into());
        }
        let name = normalize_host(name);
        Ok(if suffix { Self::Suffix(format!(".{name}")) } else { Self::Host(name) })
    }
}

/// Why a destination is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenyReason {
    /// No rule allows it.
    NotAllowed,
    /// It is this proxy's own listener.
    OwnListener,
}

/// The allow rules, and the proxy's own listen address.
#[derive(Debug)]
pub struct DestinationAcl {
    rules: Vec<AllowRule>,
    listen_address: SocketAddr,
}

impl DestinationAcl {
    /// Without rules, any destination except the proxy itself is allowed.
    pub fn new(rules: Vec<AllowRule>, listen_address: SocketAddr) -> Self {
        Self { rules, listen_address }
    }

    /// Checks the host name before it is resolved, so a name that no rule can allow causes no DNS query.
    ///
    /// # Errors
    /// No rule can allow it, whatever its address is.
    pub fn check_name(&self, destination: &Destination) -> Result<(), DenyReason> {
        let has_network_rule = self.rules.iter().any(|rule| matches!(rule, AllowRule::Network(_)));
        if self.rules.is_empty() || has_network_rule || self.matches_host(&destination.host) {
            Ok(())
        } else {
            Err(DenyReason::NotAllowed)
        }
    }

    /// Checks the resolved addresses, and keeps the allowed ones. The proxy must connect to these and not resolve the
    /// name again: a second lookup could return other addresses (DNS rebinding).
    ///
    /// # Errors
    /// No address is allowed, or one is our own listener.
    pub fn check_addresses(
        &self,
        destination: &Destination,
        mut addresses: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, DenyReason> {
        if addresses.iter().any(|address| self.is_own_listener(*address)) {
            return Err(DenyReason::OwnListener);
        }
        let allowed_by_name = destination.literal_ip().is_none() && self.matches_host(&destination.host);
        let is_localhost = normalize_host(&destination.host) == "localhost";
        addresses.retain(|address| {
            let ip = address.ip().to_canonical();
            self.rules.is_empty()
                || self.matches_ip(ip)
                || allowed_by_name && (is_localhost || !is_host_or_link_local(ip))
        });
        if addresses.is_empty() { Err(DenyReason::NotAllowed) } else { Ok(addresses) }
    }

    fn matches_host(&self, host: &str) -> bool {
        let host = normalize_host(host);
        self.rules.iter().any(|rule| match rule {
            AllowRule::Host(name) => *name == host,
            AllowRule::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
            AllowRule::Network(_) => false,
        })
    }

    fn matches_ip(&self, ip: IpAddr) -> bool {
        self.rules.iter().any(|rule| matches!(rule, AllowRule::Network(net) if net.contains(&ip)))
    }

    /// Whether a connection to `address` would reach this proxy's own listener.
    fn is_own_listener(&self, address: SocketAddr) -> bool {
        let (own, ip) = (self.listen_address.ip().to_canonical(), address.ip().to_canonical());
        // Connecting to 0.0.0.0 reaches this machine; listening on it accepts connections to all its addresses.
        let same = ip == own || ip.is_unspecified() && (own.is_loopback() || own.is_unspecified());
        address.port() == self.listen_address.port() && (same || own.is_unspecified() && is_local_address(ip))
    }
}

/// Host names are compared without case, and with or without the trailing dot of the root.
fn normalize_host(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether the address is on this machine or link-local. A host rule does not allow these: otherwise the owner of
/// the name could make the proxy reach our own services (or a cloud's metadata at 169.254.169.254).
fn is_host_or_link_local(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    link_local || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast()
}

/// Whether the address is local: only then can a socket be bound to it.
fn is_local_address(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(rules: &[&str]) -> DestinationAcl {
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        DestinationAcl::new(rules, "127.0.0.1:8888".parse().unwrap())
    }

    /// Whether `host`, which resolves to `address`, is allowed at port 80.
    fn allows(rules: &[&str], host: &str, address: &str) -> bool {
        let acl = acl(rules);
        let destination = Destination { host: host.into(), port: 80 };
        let address = SocketAddr::new(address.parse().unwrap(), 80);
        acl.check_name(&destination).is_ok() && acl.check_addresses(&destination, vec![address]).is_ok()
    }

    #[test]
    fn parses_allow_rules() {
        let net = |text: &str| Ok(AllowRule::Network(text.parse().unwrap()));
        for (text, expected) in [
            ("10.0.0.0/8", net("10.0.0.0/8")),
            ("192.0.2.7", net("192.0.2.7/32")),
            ("[::1]", net("::1/128")),
            ("Example.com.", Ok(AllowRule::Host("example.com".into()))),
            ("*.Example.com", Ok(AllowRule::Suffix(".example.com".into()))),
        ] {
            assert_eq!(text.parse::<AllowRule>(), expected, "{text}");
        }
        for wrong in ["", "*", "*.", "a b", "10.0.0.0/33", "example.com:80", "*.10.0.0.1", "a*.com", "http://a"] {
            assert!(wrong.parse::<AllowRule>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_and_addresses_are_both_checked() {
        for (rules, host, address, expected) in [
            (&[][..], "anything", "127.0.0.1", true),
            (&["10.0.0.0/8"][..], "10.1.2.3", "10.1.2.3", true),
            (&["10.0.0.0/8"], "::ffff:10.1.2.3", "::ffff:10.1.2.3", true),
            (&["10.0.0.0/8"], "some.name", "10.1.2.3", true),
            (&["10.0.0.0/8"], "some.name", "127.0.0.1", false),
            (&["example.com"], "EXAMPLE.com.", "192.0.2.1", true),
            (&["example.com"], "www.example.com", "192.0.2.1", false),
            (&["example.com"], "192.0.2.1", "192.0.2.1", false),
            (&["*.example.com"], "a.b.example.com", "192.0.2.1", true),
            (&["*.example.com"], "example.com", "192.0.2.1", false),
            (&["*.example.com"], "badexample.com", "192.0.2.1", false),
            (&["*.example.com"], "rebound.example.com", "127.0.0.1", false),
            (&["*.example.com"], "rebound.example.com", "::1", false),
            (&["*.example.com"], "rebound.example.com", "::ffff:127.0.0.1", false),
            (&["*.example.com"], "rebound.example.com", "169.254.169.254", false),
            (&["*.example.com"], "rebound.example.com", "0.0.0.0", false),
            (&["*.example.com", "127.0.0.0/8"], "own.example.com", "127.0.0.1", true),
            (&["localhost"], "localhost", "127.0.0.1", true),
            (&["localhost"], "127.0.0.1", "127.0.0.1", false),
        ] {
            assert_eq!(allows(rules, host, address), expected, "{rules:?} {host} {address}");
        }
    }

    #[test]
    fn detects_own_listener() {
        for (listening, address, expected) in [
            ("127.0.0.1:8888", "127.0.0.1:8888", true),
            ("127.0.0.1:8888", "[::ffff:127.0.0.1]:8888", true),
            ("127.0.0.1:8888", "0.0.0.0:8888", true),
            ("127.0.0.1:8888", "127.0.0.1:8889", false),
            ("127.0.0.1:8888", "127.0.0.2:8888", false),
            ("0.0.0.0:8888", "127.0.0.1:8888", true),
            ("0.0.0.0:8888", "192.0.2.1:8888", false),
        ] {
            let acl = DestinationAcl::new(Vec::new(), listening.parse().unwrap());
            assert_eq!(acl.is_own_listener(address.parse().unwrap()), expected, "{listening} {address}");
        }
    }
}
