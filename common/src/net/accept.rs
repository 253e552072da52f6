//! Errors of accept(2), and an accepted connection before a worker serves it.

use std::{io, net::SocketAddr, time::Duration};

use nix::errno::Errno;

use super::connect::is_errno;

/// How long accepting pauses when the process is out of descriptors. The listener stays readable meanwhile, so retrying
/// at once would be a busy loop.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How to react to an error of accept(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptError {
    /// This connection was aborted before it was accepted: accept the next one (accept(2): "treat like `EAGAIN`").
    Transient,
    /// The process or the system is out of descriptors or memory: pause for [`ACCEPT_PAUSE`].
    Exhausted,
    /// The listener itself is unusable: no later call would succeed.
    Fatal,
}

impl AcceptError {
    /// Classifies an error of accept(2) other than `WouldBlock`. An unknown error counts as exhaustion: pausing is
    /// safe, whereas stopping to accept because of an unknown error is not.
    pub fn classify(error: &io::Error) -> Self {
        const TRANSIENT: [Errno; 6] =
            [Errno::ECONNABORTED, Errno::EINTR, Errno::EPROTO, Errno::EPERM, Errno::EHOSTUNREACH, Errno::ENETUNREACH];
        const FATAL: [Errno; 4] = [Errno::EBADF, Errno::EINVAL, Errno::ENOTSOCK, Errno::EFAULT];
        if is_errno(error, &TRANSIENT) {
            Self::Transient
        } else if is_errno(error, &FATAL) {
            Self::Fatal
        } else {
            Self::Exhausted
        }
    }
}

/// A client connection that has been accepted and is not served yet, in the stream type `S` of an engine.
#[derive(Debug)]
pub struct AcceptedConnection<S> {
    /// The connection.
    pub stream: S,
    /// The client's address.
    pub peer: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_an_aborted_connection_from_exhaustion_and_from_a_broken_listener() {
        for (errno, expected) in [
            (Errno::ECONNABORTED, AcceptError::Transient),
            (Errno::EPROTO, AcceptError::Transient),
            (Errno::EMFILE, AcceptError::Exhausted),
            (Errno::ENOMEM, AcceptError::Exhausted),
            (Errno::ENOSYS, AcceptError::Exhausted),
            (Errno::EBADF, AcceptError::Fatal),
            (Errno::EINVAL, AcceptError::Fatal),
        ] {
            assert_eq!(AcceptError::classify(&errno.into()), expected, "{errno}");
        }
    }
}
