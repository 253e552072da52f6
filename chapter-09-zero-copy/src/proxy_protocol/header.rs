//! The addresses in a PROXY protocol header.

use std::net::SocketAddr;

/// What a header says about the connection that it precedes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The addresses of the connection itself are valid: the proxy opened it on its own behalf, for example for a health
    /// check, or does not know the client. Version 1 calls it `UNKNOWN`, version 2 `LOCAL` or `AF_UNSPEC`.
    Local,
    /// The proxy relays another connection.
    Proxy {
        /// The address of the client.
        source: SocketAddr,
        /// The address that the client connected to.
        destination: SocketAddr,
    },
}

impl ProxyHeader {
    /// The header of a connection between these addresses, IPv4-mapped ones as IPv4: a client is the same client on an
    /// IPv4 and on an IPv6 listener, in access lists and in counts. Headers do not transport an IPv6 scope or flow label.
    pub fn proxy(source: SocketAddr, destination: SocketAddr) -> Self {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        Self::Proxy { source: canonical(source), destination: canonical(destination) }
    }
}
