//! How values are written: as JSON, or as text.

use std::{io::Write as _, net::IpAddr, time::Duration};

use super::{escape::Escape, timestamp::write_three_digits};

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As JSON values, whose quotes are part of the format: `null` for a number that is not known.
    Json,
    /// As text: `-` for what is not known.
    Text,
}

impl Style {
    /// How texts of clients are escaped.
    pub fn escape(self) -> Escape {
        match self {
            Self::Json => Escape::Json,
            Self::Text => Escape::Hex,
        }
    }

    /// Appends a text; an empty one is not known.
    pub fn text(self, out: &mut Vec<u8>, text: &[u8]) {
        match self {
            Self::Text if text.is_empty() => out.push(b'-'),
            _ => self.escape().write(out, text),
        }
    }

    /// Appends a time in milliseconds, with three decimals.
    pub fn millis(self, out: &mut Vec<u8>, time: Option<Duration>) {
        match (time, self) {
            (Some(time), _) => {
                let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
                write_number(out, micros / 1_000);
                out.push(b'.');
                write_three_digits(out, u16::try_from(micros % 1_000).unwrap_or_default());
            }
            (None, Self::Json) => out.extend_from_slice(b"null"),
            (None, Self::Text) => out.push(b'-'),
        }
    }
}

/// Appends a number.
pub fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends an address. IPv4 without `core::fmt`, which would take as long as the rest of a line.
pub fn write_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                write_number(out, octet.into());
            }
        }
        IpAddr::V6(address) => write!(out, "{address}").expect("writing to a Vec cannot fail"),
    }
}
