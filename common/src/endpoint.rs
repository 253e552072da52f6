//! Configured server addresses: `host:port`, `host:port:weight`, `[::1]:9001:2`.
//!
//! An [`Endpoint`] is the *configured* address. A host name in it is resolved later and repeatedly
//! ([`crate::net::resolve`]), because an address that is resolved only once is wrong after the first failover of that
//! name.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Longest host name in DNS, in bytes (RFC 1035 §2.3.4).
const MAX_HOST_NAME_BYTES: usize = 253;
/// Longest label of a host name, in bytes (RFC 1035 §2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// A configured server: a host name or an IP address, a port and an optional weight.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// A host name as written, or an IP address (an IPv6 address without brackets).
    pub host: String,
    /// The port, never 0.
    pub port: u16,
    /// The weight, if one was given. Zero is legal: the server gets no new clients, only those that stick to it.
    pub weight: Option<u32>,
}

/// Why a text is not a valid [`Endpoint`]: one line with the text and the expected format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not of the form `host:port[:weight]`.
    #[error("'{text}' is not host:port or host:port:weight, such as 127.0.0.1:9001 or [::1]:9001")]
    Format {
        /// The whole text.
        text: String,
    },
    /// A URL.
    #[error("'{text}' is a URL; expected host:port without scheme and path")]
    Url {
        /// The whole text.
        text: String,
    },
    /// An IPv6 address without brackets: the port cannot be told from the address.
    #[error("'{text}': an IPv6 address needs brackets, such as [::1]:9001")]
    NoBrackets {
        /// The whole text.
        text: String,
    },
    /// Neither an IP address nor a valid host name.
    #[error("'{text}': '{host}' is not an IP address or a host name")]
    Host {
        /// The whole text.
        text: String,
        /// The invalid host part.
        host: String,
    },
    /// Not a port to connect to.
    #[error("'{text}': port '{port}' is not a number from 1 to 65535")]
    Port {
        /// The whole text.
        text: String,
        /// The invalid port part.
        port: String,
    },
    /// Not a weight.
    #[error("'{text}': weight '{weight}' is not a whole number from 0 to {}", u32::MAX)]
    Weight {
        /// The whole text.
        text: String,
        /// The invalid weight part.
        weight: String,
    },
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.contains("://") {
            return Err(EndpointError::Url { text: text.into() });
        }
        let (host, rest) = split_host(text)?;
        let (port, weight) = match rest.split_once(':') {
            Some((port, weight)) => (port, Some(weight)),
            None => (rest, None),
        };
        Ok(Self {
            host,
            port: parse_digits(port)
                .filter(|&port| port != 0)
                .ok_or_else(|| EndpointError::Port { text: text.into(), port: port.into() })?,
            weight: weight
                .map(|weight| {
                    parse_digits(weight)
                        .ok_or_else(|| EndpointError::Weight { text: text.into(), weight: weight.into() })
                })
                .transpose()?,
        })
    }
}

/// `host:port`, with brackets around an IPv6 address, as in a `Host` header, a log line or a table.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` honours the width in a format string, which tables use.
        if self.host.contains(':') {
            f.pad(&format!("[{}]:{}", self.host, self.port))
        } else {
            f.pad(&format!("{}:{}", self.host, self.port))
        }
    }
}

/// The checked host, and the text after its colon.
fn split_host(text: &str) -> Result<(String, &str), EndpointError> {
    let shape = || EndpointError::Format { text: text.into() };
    let no_host = |host: &str| EndpointError::Host { text: text.into(), host: host.into() };
    if let Some(inside) = text.strip_prefix('[') {
        let (address, rest) = inside.split_once(']').ok_or_else(shape)?;
        let rest = rest.strip_prefix(':').ok_or_else(shape)?;
        // In canonical form, so that two spellings of one address compare equal.
        let address: Ipv6Addr = address.parse().map_err(|_| no_host(address))?;
        return Ok((address.to_string(), rest));
    }
    let (host, rest) = text.split_once(':').ok_or_else(shape)?;
    if lacks_brackets(text) {
        return Err(EndpointError::NoBrackets { text: text.into() });
    }
    if !is_valid_host(host) {
        return Err(no_host(host));
    }
    Ok((host.to_owned(), rest))
}

/// Whether this is an IPv6 address, alone or followed by `:port` or `:port:weight`.
fn lacks_brackets(text: &str) -> bool {
    let is_v6 = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    let shorter = text.rsplit_once(':').map_or("", |(before, _)| before);
    let shortest = shorter.rsplit_once(':').map_or("", |(before, _)| before);
    is_v6(text) || is_v6(shorter) || is_v6(shortest)
}

/// An IPv4 address or a name of letters, digits, `-`, `_` and dots.
///
/// A name whose last label is a number must be a complete IPv4 address: `10.0.0.999` is a typo, and the libc resolver
/// silently reads `10.1` as 10.0.0.1.
fn is_valid_host(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > MAX_HOST_NAME_BYTES || !name.split('.').all(is_label) {
        return false;
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    !last.bytes().all(|b| b.is_ascii_digit()) || host.parse::<Ipv4Addr>().is_ok()
}

/// Digits only; `parse` alone would also accept `+80`.
fn parse_digits<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_host_port_and_weight() {
        for (text, host, port, weight, shown) in [
            ("127.0.0.1:9001", "127.0.0.1", 9001, None, "127.0.0.1:9001"),
            ("localhost:1:5", "localhost", 1, Some(5), "localhost:1"),
            ("a_b-c.example.com:65535:0", "a_b-c.example.com", 65535, Some(0), "a_b-c.example.com:65535"),
            ("example.com.:80", "example.com.", 80, None, "example.com.:80"),
            ("3com.net:80:4294967295", "3com.net", 80, Some(u32::MAX), "3com.net:80"),
            ("[::1]:9001", "::1", 9001, None, "[::1]:9001"),
            ("[0:0:0:0:0:0:0:1]:9001:2", "::1", 9001, Some(2), "[::1]:9001"),
            ("[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", 80, None, "[::ffff:10.0.0.1]:80"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(endpoint, Endpoint { host: host.into(), port, weight });
            assert_eq!(endpoint.to_string(), shown);
        }
    }

    #[test]
    fn errors_name_the_fault_and_the_expected_format() {
        let shape = "is not host:port or host:port:weight";
        let url = "is a URL";
        let host = "is not an IP address or a host name";
        let port = "is not a number from 1 to 65535";
        let weight = "is not a whole number from 0 to 4294967295";
        let brackets = "needs brackets";
        for (text, expected) in [
            ("", shape),
            ("localhost", shape),
            ("[::1]", shape),
            ("[::1", shape),
            ("[::1]9001", shape),
            (":9001", host),
            ("[localhost]:80", host),
            ("[]:80", host),
            ("9001:localhost", host),
            ("10.0.0.999:80", host),
            ("127.1:80", host),
            ("-a.com:80", host),
            ("a..b:80", host),
            ("a b:80", host),
            ("user@host:80", host),
            ("bücher.example:80", host),
            ("localhost:", port),
            ("localhost:0", port),
            ("localhost:65536", port),
            ("localhost:+80", port),
            ("localhost: 80", port),
            ("http://localhost", url),
            ("http://localhost:80/", url),
            ("localhost:80:", weight),
            ("localhost:80:-1", weight),
            ("localhost:80:1.5", weight),
            ("localhost:80:4294967296", weight),
            ("localhost:80:1:2", weight),
            ("::1", brackets),
            ("::1:9001", brackets),
            ("::1:9001:2", brackets),
            ("fe80::1", brackets),
            ("2001:db8::1:9001", brackets),
        ] {
            let error = text.parse::<Endpoint>().expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.contains(&format!("'{text}'")), "{text}: {error}");
            assert!(!error.contains('\n'), "{text}: {error}");
        }
    }

    #[test]
    fn display_honours_the_width() {
        let endpoint: Endpoint = "[::1]:9001:2".parse().unwrap();
        assert_eq!(format!("{endpoint:<12}|"), "[::1]:9001  |");
    }
}
