//! What an exchange waits for, as the engine needs to know it.

/// The readiness events of one socket that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest {
    /// The relay can take bytes or the end of the stream.
    pub read: bool,
    /// Bytes are pending.
    pub write: bool,
}

impl Interest {
    /// Whether neither is set.
    pub fn is_none(self) -> bool {
        !self.read && !self.write
    }
}

/// Which timeout runs.
///
/// [`ExchangeTimeouts`](super::ExchangeTimeouts) has the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutKind {
    /// The client has to send more of its body, or to read pending bytes.
    ClientIo,
    /// The backend has to read the request.
    BackendWrite,
    /// The backend has to begin its response.
    FirstByte,
    /// The backend has to continue a response whose length is known.
    ResponseBody,
    /// The backend has to continue a response that may be a stream of events.
    Stream,
    /// Either end of a tunnel has to send something.
    Tunnel,
}

/// What the exchange waits for. A hang-up of the client matters even when its interest is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// The events of the client's socket.
    pub client: Interest,
    /// The events of the backend's socket.
    pub backend: Interest,
    /// The timeout that runs.
    pub timeout: TimeoutKind,
}
