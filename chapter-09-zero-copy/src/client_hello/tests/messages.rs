//! Messages to read.

use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::ring};

use crate::client_hello::{ClientHello, ClientHelloError, ClientHelloRead, read};

/// A vector with a length of one byte.
pub(super) fn vector8(content: &[u8]) -> Vec<u8> {
    [&[u8::try_from(content.len()).unwrap()], content].concat()
}

/// A vector with a length of two bytes.
pub(super) fn vector16(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

/// The content of `server_name` with these names of type `host_name`.
pub(super) fn server_names(names: &[&[u8]]) -> Vec<u8> {
    vector16(&names.iter().flat_map(|name| [vec![0], vector16(name)].concat()).collect::<Vec<u8>>())
}

/// The content of ALPN with these names.
pub(super) fn protocols(names: &[&[u8]]) -> Vec<u8> {
    vector16(&names.iter().flat_map(|name| vector8(name)).collect::<Vec<u8>>())
}

/// The extensions of a message, each a number and its content.
pub(super) fn extensions(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let of_one = |(number, content): &(u16, Vec<u8>)| [&number.to_be_bytes()[..], &vector16(content)].concat();
    vector16(&extensions.iter().flat_map(of_one).collect::<Vec<u8>>())
}

/// What stands before the extensions: version 3.3, random, session id, cipher suites, compression.
pub(super) fn before_extensions() -> Vec<u8> {
    [&[3, 3], &[7; 32][..], &vector8(&[8; 32]), &vector16(&[0x13, 1]), &vector8(&[0])].concat()
}

/// The handshake message with this body.
pub(super) fn handshake(body: &[u8]) -> Vec<u8> {
    [&[1], &u32::try_from(body.len()).unwrap().to_be_bytes()[1..], body].concat()
}

/// The message in records of at most `size` bytes.
pub(super) fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|fragment| [&[22, 3, 1][..], &vector16(fragment)].concat()).collect()
}

/// A message with these extensions, in one record.
pub(super) fn hello(of: &[(u16, Vec<u8>)]) -> Vec<u8> {
    records(&handshake(&[before_extensions(), extensions(of)].concat()), 1 << 14)
}

/// The contents of the records, of which the last may be cut off.
pub(super) fn message_of(mut records: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    while let Some(([_, _, _, high, low], rest)) = records.split_first_chunk::<5>() {
        let (fragment, rest) = rest.split_at(rest.len().min(u16::from_be_bytes([*high, *low]).into()));
        message.extend_from_slice(fragment);
        records = rest;
    }
    message
}

/// A name and protocols.
pub(super) type Contents = (Option<String>, Vec<String>);

/// The name and the protocols that are read from `bytes`; `None` if they are incomplete.
pub(super) fn contents(bytes: &[u8]) -> Result<Option<Contents>, ClientHelloError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let contents = |hello: ClientHello<'_>| (hello.server_name().map(str::to_owned), hello.alpn().map(text).collect());
    Ok(match read(bytes)? {
        ClientHelloRead::Incomplete => None,
        ClientHelloRead::Complete(hello) => Some(contents(hello)),
    })
}

/// The first bytes that rustls sends.
pub(super) fn from_rustls(host: &str, protocols: &[&str], max_fragment_size: Option<usize>) -> Vec<u8> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.max_fragment_size = max_fragment_size;
    let host = host.to_owned().try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(config), host).unwrap();
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}
