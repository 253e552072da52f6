//! Version 1: `PROXY TCP4 192.0.2.1 198.51.100.7 56324 443`, CR, LF (§2.1).

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use super::{
    error::ProxyHeaderError,
    header::ProxyHeader,
    parsed::{Parsed, agrees_with},
};

/// How a line begins.
pub(super) const PREFIX: &[u8] = b"PROXY ";
/// The longest line, CRLF included (§2.1): UNKNOWN with two full IPv6 addresses and two ports of five digits.
const MAX_LINE_BYTES: usize = 107;
/// The protocols, each with its family.
const PROTOCOLS: [(&[u8], Family); 3] =
    [(b"TCP4", Family::Ipv4), (b"TCP6", Family::Ipv6), (b"UNKNOWN", Family::Unknown)];

#[derive(Clone, Copy)]
enum Family {
    Ipv4,
    Ipv6,
    Unknown,
}

/// Reads a line at the start of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Parsed, ProxyHeaderError> {
    if !agrees_with(bytes, PREFIX) {
        return Err(ProxyHeaderError::NoHeader);
    }
    let Some(rest) = bytes.get(PREFIX.len()..) else { return Ok(Parsed::Incomplete) };
    // The CR must stand in here, if the LF is to follow within the limit.
    let window = &rest[..rest.len().min(MAX_LINE_BYTES - PREFIX.len() - 1)];
    // A bare CR or LF is refused even where the content is ignored: a receiver that ends the line there would take
    // what follows for the client's bytes.
    let end = window.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    let header = Words { rest: Some(&window[..end.unwrap_or(window.len())]), is_line_whole: end.is_some() }.read()?;
    match (end, header) {
        (None, _) if bytes.len() >= MAX_LINE_BYTES - 1 => Err(ProxyHeaderError::LineTooLong),
        (None, _) => Ok(Parsed::Incomplete),
        (Some(end), Some(header)) => match rest[end..] {
            [b'\r'] => Ok(Parsed::Incomplete),
            [b'\r', b'\n', ..] => Ok(Parsed::Complete { header, length: PREFIX.len() + end + "\r\n".len() }),
            _ => Err(ProxyHeaderError::InvalidLineEnd),
        },
        (Some(_), None) => Err(ProxyHeaderError::WordCount),
    }
}

/// The words of a line after `PROXY`.
struct Words<'a> {
    /// `None` after the last word.
    rest: Option<&'a [u8]>,
    /// Whether the line has ended, so that the last word is whole.
    is_line_whole: bool,
}

/// A word, of which more may arrive.
enum Word<'a> {
    Partial(&'a [u8]),
    Whole(&'a [u8]),
}

impl<'a> Words<'a> {
    /// The header, or `None` if words are missing. Addresses are decoded only when they are whole, as §2.1 demands.
    fn read(mut self) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
        let (source, destination) = match self.family()? {
            None => return Ok(None),
            Some(Family::Unknown) => return Ok(Some(ProxyHeader::Local)),
            Some(Family::Ipv4) => (self.address::<Ipv4Addr>()?, self.address::<Ipv4Addr>()?),
            Some(Family::Ipv6) => (self.address::<Ipv6Addr>()?, self.address::<Ipv6Addr>()?),
        };
        let (source_port, destination_port) = (self.port()?, self.port()?);
        if self.next().is_some() {
            return Err(ProxyHeaderError::WordCount);
        }
        let address = |ip: Option<IpAddr>, port: Option<u16>| Some(SocketAddr::new(ip?, port?));
        let addresses = address(source, source_port).zip(address(destination, destination_port));
        Ok(addresses.map(|(source, destination)| ProxyHeader::proxy(source, destination)))
    }

    fn next(&mut self) -> Option<Word<'a>> {
        let rest = self.rest.take()?;
        match rest.iter().position(|byte| *byte == b' ') {
            Some(end) => {
                self.rest = Some(&rest[end + 1..]);
                Some(Word::Whole(&rest[..end]))
            }
            None if self.is_line_whole => Some(Word::Whole(rest)),
            None => Some(Word::Partial(rest)),
        }
    }

    fn family(&mut self) -> Result<Option<Family>, ProxyHeaderError> {
        match self.next() {
            Some(Word::Whole(word)) => {
                let known = PROTOCOLS.iter().find(|(name, _)| *name == word);
                known.map(|(_, family)| Some(*family)).ok_or(ProxyHeaderError::UnknownProtocol)
            }
            Some(Word::Partial(word)) if !PROTOCOLS.iter().any(|(name, _)| name.starts_with(word)) => {
                Err(ProxyHeaderError::UnknownProtocol)
            }
            _ => Ok(None),
        }
    }

    fn address<A: Address>(&mut self) -> Result<Option<IpAddr>, ProxyHeaderError> {
        match self.next() {
            Some(Word::Whole(word)) => {
                let address = str::from_utf8(word).ok().and_then(|text| text.parse::<A>().ok());
                address.map(|address| Some(address.into())).ok_or(ProxyHeaderError::InvalidAddress)
            }
            Some(Word::Partial(word)) if word.len() > A::MAX_BYTES || !word.iter().copied().all(A::has_byte) => {
                Err(ProxyHeaderError::InvalidAddress)
            }
            _ => Ok(None),
        }
    }

    fn port(&mut self) -> Result<Option<u16>, ProxyHeaderError> {
        match self.next() {
            Some(Word::Whole(word)) => Ok(Some(port(word)?)),
            // Each prefix of a port is one.
            Some(Word::Partial(word @ [_, ..])) => port(word).map(|_| None),
            _ => Ok(None),
        }
    }
}

/// An address as text.
trait Address: FromStr + Into<IpAddr> {
    const MAX_BYTES: usize;
    fn has_byte(byte: u8) -> bool;
}

impl Address for Ipv4Addr {
    const MAX_BYTES: usize = "255.255.255.255".len();

    fn has_byte(byte: u8) -> bool {
        byte.is_ascii_digit() || byte == b'.'
    }
}

impl Address for Ipv6Addr {
    /// `inet_ntop` writes the end of an IPv4-mapped address as IPv4, which §2.1 does not foresee.
    const MAX_BYTES: usize = "0000:0000:0000:0000:0000:ffff:255.255.255.255".len();

    fn has_byte(byte: u8) -> bool {
        byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
    }
}

/// A port without leading zeros or sign.
fn port(word: &[u8]) -> Result<u16, ProxyHeaderError> {
    let is_decimal = word == b"0" || !word.starts_with(b"0") && word.iter().all(u8::is_ascii_digit);
    let port = str::from_utf8(word).ok().filter(|_| is_decimal).and_then(|text| text.parse().ok());
    port.ok_or(ProxyHeaderError::InvalidPort)
}

/// Appends a line for addresses of one family.
pub(super) fn write_proxy(source: SocketAddr, destination: SocketAddr, into: &mut Vec<u8>) {
    let protocol = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.port(), destination.port());
    write!(into, "PROXY {protocol} {} {} {from} {to}\r\n", text(source.ip()), text(destination.ip()))
        .expect("a Vec takes all that is written");
}

/// Appends the line of a connection without known addresses.
pub(super) fn write_local(into: &mut Vec<u8>) {
    into.extend_from_slice(b"PROXY UNKNOWN\r\n");
}

/// The text of an address, IPv4-mapped ones in hexadecimal digits, because §2.1 allows no dots in an IPv6 address.
fn text(address: IpAddr) -> String {
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            let [.., high, low] = v6.segments();
            format!("::ffff:{high:x}:{low:x}")
        }
        _ => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address of 39 bytes, the longest without dots.
    const LONG: &str = "2001:0db8:ffff:ffff:ffff:ffff:ffff:ffff";

    fn proxy(source: &str, destination: &str) -> ProxyHeader {
        ProxyHeader::Proxy { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    #[test]
    fn a_line_is_read() {
        for (line, header) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443", proxy("192.0.2.1:56324", "198.51.100.7:443")),
            (
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535",
                proxy("255.255.255.255:65535", "255.255.255.255:65535"),
            ),
            ("PROXY TCP4 0.0.0.0 0.0.0.0 0 0", proxy("0.0.0.0:0", "0.0.0.0:0")),
            ("PROXY TCP6 2001:DB8::a ::1 1 2", proxy("[2001:db8::a]:1", "[::1]:2")),
            ("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:6407 1 2", proxy("192.0.2.1:1", "198.51.100.7:2")),
            (
                &format!("PROXY TCP6 {LONG} {LONG} 65535 65535"),
                proxy(&format!("[{LONG}]:65535"), &format!("[{LONG}]:65535")),
            ),
            ("PROXY UNKNOWN", ProxyHeader::Local),
            ("PROXY UNKNOWN  \0\u{e9} anything 1", ProxyHeader::Local),
            (&format!("PROXY UNKNOWN {LONG} {LONG} 65535 65535"), ProxyHeader::Local),
        ] {
            let line = format!("{line}\r\n");
            let complete = Ok(Parsed::Complete { header, length: line.len() });
            assert_eq!(read(line.as_bytes()), complete, "{line}");
            assert_eq!(read(format!("{line}\r\nGET / HTTP/1.1").as_bytes()), complete, "{line}");
            for length in 0..line.len() {
                assert_eq!(read(&line.as_bytes()[..length]), Ok(Parsed::Incomplete), "{line} {length}");
            }
        }
    }

    /// Each text is valid without its last byte, and is refused with it.
    #[test]
    fn a_line_is_refused_at_its_first_invalid_byte() {
        use ProxyHeaderError as E;
        for (text, error) in [
            ("PU", E::NoHeader),
            ("PROX ", E::NoHeader),
            ("PROXY\r", E::NoHeader),
            ("PROXY  ", E::UnknownProtocol),
            ("PROXY \r", E::UnknownProtocol),
            ("PROXY U\r", E::UnknownProtocol),
            ("PROXY TCP5", E::UnknownProtocol),
            ("PROXY t", E::UnknownProtocol),
            ("PROXY TCP ", E::UnknownProtocol),
            ("PROXY UNKNOWNS", E::UnknownProtocol),
            ("PROXY UNKNOWN x\n", E::InvalidLineEnd),
            ("PROXY UNKNOWN x\rx", E::InvalidLineEnd),
            ("PROXY TCP4\r", E::WordCount),
            ("PROXY TCP4  ", E::InvalidAddress),
            ("PROXY TCP4 :", E::InvalidAddress),
            ("PROXY TCP4 1.2.3.04 ", E::InvalidAddress),
            ("PROXY TCP4 1.2.3.256 ", E::InvalidAddress),
            ("PROXY TCP4 1.2.3 ", E::InvalidAddress),
            ("PROXY TCP4 1.2.3.4\t", E::InvalidAddress),
            ("PROXY TCP4 255.255.255.2555", E::InvalidAddress),
            ("PROXY TCP4 1.2.3.4 :", E::InvalidAddress),
            ("PROXY TCP4 1.2.3.4 1.2.3.4\r", E::WordCount),
            ("PROXY TCP6 1.2.3.4 ", E::InvalidAddress),
            ("PROXY TCP6 g", E::InvalidAddress),
            ("PROXY TCP6 ::1%", E::InvalidAddress),
            ("PROXY TCP6 [", E::InvalidAddress),
            ("PROXY TCP6 1::2::3 ", E::InvalidAddress),
            ("PROXY TCP6 1:2:3:4:5:6:7 ", E::InvalidAddress),
            ("PROXY TCP6 1:2:3:4:5:6:7:8:9 ", E::InvalidAddress),
            (&format!("PROXY TCP6 {}", "0".repeat(46)), E::InvalidAddress),
            ("PROXY TCP4 1.2.3.4 1.2.3.4  ", E::InvalidPort),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 +", E::InvalidPort),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 -", E::InvalidPort),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 00", E::InvalidPort),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 65536", E::InvalidPort),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 01", E::InvalidPort),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r", E::InvalidPort),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", E::InvalidLineEnd),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r", E::InvalidLineEnd),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 ", E::WordCount),
            (&format!("PROXY UNKNOWN {}", "x".repeat(92)), E::LineTooLong),
            (&format!("PROXY TCP6 {LONG} {LONG} 65535 655350"), E::InvalidPort),
        ] {
            let valid = &text.as_bytes()[..text.len() - 1];
            assert_eq!(read(valid), Ok(Parsed::Incomplete), "{text:?} without its last byte");
            assert_eq!(read(text.as_bytes()), Err(error), "{text:?}");
            assert_eq!(read(format!("{text} 1 2 3\r\n").as_bytes()), Err(error), "{text:?}");
        }
    }

    #[test]
    fn an_ipv4_mapped_address_is_written_without_dots() {
        let mut line = Vec::new();
        write_proxy("[::ffff:192.0.2.1]:1".parse().unwrap(), "[2001:db8::1]:2".parse().unwrap(), &mut line);
        assert_eq!(String::from_utf8_lossy(&line), "PROXY TCP6 ::ffff:c000:201 2001:db8::1 1 2\r\n");
    }
}
