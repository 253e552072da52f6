//! Why bytes are no PROXY protocol header.

/// Why a connection does not begin with a valid header. The specification wants it closed, without a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyHeaderError {
    /// Neither signature: the peer speaks its own protocol, such as HTTP or TLS, at once.
    #[error("the connection does not begin with a PROXY protocol header")]
    NoHeader,
    /// Version 1: not `TCP4`, `TCP6` or `UNKNOWN`.
    #[error("PROXY protocol v1: the protocol is neither TCP4, TCP6 nor UNKNOWN")]
    UnknownProtocol,
    /// Version 1: not an address of the protocol's family.
    #[error("PROXY protocol v1: invalid address, or one of the other family")]
    InvalidAddress,
    /// Version 1: not a decimal number from 0 to 65535 without leading zeros.
    #[error("PROXY protocol v1: invalid port")]
    InvalidPort,
    /// Version 1: a word is missing, or there is one too many.
    #[error("PROXY protocol v1: the line must have two addresses and two ports, and nothing after them")]
    WordCount,
    /// Version 1: CR without LF, or LF without CR.
    #[error("PROXY protocol v1: the line does not end in CRLF")]
    InvalidLineEnd,
    /// Version 1: no CRLF in the first 107 bytes.
    #[error("PROXY protocol v1: the line is longer than 107 bytes")]
    LineTooLong,
    /// Version 2's signature, with another version number.
    #[error("PROXY protocol: version {0} follows the signature of version 2")]
    UnsupportedVersion(u8),
    /// Version 2: neither `LOCAL` nor `PROXY`.
    #[error("PROXY protocol v2: unknown command {0}")]
    UnknownCommand(u8),
    /// Version 2: family and transport of a connection that is not TCP.
    #[error("PROXY protocol v2: family and transport {0:#04x} are not TCP over IPv4 or IPv6")]
    UnsupportedFamily(u8),
    /// Version 2: the whole header is longer than 4 KiB.
    #[error("PROXY protocol v2: the header is longer than 4096 bytes")]
    HeaderTooLong,
    /// Version 2: the header has no room for the addresses of its family.
    #[error("PROXY protocol v2: the header is shorter than its addresses")]
    HeaderTooShort,
    /// Version 2: the extensions do not end where the header ends.
    #[error("PROXY protocol v2: a TLV is cut off by the end of the header")]
    TruncatedTlv,
    /// Version 2: a checksum that is not 4 bytes long, or a second one.
    #[error("PROXY protocol v2: invalid or repeated CRC32C TLV")]
    InvalidChecksumTlv,
    /// Version 2: the header was changed on its way.
    #[error("PROXY protocol v2: wrong CRC32C checksum")]
    ChecksumMismatch,
}
