//! Why a request failed. Each kind points to another culprit.

use std::{fmt, io};

use nix::errno::Errno;

/// One kind of failure; a request has at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// Nothing listens on that port.
    ConnectRefused,
    ConnectTimeout,
    /// We ran out of file descriptors or of local ports: the generator's limit, not the server's.
    OutOfSockets,
    /// The response was not complete within `--timeout`.
    Timeout,
    /// RST, before the response or during it.
    Reset,
    /// FIN before the first byte of a response. Nothing is retried: a lost request is a result.
    ClosedUnanswered,
    /// FIN in the middle of a response.
    Truncated,
    /// Not HTTP/1.1, with the reason.
    Malformed(&'static str),
    /// Bytes after the end of a response: the next one on this connection would be misread.
    StrayBytes,
    Status(u16),
    /// Complete, but not as expected, with the reason.
    WrongBody(&'static str),
    /// Another error of the operating system.
    Io(io::ErrorKind),
}

impl Failure {
    /// For an error of `connect(2)` or of a call before it.
    pub(crate) fn of_connect(error: &io::Error) -> Self {
        let errno = error.raw_os_error().map(Errno::from_raw);
        if let Some(Errno::EMFILE | Errno::ENFILE | Errno::EADDRNOTAVAIL) = errno {
            return Self::OutOfSockets;
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::ConnectRefused,
            io::ErrorKind::ConnectionReset => Self::Reset,
            io::ErrorKind::TimedOut => Self::ConnectTimeout,
            kind => Self::Io(kind),
        }
    }

    /// For an error of an established connection.
    pub(crate) fn of_exchange(error: &io::Error) -> Self {
        match error.kind() {
            // The next write after a reset fails with EPIPE.
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Self::Reset
            }
            kind => Self::Io(kind),
        }
    }

    /// Whether no connection was established.
    pub(crate) fn is_connect(self) -> bool {
        matches!(self, Self::ConnectRefused | Self::ConnectTimeout | Self::OutOfSockets)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectRefused => f.write_str("connect refused"),
            Self::ConnectTimeout => f.write_str("connect timeout"),
            Self::OutOfSockets => f.write_str("out of sockets here"),
            Self::Timeout => f.write_str("timeout"),
            Self::Reset => f.write_str("reset"),
            Self::ClosedUnanswered => f.write_str("closed without an answer"),
            Self::Truncated => f.write_str("truncated"),
            Self::Malformed(reason) => write!(f, "malformed: {reason}"),
            Self::StrayBytes => f.write_str("stray bytes after the answer"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::WrongBody(reason) => write!(f, "wrong body: {reason}"),
            Self::Io(kind) => write!(f, "input/output: {kind}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_system_has_its_kind() {
        let error = |errno: Errno| io::Error::from_raw_os_error(errno as i32);
        let connect = [
            (Errno::ECONNREFUSED, Failure::ConnectRefused),
            (Errno::ETIMEDOUT, Failure::ConnectTimeout),
            (Errno::EMFILE, Failure::OutOfSockets),
            (Errno::EADDRNOTAVAIL, Failure::OutOfSockets),
            (Errno::ECONNRESET, Failure::Reset),
            (Errno::EACCES, Failure::Io(io::ErrorKind::PermissionDenied)),
        ];
        for (errno, kind) in connect {
            assert_eq!(Failure::of_connect(&error(errno)), kind);
        }
        for errno in [Errno::ECONNRESET, Errno::EPIPE, Errno::ECONNABORTED] {
            assert_eq!(Failure::of_exchange(&error(errno)), Failure::Reset);
        }
    }
}
