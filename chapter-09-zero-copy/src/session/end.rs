//! How a session ended, in one word.

use std::fmt;

/// How a session ended. The same word is in the metrics, in the log and in the statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionEnd {
    /// Both sides sent FIN, and everything was passed on.
    Done,
    /// The client reset the connection, or can no longer be reached.
    ClientReset,
    /// The backend reset the connection, or can no longer be reached.
    BackendReset,
    /// No backend took the session: each that may have was tried once, or none may be picked, or its place in the queue
    /// was given up.
    NoBackend,
    /// The last backend that was tried did not answer in time.
    ConnectTimeout,
    /// No byte moved in either direction for `--session-timeout`.
    Idle,
    /// The process ended, after the drain timeout or a second signal.
    Drained,
    /// A peer of `--accept-proxy` sent no valid PROXY header in time.
    BadProxyHeader,
    /// With `--sni`, the client sent no valid TLS `ClientHello` in time.
    NoHello,
}

impl SessionEnd {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::ClientReset,
        Self::BackendReset,
        Self::NoBackend,
        Self::ConnectTimeout,
        Self::Idle,
        Self::Drained,
        Self::BadProxyHeader,
        Self::NoHello,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::ClientReset => "client_reset",
            Self::BackendReset => "backend_reset",
            Self::NoBackend => "no_backend",
            Self::ConnectTimeout => "connect_timeout",
            Self::Idle => "idle",
            Self::Drained => "drained",
            Self::BadProxyHeader => "bad_proxy_header",
            Self::NoHello => "no_hello",
        }
    }

    /// Its position in [`ALL`](Self::ALL).
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_word_and_index() {
        for (index, end) in SessionEnd::ALL.into_iter().enumerate() {
            assert_eq!(end.index(), index);
            assert_eq!(SessionEnd::ALL.iter().filter(|other| other.as_str() == end.as_str()).count(), 1);
        }
    }
}
