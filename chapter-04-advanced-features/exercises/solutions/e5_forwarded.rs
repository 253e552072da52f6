//! Exercise 4.5, solved.
//!
//! The field is read from its end, byte by byte. From the left, a quote that a stranger has opened and not closed would
//! swallow what your own proxies have written behind it; from the right, they are read before the stranger's bytes are
//! looked at. This works because an opening quote stands behind `=`, and a closing one behind a whole number of pairs of
//! backslashes: which of the two a quote is can be told from either side.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of the client behind `peer`.
pub fn client(peer: IpAddr, forwarded: &[&[u8]], is_trusted: &dyn Fn(IpAddr) -> bool) -> IpAddr {
    let mut known = peer.to_canonical();
    for element in forwarded.iter().rev().flat_map(|field| FromTheEnd(Some(field))) {
        if !is_trusted(known) {
            break;
        }
        let Some(before) = node(element).and_then(address) else { break };
        known = before.to_canonical();
    }
    known
}

/// The elements of a field, the last one first, without those that are empty.
struct FromTheEnd<'a>(Option<&'a [u8]>);

impl<'a> Iterator for FromTheEnd<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = self.0?;
            let comma = last_comma(rest);
            self.0 = comma.map(|at| &rest[..at]);
            let element = trim(comma.map_or(rest, |at| &rest[at + 1..]));
            if !element.is_empty() {
                return Some(element);
            }
        }
    }
}

/// The place of the last comma that is not in quotes.
fn last_comma(bytes: &[u8]) -> Option<usize> {
    let mut is_quoted = false;
    for at in (0..bytes.len()).rev() {
        match bytes[at] {
            b',' if !is_quoted => return Some(at),
            b'"' => {
                let backslashes = bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
                is_quoted ^= backslashes % 2 == 0;
            }
            _ => {}
        }
    }
    None
}

/// The value of `for`; `None` if there is none, or the element breaks the grammar.
fn node(element: &[u8]) -> Option<Vec<u8>> {
    let mut names = BTreeSet::new();
    let mut node = None;
    let mut rest = element;
    loop {
        rest = trim(rest);
        if !matches!(rest, [] | [b';', ..]) {
            let (name, value, after) = pair(rest)?;
            if name == b"for" {
                node = Some(value);
            }
            if !names.insert(name) {
                return None;
            }
            rest = trim(after);
        }
        match rest {
            [] => return node,
            [b';', after @ ..] => rest = after,
            _ => return None,
        }
    }
}

/// The name, in small letters, and the value of the pair that stands first, and what follows.
fn pair(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>, &[u8])> {
    let (name, rest) = token(bytes)?;
    let name = name.to_ascii_lowercase();
    match rest {
        [b'=', b'"', inside @ ..] => {
            let (value, after) = unquoted(inside)?;
            Some((name, value, after))
        }
        [b'=', value @ ..] => {
            let (value, after) = token(value)?;
            Some((name, value.to_vec(), after))
        }
        _ => None,
    }
}

/// The token that stands first, and what follows (RFC 9110 §5.6.2).
fn token(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let end = bytes.iter().position(|byte| !is_token(byte)).unwrap_or(bytes.len());
    (end > 0).then(|| bytes.split_at(end))
}

/// What stands before the closing quote, without its backslashes, and what follows (RFC 9110 §5.6.4).
fn unquoted(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut rest = bytes;
    loop {
        let (byte, after) = match rest {
            [b'"', after @ ..] => return Some((value, after)),
            [b'\\', byte, after @ ..] | [byte, after @ ..] => (*byte, after),
            [] => return None,
        };
        if byte != b'\t' && byte.is_ascii_control() {
            return None;
        }
        value.push(byte);
        rest = after;
    }
}

/// The address of a node, with or without a port (RFC 7239 §6).
fn address(node: Vec<u8>) -> Option<IpAddr> {
    let node = String::from_utf8(node).ok()?;
    if let Some(inside) = node.strip_prefix('[') {
        let (address, port) = inside.split_once(']')?;
        return has_port_or_nothing(port).then(|| address.parse::<Ipv6Addr>().ok())?.map(IpAddr::V6);
    }
    let (address, port) = node.split_at(node.find(':').unwrap_or(node.len()));
    has_port_or_nothing(port).then(|| address.parse::<Ipv4Addr>().ok())?.map(IpAddr::V4)
}

/// Whether this is what may follow an address: nothing, or a colon and a port.
fn has_port_or_nothing(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return text.is_empty() };
    match port.strip_prefix('_') {
        Some(name) => {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        }
        None => (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

fn trim(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !is_blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}
