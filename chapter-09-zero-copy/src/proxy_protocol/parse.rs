//! Reads the header at the start of a connection.

use super::{error::ProxyHeaderError, parsed::Parsed, v1, v2};

/// Reads the header at the start of `bytes`, which is all that the connection has sent. It is never
/// [`Parsed::Incomplete`] from [`MAX_HEADER_BYTES`](super::MAX_HEADER_BYTES) on, so a buffer of that size is enough.
///
/// A prefix is refused once it cannot become a header: at the first byte that has no place there, and for a number or
/// an address at the latest when its word is complete. So a client that sends HTTP or TLS to a port for proxies is
/// disconnected at once, and not after a timeout.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ProxyHeaderError> {
    match bytes.first() {
        None => Ok(Parsed::Incomplete),
        Some(first) if *first == v1::PREFIX[0] => v1::read(bytes),
        Some(_) => v2::read(bytes),
    }
}
