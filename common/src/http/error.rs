//! What went wrong in an exchange, on which side, and in which phase.
//!
//! Retry, blame, the status of our answer and the log line all follow from these three facts, so that
//! no engine decides anything from an [`io::Error`] by itself. The shape is Pingora's.

use std::{fmt, io};

use super::protocol_error::ProtocolError;

/// Whose doing it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one who sent the request.
    Client,
    /// The one who is to answer it.
    Backend,
    /// This process.
    Internal,
}

/// How far the exchange had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The request head is being read.
    RequestHead,
    /// A connection to a backend is being made.
    Connect,
    /// The request is being sent.
    Request,
    /// The request is sent, the response has not begun.
    WaitingForResponse,
    /// The response is being relayed.
    Response,
    /// Both ends speak another protocol after a 101.
    Tunnel,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The message broke a rule.
    Protocol(ProtocolError),
    /// No connection came about: refused, unreachable, reset in the handshake.
    Connect,
    /// A deadline passed.
    Timeout,
    /// The peer ended the stream where a message had not ended.
    IncompleteMessage,
    /// The peer reset the connection, or the socket failed.
    Reset,
    /// No backend can take the request.
    Unavailable,
    /// This process lacks what it needs (file descriptors, memory, threads).
    ResourceExhausted,
}

/// A failed exchange.
pub struct ProxyError {
    /// What happened.
    pub kind: FailureKind,
    /// Whose doing it was.
    pub side: Side,
    /// How far the exchange had come.
    pub phase: Phase,
    /// The system's own word for it, where there is one.
    pub source: Option<io::Error>,
}

impl ProxyError {
    /// An error that the system has no word for.
    pub fn new(kind: FailureKind, side: Side, phase: Phase) -> Self {
        Self { kind, side, phase, source: None }
    }

    /// The client's message broke a rule.
    pub fn invalid_request(protocol_error: ProtocolError, phase: Phase) -> Self {
        Self::new(FailureKind::Protocol(protocol_error), Side::Client, phase)
    }

    /// Adds the system's word.
    #[must_use]
    pub fn with_source(mut self, source: io::Error) -> Self {
        self.source = Some(source);
        self
    }

    /// The status that tells the client. 499 (nginx's) is for the log only: that client is gone.
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
            FailureKind::Unavailable => write!(f, "{side}: no backend available")?,
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
    fn each_side_has_its_status() {
        for (kind, side, status) in [
            (FailureKind::Protocol(ProtocolError::HeadTooLarge), Side::Client, 431),
            (FailureKind::Timeout, Side::Client, 408),
            (FailureKind::IncompleteMessage, Side::Client, 400),
            (FailureKind::Reset, Side::Client, 499),
            (FailureKind::Protocol(ProtocolError::StatusCode), Side::Backend, 502),
            (FailureKind::Connect, Side::Backend, 502),
            (FailureKind::Timeout, Side::Backend, 504),
            (FailureKind::Unavailable, Side::Internal, 503),
        ] {
            assert_eq!(ProxyError::new(kind, side, Phase::RequestHead).status(), status, "{kind:?} {side:?}");
        }
    }
}
