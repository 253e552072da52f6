//! How requests are forwarded, and the client address that backends are told (X-Forwarded-For, X-Real-IP).
//!
//! [`Forwarding`] is the same for all requests of a process, [`ClientAddress`] for all of a connection. So they are two
//! arguments of [`Relay::begin`](super::Relay::begin), and neither is copied per request.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::parse::{field_name::KnownField, head::HeadView, request_target::ProxyRole};

/// How requests are forwarded: one per process, shared.
#[derive(Debug, Clone)]
pub struct Forwarding {
    /// A forward proxy keeps to itself who its clients are: it adds `Via` alone, and leaves fields that
    /// speak of a client as they came.
    pub role: ProxyRole,
    /// Our pseudonym in `Via`. Unique per process: two balancers in a row are no loop.
    pub via_pseudonym: String,
    /// The scheme clients used: `http`, or `https` behind TLS termination.
    pub scheme: &'static str,
    /// Proxies whose word on the client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether backend connections are used again; else they are told `Connection: close`.
    pub backend_keep_alive: bool,
}

impl Forwarding {
    /// Whether `peer` may speak for others.
    pub fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|net| net.contains(&peer))
    }
}

/// The two ends of a client's connection, as backends are told of them. Made once per connection.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress {
    peer: IpAddr,
    peer_text: AddressText,
    local: SocketAddr,
    is_trusted_proxy: bool,
}

/// An address as text, written once per connection: `core::fmt` was a sixth of the cost of a forwarded head.
#[derive(Debug, Clone, Copy)]
struct AddressText {
    bytes: [u8; "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".len()],
    length: u8,
}

impl AddressText {
    fn new(address: IpAddr) -> Self {
        let text = address.to_string();
        let mut bytes = [0; _];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Self { bytes, length: u8::try_from(text.len()).expect("no address is longer than 39 bytes") }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl ClientAddress {
    /// `peer` connected to `local`. An IPv4 address in IPv6 clothes is undressed.
    pub fn new(peer: IpAddr, local: SocketAddr, forwarding: &Forwarding) -> Self {
        let peer = peer.to_canonical();
        Self { peer, peer_text: AddressText::new(peer), local, is_trusted_proxy: forwarding.is_trusted_proxy(peer) }
    }

    /// The address of the peer.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Who sent this request: the peer, or whom a trusted peer vouches for.
    pub fn real_ip(&self, head: HeadView<'_>, forwarding: &Forwarding) -> IpAddr {
        let vouched = self.is_trusted_proxy.then(|| first_untrusted(head, forwarding)).flatten();
        vouched.unwrap_or(self.peer)
    }

    /// The peer's address as text.
    pub(crate) fn peer_text(&self) -> &[u8] {
        self.peer_text.as_bytes()
    }

    /// The address that it connected to.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether the peer is a trusted proxy, so that its X-Forwarded-* fields count.
    pub(crate) fn is_trusted_proxy(&self) -> bool {
        self.is_trusted_proxy
    }
}

/// Reads the chain from the right. Where it cannot be read, or all are trusted, its last readable
/// address is the best that is known.
fn first_untrusted(head: HeadView<'_>, forwarding: &Forwarding) -> Option<IpAddr> {
    let mut known = None;
    for value in head.field_values(KnownField::ForwardedFor).rev() {
        for hop in value.rsplit(|byte| *byte == b',') {
            let Some(address) = std::str::from_utf8(hop).ok().and_then(|text| parse_hop(text.trim())) else {
                return known;
            };
            known = Some(address);
            if !forwarding.is_trusted_proxy(address) {
                return known;
            }
        }
    }
    known
}

/// `192.0.2.1`, and the forms that some proxies write: with a port, in brackets.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}
