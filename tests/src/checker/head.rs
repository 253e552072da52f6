//! Start lines and framing (RFC 9112 §3, §4 and §6.3), for the strict reader.

use super::fields::{Fields, is_token};
use super::read_error::{ReadError, malformed};

/// How the body of a message is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// `Content-Length`, which may be 0.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// Everything until the connection closes; responses only.
    UntilClose,
}

/// A request line and its headers.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// The method, as sent.
    pub method: String,
    /// The target, as sent.
    pub target: String,
    /// The minor version: 0 or 1.
    pub minor: u8,
    /// The header section.
    pub fields: Fields,
    /// How the body is delimited.
    pub framing: Framing,
}

impl RequestHead {
    pub(crate) fn parse(line: &[u8], fields: Fields) -> Result<Self, ReadError> {
        let wrong = || malformed("request line", line);
        let mut words = line.split(|&b| b == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wrong());
        };
        let minor = minor_version(version).ok_or_else(wrong)?;
        if method.is_empty() || !method.iter().copied().all(is_token) {
            return Err(wrong());
        }
        if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
            return Err(wrong());
        }
        let framing = declared(&fields)?.unwrap_or(Framing::None);
        if minor == 1 && fields.all("host").len() != 1 {
            return Err(malformed("an HTTP/1.1 request has one Host", line));
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self { method: text(method), target: text(target), minor, fields, framing })
    }
}

/// A status line and its headers.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// The minor version: 0 or 1.
    pub minor: u8,
    /// The status code, 100 to 599.
    pub status: u16,
    /// The reason phrase, possibly empty.
    pub reason: String,
    /// The header section.
    pub fields: Fields,
}

impl ResponseHead {
    pub(crate) fn parse(line: &[u8], fields: Fields) -> Result<Self, ReadError> {
        let wrong = || malformed("status line", line);
        // "HTTP/1.1 200 " is 13 bytes: the space before an empty reason is not optional.
        let (start, reason) = line.split_at_checked(13).ok_or_else(wrong)?;
        let minor = minor_version(&start[..8]).ok_or_else(wrong)?;
        let digits = &start[9..12];
        if start[8] != b' ' || start[12] != b' ' || !digits.iter().all(u8::is_ascii_digit) {
            return Err(wrong());
        }
        let status = digits.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0'));
        let plain = reason.iter().all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f));
        if !plain || !(100..600).contains(&status) {
            return Err(wrong());
        }
        let reason = String::from_utf8_lossy(reason).into_owned();
        Ok(Self { minor, status, reason, fields })
    }

    /// The framing of the body, given the method of the request that this answers.
    pub fn framing(&self, method: &str) -> Result<Framing, ReadError> {
        let declared = declared(&self.fields)?;
        if self.status < 200 || self.status == 204 {
            if declared.is_some() {
                return Err(ReadError::Malformed(format!("{} with a length or coding", self.status)));
            }
            return Ok(Framing::None);
        }
        if method == "HEAD" || self.status == 304 {
            return Ok(Framing::None);
        }
        Ok(declared.unwrap_or(Framing::UntilClose))
    }

    /// Whether the sender announced that it will close after this message.
    pub fn says_close(&self) -> bool {
        self.fields.list("connection").iter().any(|option| option == "close")
    }
}

fn minor_version(version: &[u8]) -> Option<u8> {
    match version {
        b"HTTP/1.0" => Some(0),
        b"HTTP/1.1" => Some(1),
        _ => None,
    }
}

/// The framing that the headers declare, if any; two declarations are an error.
fn declared(fields: &Fields) -> Result<Option<Framing>, ReadError> {
    let (lengths, codings) = (fields.all("content-length"), fields.all("transfer-encoding"));
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(None),
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Some(Framing::Chunked)),
        ([length], []) if length.bytes().all(|b| b.is_ascii_digit()) => length
            .parse()
            .map(|length| Some(Framing::Length(length)))
            .map_err(|_| malformed("Content-Length", length.as_bytes())),
        _ => Err(ReadError::Malformed(format!("framing: {lengths:?} {codings:?}"))),
    }
}
