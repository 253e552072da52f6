//! What has to be read before a backend can be chosen: a PROXY header, and the first message of a TLS connection.
//!
//! Most sessions have neither and read nothing here. What is read is bounded in size and in time, and goes on to the
//! backend as it came; only a PROXY header is taken away.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;

use super::end::SessionEnd;
use crate::{
    client_hello::{self, ClientHelloRead, SniTable},
    proxy_protocol::{self, Parsed, ProxyHeader},
};

/// What is read before a backend is chosen.
#[derive(Clone, Debug)]
pub struct PreludeConfig {
    /// The peers whose connections begin with a PROXY header. From all others, its bytes are payload.
    pub accept_proxy: Vec<IpNet>,
    /// Which group gets the connections to which TLS server name. Empty: no `ClientHello` is expected.
    pub sni: SniTable,
    /// Within which time after the connection was accepted it has to be complete.
    pub timeout: Duration,
}

impl PreludeConfig {
    /// Whether connections of `peer` begin with a PROXY header.
    pub(crate) fn is_trusted(&self, peer: IpAddr) -> bool {
        self.accept_proxy.iter().any(|network| network.contains(&peer.to_canonical()))
    }
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prelude {
    /// The client's address, as the PROXY header says.
    pub(crate) client: SocketAddr,
    /// The address that the client connected to, as the PROXY header says.
    pub(crate) destination: SocketAddr,
    /// The index of the group that an SNI rule leads to. `None`: the default group.
    pub(crate) group: Option<usize>,
    /// The TLS server name, if there are SNI rules.
    pub(crate) server_name: Option<Box<str>>,
    /// Bytes of the client that the backend has yet to get.
    pub(crate) received: Vec<u8>,
}

/// Reads the prelude of one session, without waiting.
pub(crate) struct PreludeReader<'c> {
    config: &'c PreludeConfig,
    expects_header: bool,
    expects_hello: bool,
    pub(crate) prelude: Prelude,
}

impl<'c> PreludeReader<'c> {
    pub(crate) fn new(config: &'c PreludeConfig, peer: SocketAddr, local: SocketAddr) -> Self {
        Self {
            config,
            expects_header: config.is_trusted(peer.ip()),
            expects_hello: !config.sni.is_empty(),
            prelude: Prelude { client: peer, destination: local, group: None, server_name: None, received: Vec::new() },
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        !self.expects_header && !self.expects_hello
    }

    /// How the session ends if no more bytes come.
    pub(crate) fn end_if_incomplete(&self) -> SessionEnd {
        if self.expects_header { SessionEnd::BadProxyHeader } else { SessionEnd::NoHello }
    }

    // ANCHOR: push
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), SessionEnd> {
        self.prelude.received.extend_from_slice(bytes);
        if self.expects_header {
            self.read_header()?;
        }
        if !self.expects_header && self.expects_hello {
            self.read_hello()?;
        }
        Ok(())
    }
    // ANCHOR_END: push

    fn read_header(&mut self) -> Result<(), SessionEnd> {
        let parsed = proxy_protocol::parse(&self.prelude.received).map_err(|_| SessionEnd::BadProxyHeader)?;
        let Parsed::Complete { header, length } = parsed else { return Ok(()) };
        if let ProxyHeader::Proxy { source, destination } = header {
            (self.prelude.client, self.prelude.destination) = (source, destination);
        }
        self.prelude.received.drain(..length);
        self.expects_header = false;
        Ok(())
    }

    fn read_hello(&mut self) -> Result<(), SessionEnd> {
        match client_hello::read(&self.prelude.received).map_err(|_| SessionEnd::NoHello)? {
            ClientHelloRead::Incomplete => {}
            ClientHelloRead::Complete(hello) => {
                self.prelude.group = self.config.sni.find(&hello);
                self.prelude.server_name = hello.server_name().map(Into::into);
                self.expects_hello = false;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn config(sni: &[&str]) -> PreludeConfig {
        let rules = sni.iter().map(|rule| rule.parse().unwrap()).collect();
        PreludeConfig {
            accept_proxy: vec!["127.0.0.0/8".parse().unwrap()],
            sni: SniTable::new(rules, &["default", "api"]).unwrap(),
            timeout: Duration::from_secs(5),
        }
    }

    const HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n";

    #[test]
    fn a_header_of_a_trusted_peer_is_taken_away_however_it_is_split() {
        let config = config(&[]);
        let bytes = [HEADER, b"payload"].concat();
        for split in 1..bytes.len() {
            let mut reader = PreludeReader::new(&config, addr("127.0.0.1:5"), addr("127.0.0.1:80"));
            reader.push(&bytes[..split]).unwrap();
            assert_eq!(reader.is_complete(), split >= HEADER.len());
            reader.push(&bytes[split..]).unwrap();
            assert!(reader.is_complete());
            let Prelude { client, destination, received, .. } = reader.prelude;
            assert_eq!((client, destination), (addr("192.0.2.1:1234"), addr("192.0.2.2:443")));
            assert_eq!(received, b"payload");
        }
    }

    #[test]
    fn a_header_of_a_stranger_is_payload() {
        let config = config(&[]);
        let reader = PreludeReader::new(&config, addr("192.0.2.9:5"), addr("127.0.0.1:80"));
        assert!(reader.is_complete());
        // An IPv4 client of an IPv6 listener is the same peer.
        let reader = PreludeReader::new(&config, addr("[::ffff:127.0.0.1]:5"), addr("[::]:80"));
        assert!(!reader.is_complete());
    }

    #[test]
    fn other_bytes_end_the_session_in_the_word_for_what_is_missing() {
        let both = config(&["host=a -> api"]);
        let mut reader = PreludeReader::new(&both, addr("127.0.0.1:5"), addr("127.0.0.1:80"));
        assert_eq!(reader.end_if_incomplete(), SessionEnd::BadProxyHeader);
        assert_eq!(reader.push(b"GET / HTTP/1.1\r\n"), Err(SessionEnd::BadProxyHeader));
        let mut reader = PreludeReader::new(&both, addr("127.0.0.1:5"), addr("127.0.0.1:80"));
        reader.push(HEADER).unwrap();
        assert_eq!(reader.end_if_incomplete(), SessionEnd::NoHello);
        assert_eq!(reader.push(b"GET / HTTP/1.1\r\n"), Err(SessionEnd::NoHello));
    }
}
