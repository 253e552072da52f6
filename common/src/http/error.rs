//! Why an exchange failed: what happened, on which side, and in which phase.
//!
//! Whether to retry, what to record about the backend, the status code and the log line all follow from these three, so
//! no engine interprets an [`io::Error`] itself. The shape is Pingora's.

use std::{fmt, io};

use super::protocol_error::ProtocolError;

/// The side that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The sender of the request.
    Client,
    /// The server that was to answer it.
    Backend,
    /// This process.
    Internal,
}

/// The phase of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The request head is being read.
    RequestHead,
    /// The connection to the backend is being established.
    Connect,
    /// The request is being sent.
    Request,
    /// The request has been sent; the response has not begun.
    WaitingForResponse,
    /// The response is being relayed.
    Response,
    /// Both ends use another protocol, after a 101 or a CONNECT.
    Tunnel,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The message violates the protocol.
    Protocol(ProtocolError),
    /// The connect failed: refused, unreachable, or reset during the handshake.
    Connect,
    /// A timeout expired.
    Timeout,
    /// The peer closed the connection before the message was complete.
    IncompleteMessage,
    /// The peer reset the connection, or the socket failed.
    Reset,
    /// The client has closed its side of the connection while its request was queued.
    ClosedInQueue,
    /// No backend can take the request.
    Unavailable,
    /// The process stops before the exchange has ended.
    ShuttingDown,
    /// The task or thread of the exchange ended before the exchange: it has panicked, or its runtime has ended.
    Aborted,
    /// This process is out of resources (file descriptors, memory, threads).
    ResourceExhausted,
}

/// A failed exchange.
pub struct ProxyError {
    /// What happened.
    pub kind: FailureKind,
    /// The side that failed.
    pub side: Side,
    /// The phase in which it failed.
    pub phase: Phase,
    /// The error of the operating system, if there is one.
    pub source: Option<io::Error>,
}

impl ProxyError {
    /// An error without an [`io::Error`] behind it.
    pub fn new(kind: FailureKind, side: Side, phase: Phase) -> Self {
        Self { kind, side, phase, source: None }
    }

    /// The client's request violates the protocol.
    pub fn invalid_request(protocol_error: ProtocolError, phase: Phase) -> Self {
        Self::new(FailureKind::Protocol(protocol_error), Side::Client, phase)
    }

    /// Adds the error of the operating system.
    #[must_use]
    pub fn with_source(mut self, source: io::Error) -> Self {
        self.source = Some(source);
        self
    }

    /// The status code for the client. 499 (nginx's) appears only in logs, because that client has gone.
    pub fn status(&self) -> u16 {
        match (self.side, self.kind) {
            (Side::Client, FailureKind::Protocol(protocol_error)) => protocol_error.status(),
            (Side::Client, FailureKind::Timeout) => 408,
            (Side::Client, FailureKind::IncompleteMessage) => 400,
            (Side::Client, _) => 499,
            (Side::Backend, FailureKind::Timeout) => 504,
            (Side::Backend, _) => 502,
            (Side::Internal, _) => 503,
        }
    }
}

impl fmt::Debug for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Client => "client",
            Side::Backend => "backend",
            Side::Internal => "balancer",
        };
        match self.kind {
            FailureKind::Protocol(protocol_error) => write!(f, "{side}: {protocol_error}")?,
            FailureKind::Connect => write!(f, "{side}: connect failed")?,
            FailureKind::Timeout => write!(f, "{side}: timed out")?,
            FailureKind::IncompleteMessage => write!(f, "{side}: connection closed before the message was complete")?,
            FailureKind::Reset => write!(f, "{side}: connection reset")?,
            FailureKind::ClosedInQueue => write!(f, "{side}: connection closed while the request was queued")?,
            FailureKind::Unavailable => write!(f, "{side}: no backend available")?,
            FailureKind::ShuttingDown => write!(f, "{side}: shutting down")?,
            FailureKind::Aborted => write!(f, "{side}: aborted")?,
            FailureKind::ResourceExhausted => write!(f, "{side}: out of resources")?,
        }
        write!(f, " ({:?})", self.phase)?;
        self.source.as_ref().map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}

impl std::error::Error for ProxyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_depends_on_side_and_kind() {
        for (kind, side, status) in [
            (FailureKind::Protocol(ProtocolError::HeadTooLarge), Side::Client, 431),
            (FailureKind::Timeout, Side::Client, 408),
            (FailureKind::IncompleteMessage, Side::Client, 400),
            (FailureKind::Reset, Side::Client, 499),
            (FailureKind::ClosedInQueue, Side::Client, 499),
            (FailureKind::Protocol(ProtocolError::StatusCode), Side::Backend, 502),
            (FailureKind::Connect, Side::Backend, 502),
            (FailureKind::Timeout, Side::Backend, 504),
            (FailureKind::Unavailable, Side::Internal, 503),
        ] {
            assert_eq!(ProxyError::new(kind, side, Phase::RequestHead).status(), status, "{kind:?} {side:?}");
        }
    }
}
