//! Exercise 2.2: what may go on (an hour).
//!
//! **Contract.** [`forwarded`] gives the fields that a proxy may forward, in their order, with their case and their
//! duplicates. Left out are `Connection`, `Keep-Alive`, `Proxy-Authenticate`, `Proxy-Authorization`,
//! `Proxy-Connection`, `TE`, `Trailer`, `Transfer-Encoding`, `Upgrade`, and every field that a `Connection` field
//! names, before it or behind it: there may be several, each a list separated by commas, with blanks (space and tab)
//! and empty elements, and names know no case. If one names `Host`, `Content-Length` or `Transfer-Encoding`, that is
//! an error, and nothing goes on.

use crate::contracts::{Field, NamesNeeded};

/// Fields that end at the next hop, whatever `Connection` says (RFC 9110 §7.6.1).
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

/// Those of `fields` that may be forwarded.
pub fn forwarded<'a>(fields: &[Field<'a>]) -> Result<Vec<Field<'a>>, NamesNeeded> {
    let connection = fields.iter().find(|(name, _)| *name == "Connection");
    let named: Vec<&[u8]> = connection.map_or(Vec::new(), |(_, value)| value.split(|byte| *byte == b',').collect());
    if named.contains(&b"Host".as_slice()) {
        return Err(NamesNeeded("Host"));
    }
    let goes_on = |name: &str| !HOP_BY_HOP.contains(&name) && !named.contains(&name.as_bytes());
    Ok(fields.iter().filter(|(name, _)| goes_on(name)).copied().collect())
}
