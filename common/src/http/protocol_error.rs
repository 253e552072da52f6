//! Why a message was rejected.
//!
//! The rules are those of an edge proxy: a message that two parsers could read in two ways is rejected, never repaired,
//! because the next server may repair it differently (request smuggling). An error in a request carries the status to
//! answer with; an error in a response is always a 502.

use thiserror::Error;

/// A violation of RFC 9110, of RFC 9112, or of this proxy's stricter rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum ProtocolError {
    /// The method, the target or the version is missing or malformed (RFC 9112 §3).
    #[error("malformed start line")]
    StartLine,
    /// A line ends in LF alone; RFC 9112 §2.2 lets a recipient accept it, and implementations differ.
    #[error("line ends in a bare LF")]
    BareLf,
    /// A malformed header line: folding, a control byte, in a request also whitespace before the colon (RFC 9112 §5).
    #[error("malformed header line")]
    FieldLine,
    /// The HTTP version is not supported (RFC 9110 §15.6.6).
    #[error("HTTP version is not 1.0 or 1.1")]
    Version,
    /// The target is not in origin-form, absolute-form or `*` for OPTIONS, or has an invalid byte (RFC 9112 §3.2).
    #[error("malformed request target")]
    RequestTarget,
    /// The request line alone exceeds the limit for a head.
    #[error("request target is too long")]
    TargetTooLong,
    /// The head is larger than [`MAX_HEAD_BYTES`](super::MAX_HEAD_BYTES).
    #[error("head is larger than 32 KiB")]
    HeadTooLarge,
    /// The head has more than [`MAX_FIELDS`](super::MAX_FIELDS) headers.
    #[error("head has more than 100 headers")]
    TooManyFields,
    /// An HTTP/1.1 request has no Host (RFC 9112 §3.2).
    #[error("Host is missing")]
    HostMissing,
    /// More than one Host header (RFC 9112 §3.2).
    #[error("Host is repeated")]
    HostRepeated,
    /// Host is not `uri-host [":" port]` (RFC 9110 §7.2).
    #[error("Host is not a valid authority")]
    HostInvalid,
    /// An absolute-form target names another authority than Host does (RFC 9110 §4.2.3).
    #[error("target and Host name different authorities")]
    HostMismatch,
    /// Content-Length is not one plain decimal number in range (RFC 9112 §6.3).
    #[error("Content-Length is not one decimal number")]
    LengthInvalid,
    /// More than one Content-Length, even if the values agree: RFC 9112 §6.3 lets a recipient merge them or reject the
    /// message, and two servers that choose differently allow smuggling.
    #[error("Content-Length is repeated")]
    LengthRepeated,
    /// Content-Length and Transfer-Encoding together: the classic way to smuggle a request (RFC 9112 §6.1).
    #[error("both Content-Length and Transfer-Encoding are present")]
    LengthAndCoding,
    /// Transfer-Encoding in an HTTP/1.0 message (RFC 9112 §6.1).
    #[error("Transfer-Encoding in HTTP/1.0")]
    CodingInHttp10,
    /// `chunked` is repeated, not last or missing, or the list is malformed (RFC 9112 §6.3).
    #[error("final transfer coding is not a single chunked")]
    CodingInvalid,
    /// A transfer coding that this proxy does not implement (RFC 9112 §6.1: 501).
    #[error("unknown transfer coding")]
    CodingUnknown,
    /// `Connection` names a header that frames or routes the message.
    #[error("Connection names Host, Content-Length or Transfer-Encoding")]
    ConnectionNamesFraming,
    /// `Connection` has more than 32 options.
    #[error("Connection has more than 32 options")]
    TooManyConnectionOptions,
    /// CONNECT sent to a reverse proxy.
    #[error("CONNECT is not allowed on a reverse proxy")]
    ConnectNotAllowed,
    /// A CONNECT with a body: it would be ambiguous where the tunnel begins.
    #[error("CONNECT request has a body")]
    ConnectWithBody,
    /// `Via` contains this proxy's own pseudonym: a forwarding loop (RFC 9110 §7.6.3).
    #[error("forwarding loop: Via already names this proxy")]
    LoopDetected,
    /// Malformed chunked framing (RFC 9112 §7.1).
    #[error("malformed chunked coding")]
    ChunkedCoding,
    /// The trailer section is malformed or larger than 8 KiB (RFC 9112 §7.1.2).
    #[error("malformed trailer section")]
    Trailer,
    /// A status code outside 100 to 599 (RFC 9110 §15).
    #[error("status code outside 100-599")]
    StatusCode,
    /// A 101 to a request that asked for no upgrade, or for another protocol (RFC 9110 §15.2.2).
    #[error("unexpected 101 Switching Protocols")]
    UnexpectedUpgrade,
}

impl ProtocolError {
    /// The status code for a rejected *request*.
    pub fn status(self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::Version => 505,
            Self::CodingUnknown => 501,
            Self::ConnectNotAllowed => 405,
            Self::LoopDetected => 508,
            _ => 400,
        }
    }
}
