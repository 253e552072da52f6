//! What an exchange waits for, said to the engine.

/// Which events of one socket matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest {
    /// Bytes or the end can be taken.
    pub read: bool,
    /// Bytes are owed.
    pub write: bool,
}

impl Interest {
    /// Neither.
    pub fn is_none(self) -> bool {
        !self.read && !self.write
    }
}

/// What is waited for, and so which deadline runs.
///
/// [`Patience`](super::Patience) says until when it may last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutKind {
    /// The client is to send more of its body, or to take what it is owed.
    ClientIo,
    /// The backend is to take the request.
    BackendWrite,
    /// The backend is to begin its response.
    FirstByte,
    /// The backend is to go on with its response.
    Stream,
    /// Either end of a tunnel is to say something.
    Tunnel,
}

/// What the exchange waits for. Of the client, a hang-up matters even where it wants nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// On the client's socket.
    pub client: Interest,
    /// On the backend's socket.
    pub backend: Interest,
    /// How long.
    pub timeout: TimeoutKind,
}
