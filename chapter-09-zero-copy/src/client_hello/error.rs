//! Why bytes are no `ClientHello`.

/// Why a connection does not begin with a valid `ClientHello`. Its bytes may still go to a default backend, which
/// answers with the TLS alert of its choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientHelloError {
    /// The first bytes are no handshake record of SSL 3.0 or later: another protocol.
    #[error("the connection does not begin with a TLS handshake")]
    NotTls,
    /// A record of another type or version between those of the message.
    #[error("a record that is no handshake interrupts the ClientHello")]
    InterruptedMessage,
    /// A record's length in bytes.
    #[error("a TLS record of {0} bytes; allowed: 1 to 16384")]
    RecordLength(usize),
    /// The type of the first handshake message.
    #[error("the first handshake message has type {0} and is no ClientHello")]
    NotClientHello(u8),
    /// The message, or the records that it was split into.
    #[error("the ClientHello is longer than 16384 bytes, or 32768 with its record headers")]
    TooLong,
    /// The record goes on after the message, but a client has nothing more to say before the server's answer.
    #[error("the ClientHello's last record contains more than the ClientHello")]
    TrailingBytes,
    /// The part of the message with a length that does not add up, or with an invalid content.
    #[error("malformed ClientHello: {0}")]
    Malformed(&'static str),
    /// The number of an extension that occurs twice (RFC 8446 §4.2).
    #[error("the ClientHello has extension {0} twice")]
    DuplicateExtension(u16),
    /// The server name is no DNS name.
    #[error("the ClientHello's server name is not a host name")]
    InvalidServerName,
}
