//! Exercise 2.2: hop-by-hop headers (an hour).
//!
//! **Contract.** [`end_to_end_headers`] returns the headers that a proxy may forward, with order, case and duplicates
//! unchanged. It removes `Connection`, `Keep-Alive`, `Proxy-Authenticate`, `Proxy-Authorization`, `Proxy-Connection`,
//! `TE`, `Trailer`, `Transfer-Encoding`, `Upgrade`, and every header that a `Connection` header names, before or after
//! it. There may be several `Connection` headers, each a comma-separated list, with spaces, tabs and empty elements;
//! names are case-insensitive. If one names `Host`, `Content-Length` or `Transfer-Encoding`, that is an error, and
//! nothing is forwarded. (RFC 9110 calls headers and trailers *fields*, and so do the types here.)

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

/// The end-to-end headers among `fields`: those that may be forwarded.
pub fn end_to_end_headers<'a>(fields: &[Field<'a>]) -> Result<Vec<Field<'a>>, ForbiddenConnectionOption> {
    let connection = fields.iter().find(|(name, _)| *name == "Connection");
    let named: Vec<&[u8]> = connection.map_or(Vec::new(), |(_, value)| value.split(|byte| *byte == b',').collect());
    if named.contains(&b"Host".as_slice()) {
        return Err(ForbiddenConnectionOption("Host"));
    }
    let is_end_to_end = |name: &str| !HOP_BY_HOP.contains(&name) && !named.contains(&name.as_bytes());
    Ok(fields.iter().filter(|(name, _)| is_end_to_end(name)).copied().collect())
}
