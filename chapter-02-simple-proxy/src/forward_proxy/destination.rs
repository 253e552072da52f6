//! Where a request is to go: the authority of its target, and the addresses behind it.
//!
//! A reverse proxy is configured with its backend; a forward proxy is told anew with each request, by
//! whoever sent it. So nothing here is known beforehand, and nothing of it is trusted.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use common::net;

/// The port of `http://host/` (RFC 9110 §4.2.1). A CONNECT names its port: it has no default.
const HTTP_PORT: u16 = 80;

/// A host and a port, as a request named them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// The port, never 0.
    pub port: u16,
}

impl Destination {
    /// Takes `host[:port]` apart. `None` where it is none, or its port is 0: nobody can listen there.
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

    /// The host, if it is an address and not a name.
    pub fn literal_ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Its addresses. Asks the system's resolver, which may take seconds: on this client's thread, it
    /// costs this client only.
    ///
    /// # Errors
    /// The name has none.
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
