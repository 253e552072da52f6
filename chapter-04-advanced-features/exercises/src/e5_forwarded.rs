//! Exercise 4.5: client address from Forwarded (an evening).
//!
//! **Contract.** [`client_address`] returns the address of the client, from the address of the connected `peer`, and
//! the values of all its `Forwarded` headers (RFC 7239), in their order. Each proxy on the way has appended one
//! element: `for=` and the address that connected to *it*.
//!
//! - Only trusted addresses are believed. From the right: as long as the current address is trusted, the next element
//!   gives the address that connected to it. The first that is not trusted is the client; if all are, the leftmost.
//! - An element without a usable address ends the search: the client is the last address found. This applies to
//!   `for=unknown` and names like `for=_gate7`, a missing `for`, and an element that breaks the grammar.
//! - The grammar: elements are separated by commas, pairs `name=value` in them by semicolons; spaces and tabs are
//!   allowed around both, but not around `=`. Elements and pairs may be empty: an empty element is ignored. Names are
//!   case-insensitive tokens, each once per element. A value is a token or a quoted string, in which `\` escapes the
//!   next byte, and all bytes except control characters other than tab are allowed. There `,` and `;` and `=` do not
//!   separate.
//! - An address is `192.0.2.7`, or `[2001:db8::7]`, which needs quotes, as a port does: `"192.0.2.7:4711"`. A port is
//!   one to five digits, or `_` followed by letters, digits, `.`, `_` and `-` (at least one).
//! - An IPv4-mapped address (`::ffff:192.0.2.7`) becomes the IPv4 address, the peer's too: `is_trusted` is called with
//!   that, and that is returned.
//! - Untrusted elements on the left do not change how the elements of trusted proxies, on their right, are read. No
//!   input makes it panic, or slow.

use std::net::IpAddr;

/// The address of the client behind `peer`.
pub fn client_address(peer: IpAddr, forwarded: &[&[u8]], is_trusted: &dyn Fn(IpAddr) -> bool) -> IpAddr {
    let all = String::from_utf8_lossy(&forwarded.join(&b", "[..])).into_owned();
    let mut address = peer;
    for element in all.split(',').rev() {
        let node = element.split(';').find_map(|pair| pair.trim().strip_prefix("for="));
        let Some(before) = node.and_then(|node| node.trim_matches('"').parse().ok()) else { continue };
        address = before;
        if !is_trusted(address) {
            break;
        }
    }
    address
}
