//! A solution of exercise 9.3.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use zero_copy::proxy_protocol::ProxyHeader;

use crate::contracts::{HeaderReader, Progress, Refused};

const SIGNATURE: &[u8] = b"PROXY ";
/// With CRLF.
const MAX_LINE_BYTES: usize = 107;
/// Of a word that is not skipped: an IPv6 address with an IPv4 address at its end.
const MAX_WORD_BYTES: usize = 45;

/// A reader for one connection.
pub fn reader() -> Box<dyn HeaderReader> {
    Box::new(Reader {
        length: 0,
        place: Place::Signature,
        word: [0; MAX_WORD_BYTES],
        word_length: 0,
        words: 0,
        ips: [None; 2],
        ports: [0; 2],
    })
}

/// Where the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Signature,
    Protocol,
    /// An address or a port.
    Word {
        is_ipv4: bool,
    },
    /// What follows `UNKNOWN`.
    Ignored,
    AfterCr,
}

struct Reader {
    /// Of the line so far.
    length: usize,
    place: Place,
    word: [u8; MAX_WORD_BYTES],
    word_length: usize,
    /// How many addresses and ports are complete.
    words: usize,
    ips: [Option<IpAddr>; 2],
    ports: [u16; 2],
}

impl HeaderReader for Reader {
    fn push(&mut self, bytes: &[u8]) -> Result<Progress, Refused> {
        for (index, byte) in bytes.iter().enumerate() {
            if let Some(header) = self.step(*byte)? {
                return Ok(Progress::Complete { header, taken: index + 1 });
            }
            self.length += 1;
            // The CR at the latest as the last byte but one.
            if self.length == MAX_LINE_BYTES - 1 && self.place != Place::AfterCr {
                return Err(Refused);
            }
        }
        Ok(Progress::Incomplete)
    }

    fn memory(&self) -> usize {
        size_of::<Self>()
    }
}

impl Reader {
    /// Takes in one byte; the header with its last one.
    fn step(&mut self, byte: u8) -> Result<Option<ProxyHeader>, Refused> {
        match self.place {
            Place::Signature => {
                refuse_unless(byte == SIGNATURE[self.length])?;
                if self.length + 1 == SIGNATURE.len() {
                    self.place = Place::Protocol;
                }
            }
            Place::AfterCr => {
                refuse_unless(byte == b'\n')?;
                return Ok(Some(self.header()));
            }
            Place::Ignored => match byte {
                b'\r' => self.place = Place::AfterCr,
                b'\n' => return Err(Refused),
                _ => {}
            },
            Place::Protocol | Place::Word { .. } if matches!(byte, b' ' | b'\r') => self.end_word(byte)?,
            Place::Protocol | Place::Word { .. } => self.add_to_word(byte)?,
        }
        Ok(None)
    }

    fn add_to_word(&mut self, byte: u8) -> Result<(), Refused> {
        *self.word.get_mut(self.word_length).ok_or(Refused)? = byte;
        self.word_length += 1;
        let word = &self.word[..self.word_length];
        refuse_unless(match self.place {
            Place::Protocol => [&b"TCP4"[..], b"TCP6", b"UNKNOWN"].iter().any(|name| name.starts_with(word)),
            _ if self.words >= 2 => port(word).is_some(),
            Place::Word { is_ipv4: true } => word.len() <= 15 && (byte.is_ascii_digit() || byte == b'.'),
            _ => byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'),
        })
    }

    /// The word is whole; `byte` is the space or the CR after it.
    fn end_word(&mut self, byte: u8) -> Result<(), Refused> {
        let word = &self.word[..self.word_length];
        let ends_line = byte == b'\r';
        self.place = match (self.place, word) {
            (Place::Protocol, b"UNKNOWN") => {
                if ends_line {
                    Place::AfterCr
                } else {
                    Place::Ignored
                }
            }
            (Place::Protocol, b"TCP4" | b"TCP6") if !ends_line => Place::Word { is_ipv4: word == b"TCP4" },
            (Place::Word { is_ipv4 }, _) => {
                if self.words < 2 {
                    self.ips[self.words] = Some(address(word, is_ipv4).ok_or(Refused)?);
                } else {
                    self.ports[self.words - 2] = port(word).ok_or(Refused)?;
                }
                self.words += 1;
                // Four words, and the CR after the fourth.
                refuse_unless(ends_line == (self.words == 4))?;
                if ends_line { Place::AfterCr } else { self.place }
            }
            _ => return Err(Refused),
        };
        self.word_length = 0;
        Ok(())
    }

    fn header(&self) -> ProxyHeader {
        let [Some(source), Some(destination)] = self.ips else { return ProxyHeader::Local };
        ProxyHeader::proxy(SocketAddr::new(source, self.ports[0]), SocketAddr::new(destination, self.ports[1]))
    }
}

fn refuse_unless(has_place: bool) -> Result<(), Refused> {
    if has_place { Ok(()) } else { Err(Refused) }
}

fn address(word: &[u8], is_ipv4: bool) -> Option<IpAddr> {
    let text = str::from_utf8(word).ok()?;
    if is_ipv4 { text.parse::<Ipv4Addr>().ok().map(IpAddr::V4) } else { text.parse::<Ipv6Addr>().ok().map(IpAddr::V6) }
}

/// `None` also for what cannot become one: no prefix of a valid port is invalid.
fn port(word: &[u8]) -> Option<u16> {
    let is_decimal = word == b"0" || !word.starts_with(b"0") && word.iter().all(u8::is_ascii_digit);
    str::from_utf8(word).ok().filter(|_| is_decimal)?.parse().ok()
}
