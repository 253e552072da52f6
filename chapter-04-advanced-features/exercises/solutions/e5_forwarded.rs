//! Exercise 4.5, solved.
//!
//! The header is read from its end, byte by byte. From the left, a quote that an untrusted client has opened and not
//! closed would swallow what your own proxies have appended; from the right, their elements are read before the
//! untrusted bytes. This works because an opening quote follows `=`, and a closing one follows an even number of
//! backslashes: whether a quote is escaped can be told from either side.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of the client behind `peer`.
pub fn client_address(peer: IpAddr, forwarded: &[&[u8]], is_trusted: &dyn Fn(IpAddr) -> bool) -> IpAddr {
    let mut current = peer.to_canonical();
    for element in forwarded.iter().rev().flat_map(|value| ElementsFromEnd(Some(value))) {
        if !is_trusted(current) {
            break;
        }
        let Some(before) = for_value(element).and_then(parse_address) else { break };
        current = before.to_canonical();
    }
    current
}

/// The elements of a header value, the last one first, without the empty ones.
struct ElementsFromEnd<'a>(Option<&'a [u8]>);

impl<'a> Iterator for ElementsFromEnd<'a> {
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

/// The index of the last comma that is not in quotes.
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
fn for_value(element: &[u8]) -> Option<Vec<u8>> {
    let mut names = BTreeSet::new();
    let mut node = None;
    let mut rest = element;
    loop {
        rest = trim(rest);
        if !matches!(rest, [] | [b';', ..]) {
            let (name, value, after) = parse_pair(rest)?;
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

/// The lower-case name and the value of the first pair, and the rest.
fn parse_pair(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>, &[u8])> {
    let (name, rest) = parse_token(bytes)?;
    let name = name.to_ascii_lowercase();
    match rest {
        [b'=', b'"', inside @ ..] => {
            let (value, after) = parse_quoted(inside)?;
            Some((name, value, after))
        }
        [b'=', value @ ..] => {
            let (value, after) = parse_token(value)?;
            Some((name, value.to_vec(), after))
        }
        _ => None,
    }
}

/// The first token, and the rest (RFC 9110 §5.6.2).
fn parse_token(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let end = bytes.iter().position(|byte| !is_token(byte)).unwrap_or(bytes.len());
    (end > 0).then(|| bytes.split_at(end))
}

/// The unescaped text up to the closing quote, and the rest (RFC 9110 §5.6.4).
fn parse_quoted(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
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
fn parse_address(node: Vec<u8>) -> Option<IpAddr> {
    let node = String::from_utf8(node).ok()?;
    if let Some(inside) = node.strip_prefix('[') {
        let (address, port) = inside.split_once(']')?;
        return is_empty_or_port(port).then(|| address.parse::<Ipv6Addr>().ok())?.map(IpAddr::V6);
    }
    let (address, port) = node.split_at(node.find(':').unwrap_or(node.len()));
    is_empty_or_port(port).then(|| address.parse::<Ipv4Addr>().ok())?.map(IpAddr::V4)
}

/// Whether `text` may follow an address: empty, or a colon and a port.
fn is_empty_or_port(text: &str) -> bool {
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
