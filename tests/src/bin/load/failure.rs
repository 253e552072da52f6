//! Why a request failed: a few kinds, since each one accuses someone else.

use std::{fmt, io};

use nix::errno::Errno;

/// One kind of failure; a request has at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// Nobody listens there.
    ConnectRefused,
    ConnectTimeout,
    /// We ran out of file descriptors or of local ports: the generator's limit, not the server's.
    OutOfSockets,
    /// The answer was not whole within `--timeout`.
    Timeout,
    /// RST, before the answer or in it.
    Reset,
    /// FIN before the first byte of an answer. Nothing is sent again: a lost request is a result.
    ClosedUnanswered,
    /// FIN in the middle of an answer.
    Truncated,
    /// Not HTTP/1.1, with the reason.
    Malformed(&'static str),
    /// Bytes after the end of an answer: the next one on this connection would be misread.
    StrayBytes,
    Status(u16),
    /// Whole, but not what was expected, with the reason.
    WrongBody(&'static str),
    /// What the system said otherwise.
    Io(io::ErrorKind),
}

impl Failure {
    /// Of `connect(2)` and what comes before it.
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

    /// Of a connection that was made.
    pub(crate) fn of_exchange(error: &io::Error) -> Self {
        match error.kind() {
            // EPIPE is how a reset looks to the next write.
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Self::Reset
            }
            kind => Self::Io(kind),
        }
    }

    /// Whether no connection was made.
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
