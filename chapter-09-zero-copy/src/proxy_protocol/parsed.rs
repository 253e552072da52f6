//! What a reader returns.

use super::header::ProxyHeader;

/// The longest header that is accepted, in bytes; nginx has the same limit. A header that describes a client's TLS
/// connection and certificate has a few hundred.
pub const MAX_HEADER_BYTES: usize = 4096;

/// The result of reading the bytes received so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// They are the start of a header: call again when more have arrived.
    Incomplete,
    /// They begin with a header.
    Complete {
        /// What it says.
        header: ProxyHeader,
        /// Its length in bytes. The bytes after it are the client's.
        length: usize,
    },
}

/// Whether all of `bytes` that fall into the length of `expected` are equal to it.
pub(super) fn agrees_with(bytes: &[u8], expected: &[u8]) -> bool {
    bytes.iter().zip(expected).all(|(byte, expected)| byte == expected)
}
