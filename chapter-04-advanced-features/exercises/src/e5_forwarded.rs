//! Exercise 4.5: who is it really? (an evening)
//!
//! **Contract.** [`client`] gives the address of the client, from the address of the `peer` who is connected to us, and
//! the values of all its `Forwarded` fields (RFC 7239), in their order. Each proxy on the way has added one element at
//! the end: `for=` and whoever spoke to *it*.
//!
//! - Only a trusted address is believed. From the right: as long as the address that we have is trusted, the next
//!   element says who spoke to it. The first that is not trusted is the client; if all are, it is the leftmost.
//! - An element without a usable address ends the search: the client is the last address that we had. So it is for
//!   `for=unknown` and names like `for=_gate7`, without `for`, and for an element that breaks the grammar.
//! - The grammar: elements are separated by commas, pairs `name=value` in them by semicolons; blanks and tabs may stand
//!   around both, and not around `=`. Elements and pairs may be empty: an empty element is as none. Names are tokens in
//!   any case, each once in an element. A value is a token or in quotes, in which `\` takes the next byte as it is, and
//!   all but control bytes other than the tab may stand. There `,` and `;` and `=` separate nothing.
//! - An address is `192.0.2.7`, or `[2001:db8::7]`, which needs quotes, as a port does: `"192.0.2.7:4711"`. A port is
//!   one to five digits, or `_` and more of letters, digits, `.`, `_` and `-`.
//! - An IPv4 address that is written as IPv6 (`::ffff:192.0.2.7`) is the IPv4 address, the peer's too: so `is_trusted`
//!   is asked, and so it is given.
//! - What strangers wrote on the left changes nothing about how the elements of trusted proxies, on its right, are read.
//!   No bytes make it panic, or slow.

use std::net::IpAddr;

/// The address of the client behind `peer`.
pub fn client(peer: IpAddr, forwarded: &[&[u8]], is_trusted: &dyn Fn(IpAddr) -> bool) -> IpAddr {
    let all = String::from_utf8_lossy(&forwarded.join(&b", "[..])).into_owned();
    let mut known = peer;
    for element in all.split(',').rev() {
        let node = element.split(';').find_map(|pair| pair.trim().strip_prefix("for="));
        let Some(address) = node.and_then(|node| node.trim_matches('"').parse().ok()) else { continue };
        known = address;
        if !is_trusted(known) {
            break;
        }
    }
    known
}
