//! Exercise 2.2, solved.
//!
//! Two passes, because a `Connection` header may come after the headers that it names: the first pass collects the
//! names, the second filters the headers. The error is found in the first pass, before anything is forwarded.

use crate::contracts::{Field, ForbiddenConnectionOption};

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

/// Headers for routing and framing: `Connection` must not make a proxy remove them.
const NEVER_HOP_BY_HOP: [&str; 3] = ["Host", "Content-Length", "Transfer-Encoding"];

/// The end-to-end headers among `fields`: those that may be forwarded.
pub fn end_to_end_headers<'a>(fields: &[Field<'a>]) -> Result<Vec<Field<'a>>, ForbiddenConnectionOption> {
    let named = connection_options(fields)?;
    let is_end_to_end = |name: &str| {
        let is_hop_by_hop = HOP_BY_HOP.iter().any(|known| known.eq_ignore_ascii_case(name));
        let is_named = named.iter().any(|named| named.eq_ignore_ascii_case(name.as_bytes()));
        !is_hop_by_hop && !is_named
    };
    Ok(fields.iter().filter(|(name, _)| is_end_to_end(name)).copied().collect())
}

/// The options in all `Connection` headers.
fn connection_options<'a>(fields: &[Field<'a>]) -> Result<Vec<&'a [u8]>, ForbiddenConnectionOption> {
    let connections = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Connection"));
    let elements = connections.flat_map(|(_, value)| value.split(|byte| *byte == b','));
    // `trim_ascii` would also remove form feeds and line ends, which are invalid in a value.
    let named: Vec<_> = elements.map(trim).filter(|element| !element.is_empty()).collect();
    match NEVER_HOP_BY_HOP
        .into_iter()
        .find(|required| named.iter().any(|name| name.eq_ignore_ascii_case(required.as_bytes())))
    {
        Some(required) => Err(ForbiddenConnectionOption(required)),
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
