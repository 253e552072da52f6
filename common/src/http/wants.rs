//! What an exchange waits for, said to the engine.

use std::time::Duration;

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
/// The engine arms it when the kind changes or a byte has moved ([`Relay::progress`](super::Relay::progress)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// The client is to send more of its body, or to take what it is owed.
    Client,
    /// The backend is to take the request.
    Backend,
    /// The backend is to begin its response.
    FirstByte,
    /// The backend is to go on with its response.
    Stream,
    /// Either end of a tunnel is to say something.
    Tunnel,
}

/// How long each thing may take. Defaults are those of the command line.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Progress of a body or of a write.
    pub body: Duration,
    /// From the whole request to the response's first byte.
    pub first_byte: Duration,
    /// Silence within a response.
    pub stream: Duration,
    /// Silence in a tunnel.
    pub tunnel: Duration,
}

impl Limits {
    /// How long this kind of wait may last.
    pub fn of(&self, deadline: Deadline) -> Duration {
        match deadline {
            Deadline::Client | Deadline::Backend => self.body,
            Deadline::FirstByte => self.first_byte,
            Deadline::Stream => self.stream,
            Deadline::Tunnel => self.tunnel,
        }
    }
}

/// What the exchange waits for. Of the client, a hang-up matters even where it wants nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// On the client's socket.
    pub client: Interest,
    /// On the backend's socket.
    pub backend: Interest,
    /// How long.
    pub deadline: Deadline,
}
