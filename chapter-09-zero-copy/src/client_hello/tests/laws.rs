//! Laws for all inputs, and the server of rustls as another reader of the same bytes.

use proptest::{prelude::*, sample::Index};
use rustls::server::Acceptor;

use super::{
    messages::{
        Contents, before_extensions, contents, extensions, handshake, message_of, protocols, records, server_names,
    },
    peers,
};
use crate::client_hello::{ClientHelloError, ClientHelloRead, MAX_RECEIVED_BYTES, read};

/// Contents of an extension that are valid, or nearly.
fn extension() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let name = prop_oneof![3 => "[a-zA-Z0-9_.-]{0,12}", 1 => "[a-c]{1,4}\\.?", 1 => "[0-9]{1,3}(\\.[0-9]{1,3}){3}"];
    let names = prop::collection::vec(name, 0..3);
    let to_bytes = |names: Vec<String>, build: fn(&[&[u8]]) -> Vec<u8>| {
        build(&names.iter().map(String::as_bytes).collect::<Vec<_>>())
    };
    prop_oneof![
        names.clone().prop_map(move |names| (0, to_bytes(names, server_names))),
        names.prop_map(move |names| (16, to_bytes(names, protocols))),
        (any::<u16>(), prop::collection::vec(any::<u8>(), 0..20)),
    ]
}

/// A message of a peer, or one with any extensions and the one that rustls wants to see.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let of_peers: Vec<_> = peers::all().into_iter().map(|(bytes, _)| message_of(&bytes)).collect();
    let signatures = (13, vec![0, 2, 4, 3]);
    let built = prop::collection::vec(extension(), 0..4).prop_map(move |mut of| {
        of.push(signatures.clone());
        handshake(&[before_extensions(), extensions(&of)].concat())
    });
    prop_oneof![prop::sample::select(of_peers), built]
}

/// A message with a few bytes replaced, in records of any size, and those with a byte replaced or cut off.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let changes = |most| prop::collection::vec((any::<Index>(), any::<u8>()), 0..most);
    let cut = prop::option::weighted(0.1, any::<Index>());
    (message(), changes(3), prop_oneof![Just(1 << 14), 1..300_usize], changes(2), cut).prop_map(
        |(mut message, in_message, size, in_records, cut)| {
            for (at, byte) in in_message {
                *at.get_mut(&mut message) = byte;
            }
            let mut bytes = records(&message, size);
            for (at, byte) in in_records {
                *at.get_mut(&mut bytes) = byte;
            }
            bytes.truncate(cut.map_or(bytes.len(), |at| at.index(bytes.len())));
            bytes
        },
    )
}

/// That the result for `bytes` is the same however they arrive.
fn check_prefixes(bytes: &[u8]) -> Result<(), TestCaseError> {
    let is_incomplete = |length: usize| read(&bytes[..length]) == Ok(ClientHelloRead::Incomplete);
    match (0..=bytes.len()).find(|length| !is_incomplete(*length)) {
        Some(first) => prop_assert_eq!(contents(&bytes[..first]), contents(bytes), "decided at {}", first),
        None => prop_assert!(bytes.len() < MAX_RECEIVED_BYTES),
    }
    Ok(())
}

/// The name and protocols that the server of rustls finds; `Err` if it refuses them or wants more bytes.
fn contents_with_rustls(bytes: &[u8]) -> Result<Contents, String> {
    let (mut acceptor, mut rest) = (Acceptor::default(), bytes);
    while !rest.is_empty() {
        acceptor.read_tls(&mut rest).map_err(|error| error.to_string())?;
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
                let protocols = hello.alpn().map(|names| names.map(text).collect()).unwrap_or_default();
                return Ok((hello.server_name().map(str::to_owned), protocols));
            }
            Err((error, _)) => return Err(error.to_string()),
        }
    }
    Err("incomplete".into())
}

/// What rustls accepts is read as rustls reads it, but for the differences that are meant. It refuses more, because
/// it reads all extensions.
fn compare_with_rustls(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(theirs) = contents_with_rustls(bytes) else { return Ok(()) };
    let ours = contents(bytes);
    let is_meant = match &ours {
        // It skips names of an unknown type, with all that follows them.
        Err(ClientHelloError::Malformed("server_name")) => true,
        // It ignores an address, which RFC 6066 does not permit, and a name that it cannot read; it drops a trailing dot.
        Err(ClientHelloError::InvalidServerName) => {
            let has_dot = |name: &String| {
                String::from_utf8_lossy(&message_of(bytes).to_ascii_lowercase()).contains(&format!("{name}."))
            };
            theirs.0.as_ref().is_none_or(has_dot)
        }
        Ok(Some((name, protocols))) => {
            name.as_ref().map(|name| name.to_ascii_lowercase())
                == theirs.0.as_ref().map(|name| name.to_ascii_lowercase())
                && *protocols == theirs.1
        }
        _ => false,
    };
    prop_assert!(is_meant, "ours {ours:?}, rustls {theirs:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_have_one_result_however_they_are_split(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        check_prefixes(&bytes)?;
        check_prefixes(&[&[22, 3, 1, 0, 99, 1, 0, 0][..], &bytes].concat())?;
    }

    #[test]
    fn almost_a_client_hello_has_one_result_however_it_is_split(bytes in mutated()) {
        check_prefixes(&bytes)?;
    }

    #[test]
    fn another_reader_agrees(bytes in mutated()) {
        compare_with_rustls(&bytes)?;
    }
}

#[test]
fn another_reader_agrees_about_messages_that_were_not_changed() {
    for (bytes, expected) in peers::all() {
        let expected = (expected.0.map(|name| name.to_ascii_lowercase()), expected.1);
        let theirs = contents_with_rustls(&bytes).map(|(name, of)| (name.map(|name| name.to_ascii_lowercase()), of));
        assert_eq!(theirs, Ok(expected));
        compare_with_rustls(&bytes).unwrap();
    }
}
