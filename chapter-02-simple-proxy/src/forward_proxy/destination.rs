//! The destination of a request: the authority of its target, and the addresses it resolves to.
//!
//! A reverse proxy is configured with its backend; a forward proxy gets the destination with each request, from the
//! client. So nothing here is known in advance, and none of it is trusted.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use common::net;

/// The default port of `http://host/` (RFC 9110 §4.2.1). CONNECT has no default: it always names the port.
const HTTP_PORT: u16 = 80;

/// The host and port that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// A host name or an IP address, IPv6 without brackets.
    pub host: String,
    /// The port, never 0.
    pub port: u16,
}

impl Destination {
    /// Parses `host[:port]`. `None` if it is invalid, or the port is 0, on which no server can listen.
    pub fn parse(authority: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(authority).ok()?;
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                (host, rest.strip_prefix(':').unwrap_or(rest))
            }
            None => text.split_once(':').unwrap_or((text, "")),
        };
        let port = if port.is_empty() { HTTP_PORT } else { port.parse().ok().filter(|port| *port != 0)? };
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port })
    }

    /// The host, if it is an IP address and not a name.
    pub fn literal_ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Resolves the host. The system's resolver may block for seconds: on the client's own thread, that delays only
    /// this client.
    ///
    /// # Errors
    /// The name does not resolve.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        net::resolve(&self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_authority() {
        for (authority, expected) in [
            ("a", Some(("a", 80))),
            ("a:", Some(("a", 80))),
            ("a:8080", Some(("a", 8080))),
            ("127.0.0.1:443", Some(("127.0.0.1", 443))),
            ("[::1]", Some(("::1", 80))),
            ("[::1]:443", Some(("::1", 443))),
            ("a:0", None),
            ("a:65536", None),
            (":80", None),
            ("", None),
            ("[::1", None),
        ] {
            let expected = expected.map(|(host, port)| Destination { host: host.to_owned(), port });
            assert_eq!(Destination::parse(authority.as_bytes()), expected, "{authority}");
        }
    }
}
