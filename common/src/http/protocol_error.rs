//! Why a message was refused.
//!
//! The profile is an edge's: what two readers could understand in two ways is refused, never repaired,
//! because the one who repairs it and the one behind may repair it differently (request smuggling).
//! A refusal of a request carries the status to answer with; a refused response is always a 502.

use thiserror::Error;

/// A rule of RFC 9110, RFC 9112 or of this edge's profile that a message broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum ProtocolError {
    /// No method, no target or no version where the grammar has one (RFC 9112 §3).
    #[error("malformed start line")]
    StartLine,
    /// A line that ends in LF alone; RFC 9112 §2.2 lets a recipient accept it, and peers differ.
    #[error("line ends in a bare LF")]
    BareLf,
    /// A field line outside the grammar: a space before the colon, folding, a control byte (RFC 9112 §5).
    #[error("malformed field line")]
    FieldLine,
    /// A version that this balancer does not speak on this connection (RFC 9110 §15.6.6).
    #[error("HTTP version is not 1.0 or 1.1")]
    Version,
    /// A target that is not in origin-form, absolute-form or `*` for OPTIONS, or has a forbidden byte (RFC 9112 §3.2).
    #[error("malformed request target")]
    RequestTarget,
    /// The request line alone fills the room for a head.
    #[error("request target is too long")]
    TargetTooLong,
    /// The head is larger than [`MAX_HEAD_BYTES`](super::MAX_HEAD_BYTES).
    #[error("head is larger than 32 KiB")]
    HeadTooLarge,
    /// The head has more than [`MAX_FIELDS`](super::MAX_FIELDS) fields.
    #[error("head has more than 100 fields")]
    TooManyFields,
    /// HTTP/1.1 without Host (RFC 9112 §3.2).
    #[error("Host is missing")]
    HostMissing,
    /// More than one Host (RFC 9112 §3.2).
    #[error("Host is repeated")]
    HostRepeated,
    /// Host is not `uri-host [":" port]` (RFC 9110 §7.2).
    #[error("Host is not a valid authority")]
    HostInvalid,
    /// An absolute-form target that names another authority than Host.
    #[error("target and Host name different authorities")]
    HostMismatch,
    /// A length that is not one plain decimal number in range (RFC 9112 §6.3).
    #[error("Content-Length is not one decimal number")]
    LengthInvalid,
    /// More than one Content-Length, even when they agree.
    #[error("Content-Length is repeated")]
    LengthRepeated,
    /// Both framings at once: the classic way to smuggle a request (RFC 9112 §6.1).
    #[error("both Content-Length and Transfer-Encoding are present")]
    LengthAndCoding,
    /// Transfer-Encoding in a message of version 1.0 (RFC 9112 §6.1).
    #[error("Transfer-Encoding in HTTP/1.0")]
    CodingInHttp10,
    /// `chunked` is repeated, not last or missing, or the list is malformed (RFC 9112 §6.3).
    #[error("final transfer coding is not a single chunked")]
    CodingInvalid,
    /// A transfer coding that this balancer does not implement (RFC 9112 §6.1: 501).
    #[error("unknown transfer coding")]
    CodingUnknown,
    /// `Connection` declares a field that frames or routes the message to be hop-by-hop.
    #[error("Connection names Host, Content-Length or Transfer-Encoding")]
    ConnectionNamesFraming,
    /// `Connection` is not a list of tokens, or has more than 32 of them.
    #[error("malformed Connection")]
    ConnectionInvalid,
    /// CONNECT to a reverse proxy.
    #[error("CONNECT is not allowed on a reverse proxy")]
    ConnectNotAllowed,
    /// An upgrade request or a CONNECT with a body: where the new protocol begins would be a guess.
    #[error("Upgrade or CONNECT request has a body")]
    UpgradeWithBody,
    /// Our own pseudonym in `Via`: the request came round in a circle (RFC 9110 §7.6.3).
    #[error("forwarding loop: Via already names this proxy")]
    LoopDetected,
    /// Chunked framing broken (RFC 9112 §7.1).
    #[error("malformed chunked coding")]
    ChunkedCoding,
    /// The trailer section is malformed or larger than 8 KiB (RFC 9112 §7.1.2).
    #[error("malformed trailer section")]
    Trailer,
    /// A status code outside 100 to 599 (RFC 9110 §15).
    #[error("status code outside 100-599")]
    StatusCode,
    /// 101 to a request that asked for no upgrade, or to another protocol (RFC 9110 §15.2.2).
    #[error("unexpected 101 Switching Protocols")]
    UnexpectedUpgrade,
}

impl ProtocolError {
    /// The status to answer a refused *request* with.
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
