//! How requests are forwarded, and the client address that backends see (X-Forwarded-For, X-Real-IP).
//!
//! [`Forwarding`] is constant per process, and [`ClientAddress`] per client connection. They are two arguments of
//! [`Relay::begin`](super::Relay::begin), so neither is copied per request.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::parse::{
    field_name::{KnownField, trim_ows},
    head::HeadView,
    request_target::ProxyRole,
};

/// How requests are forwarded; one per process.
#[derive(Debug, Clone)]
pub struct Forwarding {
    /// The role of the proxy. A forward proxy does not reveal its clients: it adds only `Via`, and forwards headers
    /// about the client unchanged.
    pub role: ProxyRole,
    /// This proxy's pseudonym in `Via`. Unique per process, so that two balancers in a row are not taken for a loop.
    pub via_pseudonym: String,
    /// The scheme that clients use: `http`, or `https` behind TLS termination.
    pub scheme: &'static str,
    /// Networks of proxies whose X-Forwarded-* headers are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether backend connections are kept alive; otherwise requests carry `Connection: close`.
    pub backend_keep_alive: bool,
}

impl Forwarding {
    /// Whether `peer` is a trusted proxy.
    pub fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|net| net.contains(&peer))
    }
}

/// The two addresses of a client connection, as backends see them. Created once per connection.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress {
    peer: IpAddr,
    peer_text: AddressText,
    local: SocketAddr,
    is_trusted_proxy: bool,
}

/// An address as text, formatted once per connection: `core::fmt` took a sixth of the cost of a forwarded head.
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
    /// A client at `peer` that is connected to `local`. An IPv4-mapped address becomes IPv4.
    pub fn new(peer: IpAddr, local: SocketAddr, forwarding: &Forwarding) -> Self {
        let peer = peer.to_canonical();
        Self { peer, peer_text: AddressText::new(peer), local, is_trusted_proxy: forwarding.is_trusted_proxy(peer) }
    }

    /// The address of the peer: the client, or the proxy in front of us.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// The address of the client: the peer, or the address that a trusted proxy reports in X-Forwarded-For.
    pub fn real_ip(&self, head: HeadView<'_>, forwarding: &Forwarding) -> IpAddr {
        let reported = self.is_trusted_proxy.then(|| first_untrusted(head, forwarding)).flatten();
        reported.unwrap_or(self.peer)
    }

    /// The peer's address as text.
    pub(crate) fn peer_text(&self) -> &[u8] {
        self.peer_text.as_bytes()
    }

    /// The local address that the peer connected to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Whether the peer is a trusted proxy, whose X-Forwarded-* and X-Request-ID headers are kept.
    pub fn is_trusted_proxy(&self) -> bool {
        self.is_trusted_proxy
    }
}

/// The last untrusted address in X-Forwarded-For, read from the right. If an entry is malformed or all are trusted, the
/// leftmost valid address read so far. Empty entries, as after a trailing comma, are ignored (RFC 9110 §5.6.1).
fn first_untrusted(head: HeadView<'_>, forwarding: &Forwarding) -> Option<IpAddr> {
    let mut known = None;
    for value in head.field_values(KnownField::ForwardedFor).rev() {
        for hop in value.rsplit(|byte| *byte == b',').filter(|hop| !trim_ows(hop).is_empty()) {
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

/// Parses `192.0.2.1`, and the forms that some proxies write: with a port, or in brackets.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}
