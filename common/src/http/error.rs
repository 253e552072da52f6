//! What went wrong in an exchange, on which side, and in which phase.
//!
//! Retry, blame, the status of our answer and the log line all follow from these three facts, so that
//! no engine decides anything from an [`io::Error`] by itself. The shape is Pingora's.

use std::{fmt, io};

use super::protocol_error::Refusal;

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
    Head,
    /// A connection to a backend is being made.
    Connect,
    /// The request is being sent.
    Request,
    /// The request is sent, the response has not begun.
    FirstByte,
    /// The response is being relayed.
    Response,
    /// Both ends speak another protocol after a 101.
    Tunnel,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The message broke a rule.
    Refused(Refusal),
    /// No connection came about: refused, unreachable, reset in the handshake.
    Connect,
    /// A deadline passed.
    Timeout,
    /// The peer ended the stream where a message had not ended.
    Closed,
    /// The peer reset the connection, or the socket failed.
    Reset,
    /// No backend can take the request.
    Unavailable,
    /// This process lacks what it needs (file descriptors, memory, threads).
    Exhausted,
}

/// A failed exchange.
pub struct ProxyError {
    /// What happened.
    pub kind: Kind,
    /// Whose doing it was.
    pub side: Side,
    /// How far the exchange had come.
    pub phase: Phase,
    /// The system's own word for it, where there is one.
    pub source: Option<io::Error>,
}

impl ProxyError {
    /// An error that the system has no word for.
    pub fn new(kind: Kind, side: Side, phase: Phase) -> Self {
        Self { kind, side, phase, source: None }
    }

    /// The client's message broke a rule.
    pub fn refused_request(refusal: Refusal, phase: Phase) -> Self {
        Self::new(Kind::Refused(refusal), Side::Client, phase)
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
            (Side::Client, Kind::Refused(refusal)) => refusal.status(),
            (Side::Client, Kind::Timeout) => 408,
            (Side::Client, Kind::Closed) => 400,
            (Side::Client, _) => 499,
            (Side::Backend, Kind::Timeout) => 504,
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
            Kind::Refused(refusal) => write!(f, "{side}: {refusal}")?,
            Kind::Connect => write!(f, "{side}: connect failed")?,
            Kind::Timeout => write!(f, "{side}: timed out")?,
            Kind::Closed => write!(f, "{side}: connection closed before the message was complete")?,
            Kind::Reset => write!(f, "{side}: connection reset")?,
            Kind::Unavailable => write!(f, "{side}: no backend available")?,
            Kind::Exhausted => write!(f, "{side}: out of resources")?,
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
            (Kind::Refused(Refusal::HeadTooLarge), Side::Client, 431),
            (Kind::Timeout, Side::Client, 408),
            (Kind::Closed, Side::Client, 400),
            (Kind::Reset, Side::Client, 499),
            (Kind::Refused(Refusal::Status), Side::Backend, 502),
            (Kind::Connect, Side::Backend, 502),
            (Kind::Timeout, Side::Backend, 504),
            (Kind::Unavailable, Side::Internal, 503),
        ] {
            assert_eq!(ProxyError::new(kind, side, Phase::Head).status(), status, "{kind:?} {side:?}");
        }
    }
}
