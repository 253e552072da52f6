//! The errors of the strict reader.

use std::io;

/// The reason why a message could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// The peer sent FIN before the first byte of a message.
    Closed,
    /// The peer sent FIN inside a message; the text says where.
    Truncated(&'static str),
    /// The bytes break RFC 9112; the text says which rule.
    Malformed(String),
    /// The peer reset the connection.
    Reset,
    /// Nothing arrived within the read timeout of the socket.
    TimedOut,
    /// Any other failure of the socket.
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Self::Reset
            }
            _ => Self::Io(error),
        }
    }
}

/// A `Malformed` error that shows the offending bytes.
pub(super) fn malformed(rule: &str, bytes: &[u8]) -> ReadError {
    let shown = &bytes[..bytes.len().min(120)];
    ReadError::Malformed(format!("{rule}: {}", shown.escape_ascii()))
}
