//! Exercise 9.3: a PROXY header, byte by byte (an hour).
//!
//! **Contract.** [`reader`] returns a [`HeaderReader`] for version 1 of the PROXY protocol: one line of at most 107
//! bytes, `PROXY TCP4 192.0.2.1 198.51.100.7 56324 443` and CRLF.
//!
//! - After `PROXY` and one space: `TCP4` or `TCP6` with two addresses of that family and two ports, one space before
//!   each; or `UNKNOWN`, with which anything up to the CRLF is ignored ([`ProxyHeader::Local`]). A port is 0 to 65535
//!   without sign or leading zeros. [`ProxyHeader::proxy`] makes the header of two addresses.
//! - A CR without LF and an LF without CR are refused, also after `UNKNOWN`.
//! - It refuses at the first byte that has no place: another signature, a letter in an IPv4 address, a digit too many, a
//!   line that can no longer end within 107 bytes. An address or port that is invalid as a whole: with the byte after
//!   it, at the latest. It never refuses what can still become a header.
//! - Where the pieces are cut makes no difference. It takes at most 512 bytes of memory.

use std::net::SocketAddr;

use zero_copy::proxy_protocol::ProxyHeader;

use crate::contracts::{HeaderReader, Progress, Refused};

/// A reader for one connection.
pub fn reader() -> Box<dyn HeaderReader> {
    Box::new(Reader { received: Vec::new() })
}

struct Reader {
    received: Vec<u8>,
}

impl HeaderReader for Reader {
    fn push(&mut self, bytes: &[u8]) -> Result<Progress, Refused> {
        self.received.extend_from_slice(bytes);
        let Some(end) = self.received.iter().position(|byte| *byte == b'\n') else { return Ok(Progress::Incomplete) };
        let line = str::from_utf8(&self.received[..end]).map_err(|_| Refused)?;
        let words: Vec<_> = line.split_whitespace().collect();
        let header = match words[..] {
            ["PROXY", "UNKNOWN", ..] => ProxyHeader::Local,
            ["PROXY", _, source, destination, source_port, destination_port] => {
                let address = |ip: &str, port: &str| -> Result<SocketAddr, Refused> {
                    Ok(SocketAddr::new(ip.parse().map_err(|_| Refused)?, port.parse().map_err(|_| Refused)?))
                };
                ProxyHeader::proxy(address(source, source_port)?, address(destination, destination_port)?)
            }
            _ => return Err(Refused),
        };
        Ok(Progress::Complete { header, taken: bytes.len() })
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.received.capacity()
    }
}
