//! The framing and the connection options in the headers of a message (RFC 9112 §6, §9).
//!
//! This code decides where a message ends, so an error here would allow request smuggling. The rules are those of an
//! edge proxy: one length or one `chunked`, never both, never a list, never a guess.

use super::field_name::{KnownField, is_token, list_elements};
use crate::http::{exchange::Version, protocol_error::ProtocolError};

/// Maximum number of options in `Connection`; each is compared with every header.
const MAX_CONNECTION_OPTIONS: usize = 32;

/// How the headers frame the body; the method or the status code may override it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Framing {
    /// Neither Content-Length nor Transfer-Encoding.
    #[default]
    None,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

impl Framing {
    /// Whether a request with this framing has a body.
    pub(crate) fn has_body(self) -> bool {
        !matches!(self, Self::None | Self::Length(0))
    }
}

/// The properties of a message that a proxy acts on.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own; together they are no state")]
pub(crate) struct MessageInfo {
    pub(crate) framing: Framing,
    /// `Connection: close`, or an element that is no option.
    pub(crate) close: bool,
    /// `Connection: keep-alive`.
    pub(crate) keep_alive: bool,
    /// `Connection` names other headers.
    pub(crate) connection_names_fields: bool,
    /// `Connection: upgrade`.
    upgrade: bool,
    /// `Upgrade` is `websocket`.
    websocket: bool,
    /// `Expect: 100-continue`.
    pub(crate) expects_continue: bool,
    /// The seconds of `Keep-Alive: timeout=5` (RFC 2068 §19.7.1.1).
    pub(crate) keep_alive_timeout: Option<u32>,
    /// The smallest valid `Max-Forwards`.
    pub(crate) max_forwards: Option<u64>,
    /// There is a `Date`.
    pub(crate) has_date: bool,
}

impl MessageInfo {
    pub(crate) fn from_fields<'a>(
        version: Version,
        fields: impl Iterator<Item = (KnownField, &'a [u8])>,
    ) -> Result<Self, ProtocolError> {
        let mut info = Self::default();
        let mut length = None;
        let mut coding = None;
        let mut options = 0;
        for (known, value) in fields {
            match known {
                // RFC 9112 §6.3 lets a recipient merge equal values or reject them; two servers that choose differently
                // allow smuggling.
                KnownField::ContentLength if length.is_some() => return Err(ProtocolError::LengthRepeated),
                KnownField::ContentLength => length = Some(parse_decimal(value)?),
                KnownField::TransferEncoding => coding.get_or_insert_with(TransferCodings::default).parse(value)?,
                KnownField::Connection => info.parse_connection(value, &mut options)?,
                KnownField::Upgrade => info.websocket = value.eq_ignore_ascii_case(b"websocket"),
                KnownField::KeepAlive => {
                    info.keep_alive_timeout = info.keep_alive_timeout.into_iter().chain(parse_keep_alive(value)).min();
                }
                KnownField::Date => info.has_date = true,
                KnownField::MaxForwards => {
                    info.max_forwards = info.max_forwards.into_iter().chain(parse_decimal(value).ok()).min();
                }
                KnownField::Expect => info.expects_continue |= value.eq_ignore_ascii_case(b"100-continue"),
                _ => {}
            }
        }
        // ANCHOR: framing
        info.framing = match (length, coding) {
            (None, None) => Framing::None,
            (Some(length), None) => Framing::Length(length),
            (Some(_), Some(_)) => return Err(ProtocolError::LengthAndCoding),
            (None, Some(_)) if version == Version::Http10 => return Err(ProtocolError::CodingInHttp10),
            (None, Some(coding)) => coding.framing()?,
        };
        // ANCHOR_END: framing
        Ok(info)
    }

    /// Whether this head requests, or accepts, WebSocket (RFC 6455 §4.1).
    pub(crate) fn is_websocket_upgrade(&self, version: Version) -> bool {
        self.upgrade && self.websocket && version == Version::Http11
    }

    fn parse_connection(&mut self, value: &[u8], options: &mut usize) -> Result<(), ProtocolError> {
        for option in list_elements(value).filter(|option| !option.is_empty()) {
            *options += 1;
            if *options > MAX_CONNECTION_OPTIONS {
                return Err(ProtocolError::TooManyConnectionOptions);
            }
            if !is_token(option) {
                // Some peers send `keep-alive; timeout=5`. What the sender wanted is unclear, so the element is ignored
                // and the connection not used again: this is right whatever it meant, and rejecting it breaks them.
                self.close = true;
                continue;
            }
            let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
            if is("close") {
                self.close = true;
            } else if is("keep-alive") {
                self.keep_alive = true;
            } else if is("upgrade") {
                self.upgrade = true;
            } else if is("host") || is("content-length") || is("transfer-encoding") {
                return Err(ProtocolError::ConnectionNamesFraming);
            } else {
                self.connection_names_fields = true;
            }
        }
        Ok(())
    }
}

/// The timeout in `timeout=5, max=100`, in seconds. Anything else says nothing: the header only avoids lost requests.
fn parse_keep_alive(value: &[u8]) -> Option<u32> {
    let parameter = list_elements(value).find_map(|element| {
        let (name, seconds) = element.split_at_checked("timeout=".len())?;
        name.eq_ignore_ascii_case(b"timeout=").then_some(seconds)
    });
    parse_decimal(parameter?).ok().map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// Parses `1*DIGIT` (RFC 9110 §8.6). `u64::from_str` would also accept `+5`.
fn parse_decimal(value: &[u8]) -> Result<u64, ProtocolError> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(ProtocolError::LengthInvalid);
    }
    value
        .iter()
        .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .ok_or(ProtocolError::LengthInvalid)
}

/// The transfer codings of a message, from all its `Transfer-Encoding` headers.
#[derive(Debug, Default)]
struct TransferCodings {
    chunked: bool,
    /// A registered coding that is not implemented here.
    compressed: bool,
    unknown: bool,
}

impl TransferCodings {
    fn parse(&mut self, value: &[u8]) -> Result<(), ProtocolError> {
        for coding in list_elements(value) {
            let is = |name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
            if self.chunked || !is_token(coding) {
                return Err(ProtocolError::CodingInvalid);
            }
            if is("chunked") {
                self.chunked = true;
            } else if ["gzip", "x-gzip", "deflate", "compress", "x-compress"].into_iter().any(is) {
                self.compressed = true;
            } else {
                self.unknown = true;
            }
        }
        Ok(())
    }

    fn framing(&self) -> Result<Framing, ProtocolError> {
        match (self.chunked, self.compressed, self.unknown) {
            (true, false, false) => Ok(Framing::Chunked),
            (false, true, false) => Err(ProtocolError::CodingInvalid),
            _ => Err(ProtocolError::CodingUnknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(version: Version, fields: &[(KnownField, &str)]) -> Result<Framing, ProtocolError> {
        MessageInfo::from_fields(version, fields.iter().map(|(known, value)| (*known, value.as_bytes())))
            .map(|info| info.framing)
    }

    #[test]
    fn lengths_are_plain_decimal_numbers() {
        for (value, expected) in [
            ("0", Ok(Framing::Length(0))),
            ("0007", Ok(Framing::Length(7))),
            ("18446744073709551615", Ok(Framing::Length(u64::MAX))),
            ("18446744073709551616", Err(ProtocolError::LengthInvalid)),
            ("+5", Err(ProtocolError::LengthInvalid)),
            ("-5", Err(ProtocolError::LengthInvalid)),
            ("0x5", Err(ProtocolError::LengthInvalid)),
            ("5, 5", Err(ProtocolError::LengthInvalid)),
            ("5 5", Err(ProtocolError::LengthInvalid)),
            ("", Err(ProtocolError::LengthInvalid)),
        ] {
            assert_eq!(framing(Version::Http11, &[(KnownField::ContentLength, value)]), expected, "{value:?}");
        }
        let twice = [(KnownField::ContentLength, "5"), (KnownField::ContentLength, "5")];
        assert_eq!(framing(Version::Http11, &twice), Err(ProtocolError::LengthRepeated));
    }

    #[test]
    fn a_keep_alive_timeout_is_a_number_of_seconds() {
        for (value, expected) in [
            ("timeout=5", Some(5)),
            ("max=100, Timeout=15", Some(15)),
            ("timeout=0", Some(0)),
            ("timeout=99999999999", Some(u32::MAX)),
            ("timeout=-1", None),
            ("timeout=", None),
            ("timeout", None),
            ("max=100", None),
            ("", None),
        ] {
            assert_eq!(parse_keep_alive(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn the_only_valid_coding_is_one_chunked() {
        for (value, expected) in [
            ("chunked", Ok(Framing::Chunked)),
            ("Chunked", Ok(Framing::Chunked)),
            ("chunked, chunked", Err(ProtocolError::CodingInvalid)),
            ("chunked, gzip", Err(ProtocolError::CodingInvalid)),
            ("gzip", Err(ProtocolError::CodingInvalid)),
            ("", Err(ProtocolError::CodingInvalid)),
            (",chunked", Err(ProtocolError::CodingInvalid)),
            ("chunked;a=b", Err(ProtocolError::CodingInvalid)),
            ("\x0bchunked", Err(ProtocolError::CodingInvalid)),
            ("gzip, chunked", Err(ProtocolError::CodingUnknown)),
            ("xchunked", Err(ProtocolError::CodingUnknown)),
            ("identity", Err(ProtocolError::CodingUnknown)),
        ] {
            assert_eq!(framing(Version::Http11, &[(KnownField::TransferEncoding, value)]), expected, "{value:?}");
        }
        let two = [(KnownField::TransferEncoding, "chunked"), (KnownField::TransferEncoding, "chunked")];
        assert_eq!(framing(Version::Http11, &two), Err(ProtocolError::CodingInvalid));
        let both = [(KnownField::TransferEncoding, "chunked"), (KnownField::ContentLength, "5")];
        assert_eq!(framing(Version::Http11, &both), Err(ProtocolError::LengthAndCoding));
        let old = [(KnownField::TransferEncoding, "chunked")];
        assert_eq!(framing(Version::Http10, &old), Err(ProtocolError::CodingInHttp10));
    }

    #[test]
    fn connection_cannot_name_framing_headers() {
        for name in ["Host", "content-length", "Transfer-Encoding"] {
            let value = format!("close, {name}");
            assert_eq!(
                framing(Version::Http11, &[(KnownField::Connection, &value)]),
                Err(ProtocolError::ConnectionNamesFraming)
            );
        }
        for many in ["a,".repeat(33), "a b,".repeat(33)] {
            assert_eq!(
                framing(Version::Http11, &[(KnownField::Connection, &many)]),
                Err(ProtocolError::TooManyConnectionOptions)
            );
        }
    }

    #[test]
    fn a_connection_element_that_is_no_token_is_ignored_and_the_connection_closed() {
        for (value, keep_alive) in [
            ("keep-alive; timeout=5", false),
            ("Keep-Alive, timeout=15, max=100", true),
            ("keep-alive, \"x", true),
            ("close;", false),
            ("Host;", false),
            ("a b", false),
        ] {
            let fields = [(KnownField::Connection, value.as_bytes())];
            let info = MessageInfo::from_fields(Version::Http11, fields.into_iter()).unwrap();
            assert!(info.close, "{value}");
            assert_eq!(info.keep_alive, keep_alive, "{value}");
        }
    }
}
