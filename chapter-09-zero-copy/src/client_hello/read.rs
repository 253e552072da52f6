//! Reads the `ClientHello` at the start of a connection.

use super::{error::ClientHelloError, hello::ClientHello, message};

/// The result of reading the bytes received so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientHelloRead<'a> {
    /// They are the start of a `ClientHello`: call again when more have arrived.
    Incomplete,
    /// They begin with one.
    Complete(ClientHello<'a>),
}

/// Reads the `ClientHello` at the start of `bytes`, which is all that the connection has sent. It is never
/// [`ClientHelloRead::Incomplete`] from [`MAX_RECEIVED_BYTES`](super::MAX_RECEIVED_BYTES) on, so a buffer of that size
/// is enough. It allocates only if the message is split over several TLS records, and then once.
///
/// Another protocol is refused at its first byte in most cases, and a field of a record or of the message's header as
/// soon as it has arrived; the rest of the message when it is whole. What follows the message's last record is
/// ignored.
pub fn read(bytes: &[u8]) -> Result<ClientHelloRead<'_>, ClientHelloError> {
    match message::body(bytes)? {
        Some(body) => Ok(ClientHelloRead::Complete(ClientHello::parse(body)?)),
        None => Ok(ClientHelloRead::Incomplete),
    }
}
