//! Exercise 2.2, solved.
//!
//! Two passes, because a `Connection` header may come after the headers that it names: the first pass collects the
//! names, the second filters the headers. The error is found in the first pass, before anything is forwarded.

use crate::contracts::{Field, NamesNeeded};

/// Headers that are never forwarded, whatever `Connection` lists (RFC 9110 §7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
];

/// Headers that route or frame the message: a client must not remove them.
const NEEDED: [&str; 3] = ["Host", "Content-Length", "Transfer-Encoding"];

/// The headers of `fields` that may be forwarded.
pub fn forwarded<'a>(fields: &[Field<'a>]) -> Result<Vec<Field<'a>>, NamesNeeded> {
    let named = named_by_connection(fields)?;
    let is_end_to_end = |name: &str| {
        let is_hop_by_hop = HOP_BY_HOP.iter().any(|known| known.eq_ignore_ascii_case(name));
        let is_named = named.iter().any(|named| named.eq_ignore_ascii_case(name.as_bytes()));
        !is_hop_by_hop && !is_named
    };
    Ok(fields.iter().filter(|(name, _)| is_end_to_end(name)).copied().collect())
}

/// The elements of all `Connection` headers.
fn named_by_connection<'a>(fields: &[Field<'a>]) -> Result<Vec<&'a [u8]>, NamesNeeded> {
    let connections = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Connection"));
    let elements = connections.flat_map(|(_, value)| value.split(|byte| *byte == b','));
    // `trim_ascii` would also remove form feeds and line ends, which are invalid in a value.
    let named: Vec<_> = elements.map(trim).filter(|element| !element.is_empty()).collect();
    match NEEDED.into_iter().find(|needed| named.iter().any(|name| name.eq_ignore_ascii_case(needed.as_bytes()))) {
        Some(needed) => Err(NamesNeeded(needed)),
        None => Ok(named),
    }
}

/// `element` without the spaces and tabs around it.
fn trim(mut element: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = element {
        element = rest;
    }
    element
}
