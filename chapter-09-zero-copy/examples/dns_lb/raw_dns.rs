//! DNS messages by hand: the tests must not share a mistake with the library that the server uses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) const A: u16 = 1;
pub(crate) const NS: u16 = 2;
pub(crate) const SOA: u16 = 6;
pub(crate) const MX: u16 = 15;
pub(crate) const AAAA: u16 = 28;
pub(crate) const AXFR: u16 = 252;
pub(crate) const ANY: u16 = 255;
const OPT: u16 = 41;

pub(crate) const NOERROR: u8 = 0;
pub(crate) const FORMERR: u8 = 1;
pub(crate) const NXDOMAIN: u8 = 3;
pub(crate) const NOTIMP: u8 = 4;
pub(crate) const REFUSED: u8 = 5;

pub(crate) const ID: u16 = 0x1234;

/// A query with the RD bit, class IN.
pub(crate) fn query(name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

/// The query with an OPT record: the size that its sender takes, and a version.
pub(crate) fn with_edns(mut query: Vec<u8>, size: u16, version: u8) -> Vec<u8> {
    query[11] = 1;
    query.extend([0, 0, 41]);
    query.extend(size.to_be_bytes());
    query.extend([0, version, 0x80, 0, 0, 0]);
    query
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) rcode: u8,
    pub(crate) authoritative: bool,
    pub(crate) truncated: bool,
    pub(crate) addresses: Vec<IpAddr>,
    /// The types of the answer section's and the authority section's records.
    pub(crate) answers: Vec<u16>,
    pub(crate) authority: Vec<u16>,
    /// The TTLs of both, in seconds.
    pub(crate) ttls: Vec<u32>,
    /// Of the OPT record: the size, and the upper bits of the response code.
    pub(crate) edns: Option<(u16, u8)>,
}

/// Takes an answer to [`query`] apart.
pub(crate) fn parse(bytes: &[u8]) -> Answer {
    assert_eq!(u16_at(bytes, 0), ID);
    assert_eq!(bytes[2] & 0x81, 0x81, "QR is set, RD is copied");
    assert_eq!(bytes[3] & 0xf0, 0, "recursion is not available, and nothing else is set");
    let counts: Vec<u16> = (0..4).map(|section| u16_at(bytes, 4 + 2 * section)).collect();
    let mut at = 12;
    for _ in 0..counts[0] {
        at = after_name(bytes, at) + 4;
    }
    let mut answer = Answer {
        rcode: bytes[3] & 15,
        authoritative: bytes[2] & 4 != 0,
        truncated: bytes[2] & 2 != 0,
        addresses: Vec::new(),
        answers: Vec::new(),
        authority: Vec::new(),
        ttls: Vec::new(),
        edns: None,
    };
    for section in 1..4 {
        for _ in 0..counts[section] {
            at = answer.record(section, bytes, after_name(bytes, at));
        }
    }
    assert_eq!(at, bytes.len(), "no bytes are left over");
    answer
}

impl Answer {
    /// Reads a record from its type on; returns where it ends.
    fn record(&mut self, section: usize, bytes: &[u8], at: usize) -> usize {
        let (kind, length) = (u16_at(bytes, at), usize::from(u16_at(bytes, at + 8)));
        let data = &bytes[at + 10..at + 10 + length];
        if kind == OPT {
            assert_eq!(section, 3);
            self.edns = Some((u16_at(bytes, at + 2), bytes[at + 4]));
            return at + 10 + length;
        }
        self.ttls.push(u32::from_be_bytes(bytes[at + 4..at + 8].try_into().unwrap()));
        match section {
            1 => self.answers.push(kind),
            2 => self.authority.push(kind),
            _ => panic!("an additional record of type {kind}"),
        }
        match kind {
            A => self.addresses.push(Ipv4Addr::from(<[u8; 4]>::try_from(data).unwrap()).into()),
            AAAA => self.addresses.push(Ipv6Addr::from(<[u8; 16]>::try_from(data).unwrap()).into()),
            // The last field: for how long a negative answer may be kept.
            SOA => self.ttls.push(u32::from_be_bytes(data[length - 4..].try_into().unwrap())),
            _ => {}
        }
        at + 10 + length
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Where the name at `at` ends: after its zero, or after a pointer.
fn after_name(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes[at] {
            0 => return at + 1,
            pointer if pointer & 0xc0 == 0xc0 => return at + 2,
            length => at += 1 + usize::from(length),
        }
    }
}
