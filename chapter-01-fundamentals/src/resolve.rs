//! Name resolution with getaddrinfo(3), and what its results say.
//!
//! It is the one call of this chapter that is not a system call: the C library reads `/etc/hosts`, queries
//! name servers, and sorts the addresses by how likely they can be reached (RFC 6724). It blocks until that is
//! done, and has no timeout.

use std::{fmt, io, net::SocketAddr};

use dns_lookup::{AddrFamily, AddrInfo, Protocol, SockType, getaddrinfo};

/// One result of getaddrinfo(3): the arguments for socket(2) and connect(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolvedAddress {
    /// The address and the port.
    pub address: SocketAddr,
    family: i32,
    socket_type: i32,
    protocol: i32,
}

impl ResolvedAddress {
    /// Whether it is for a stream socket, and so for TCP.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        SockType::Stream == self.socket_type
    }
}

impl From<AddrInfo> for ResolvedAddress {
    fn from(info: AddrInfo) -> Self {
        Self { address: info.sockaddr, family: info.address, socket_type: info.socktype, protocol: info.protocol }
    }
}

/// `IPv4  stream    TCP  127.0.0.1:80`
impl fmt::Display for ResolvedAddress {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name_of = |names: &[(bool, &str)], number: i32| {
            let name = names.iter().find(|(matches, _)| *matches);
            name.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
        };
        let families = [(AddrFamily::Inet == self.family, "IPv4"), (AddrFamily::Inet6 == self.family, "IPv6")];
        let kinds = [
            (SockType::Stream == self.socket_type, "stream"),
            (SockType::DGram == self.socket_type, "datagram"),
            (SockType::Raw == self.socket_type, "raw"),
        ];
        let protocols = [
            (Protocol::TCP == self.protocol, "TCP"),
            (Protocol::UDP == self.protocol, "UDP"),
            (self.protocol == 0, "any"),
        ];
        let (family, kind) = (name_of(&families, self.family), name_of(&kinds, self.socket_type));
        let protocol = name_of(&protocols, self.protocol);
        write!(to, "{family:<4}  {kind:<8}  {protocol:<3}  {}", self.address)
    }
}

/// All addresses of `host`, in the resolver's order.
///
/// # Errors
/// The name does not resolve; the error names it.
pub fn lookup_host(host: &str, port: u16) -> io::Result<Vec<ResolvedAddress>> {
    let with_host = |error: io::Error| io::Error::new(error.kind(), format!("cannot resolve '{host}': {error}"));
    let found = getaddrinfo(Some(host), Some(&port.to_string()), None).map_err(|error| with_host(error.into()))?;
    found.map(|info| info.map(ResolvedAddress::from)).collect::<io::Result<_>>().map_err(with_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_resolves_to_itself_once_per_socket_type() {
        let found = lookup_host("127.0.0.1", 80).unwrap();
        assert!(found.iter().all(|resolved| resolved.address == "127.0.0.1:80".parse().unwrap()));
        let streams: Vec<_> = found.iter().filter(|resolved| resolved.is_stream()).collect();
        assert_eq!(streams.len(), 1);
        assert_eq!(streams[0].to_string(), "IPv4  stream    TCP  127.0.0.1:80");
    }

    #[test]
    fn the_error_names_the_host_that_does_not_resolve() {
        // A label cannot be empty, so this fails without a DNS query.
        let error = lookup_host("no..such", 80).unwrap_err();
        assert!(error.to_string().starts_with("cannot resolve 'no..such': "), "{error}");
    }
}
