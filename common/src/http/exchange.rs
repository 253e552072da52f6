//! The record of one exchange, and what to do with its two connections.
//!
//! Logs, statistics, metrics and outlier detection read the record after the exchange has ended; there are no callbacks
//! while it runs.

use std::time::Duration;

use super::error::{FailureKind, Phase, ProxyError, Side};

/// The HTTP version of a start line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

/// A request method; methods that a proxy does not distinguish are [`Other`](Self::Other).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Trace,
    Connect,
    Other,
}

impl Method {
    /// Parses a method name. Method names are case-sensitive (RFC 9110 §9.1).
    pub fn from_bytes(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"PATCH" => Self::Patch,
            b"TRACE" => Self::Trace,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }

    /// Whether the method is idempotent (RFC 9110 §9.2.2).
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch | Self::Connect | Self::Other)
    }

    /// The name, for a log line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Trace => "TRACE",
            Self::Connect => "CONNECT",
            Self::Other => "OTHER",
        }
    }
}

/// The part of a request that policies use after its head is gone.
#[derive(Debug, Clone, Copy)]
pub struct RequestMeta {
    /// The method.
    pub method: Method,
    /// The client's address in the forwarded request: the peer, or the address that a trusted proxy reports.
    pub client_ip: std::net::IpAddr,
}

/// The stable id of a configured backend: a slot that is reused gets another generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BackendId {
    /// The index in the cluster.
    pub slot: u16,
    /// Counts the backends that have used this slot.
    pub generation: u32,
}

/// A group of backends, by its index in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GroupId(pub u16);

/// A routing rule, by its index in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteId(pub u16);

/// A rate limit, by its index in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitId(pub u16);

/// When the phases of an exchange ended, measured from the first byte of the request, and the time in the queue. Set by
/// the engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PhaseTimes {
    /// How long the request waited in its group's queue for a backend; `None` if it did not have to.
    pub queued: Option<Duration>,
    /// The backend connection was established (in the last attempt).
    pub connected: Option<Duration>,
    /// The first byte of the response arrived.
    pub first_byte: Option<Duration>,
    /// The exchange ended.
    pub total: Duration,
}

/// The side that ended an exchange early, the phase, and the reason; like the two-letter termination codes in HAProxy's
/// log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeFailure {
    /// What happened.
    pub kind: FailureKind,
    /// The side that failed.
    pub side: Side,
    /// The phase in which it failed.
    pub phase: Phase,
}

impl ExchangeFailure {
    /// The failure in one word, for logs and metrics: which side, what, and in which phase.
    pub fn reason(&self) -> &'static str {
        match self.side {
            Side::Client => client_reason(self.kind, self.phase),
            Side::Backend => backend_reason(self.kind, self.phase),
            Side::Internal => internal_reason(self.kind, self.phase),
        }
    }
}

fn client_reason(kind: FailureKind, phase: Phase) -> &'static str {
    match (kind, phase) {
        (FailureKind::Protocol(_), Phase::RequestHead) => "refused_head",
        (FailureKind::Protocol(_), Phase::Connect) => "refused_target",
        (FailureKind::Protocol(_), _) => "refused_body",
        (FailureKind::Timeout, Phase::RequestHead) => "client_timeout_request_head",
        (FailureKind::Timeout, Phase::Connect | Phase::Request | Phase::WaitingForResponse) => {
            "client_timeout_request_body"
        }
        (FailureKind::Timeout, Phase::Response | Phase::Tunnel) => "client_timeout_response",
        (FailureKind::IncompleteMessage, Phase::RequestHead) => "client_closed_in_request_head",
        (FailureKind::IncompleteMessage, Phase::Request) => "client_closed_in_request_body",
        (FailureKind::ClosedInQueue, _) => "client_left_in_queue",
        (_, Phase::RequestHead) => "client_reset_in_request_head",
        (_, Phase::Connect | Phase::WaitingForResponse) => "client_reset_before_response",
        (_, Phase::Request) => "client_reset_in_request_body",
        (_, Phase::Response) => "client_reset_in_response_body",
        (_, Phase::Tunnel) => "client_reset_in_tunnel",
    }
}

fn backend_reason(kind: FailureKind, phase: Phase) -> &'static str {
    match (kind, phase) {
        (FailureKind::Protocol(_), _) => "invalid_response",
        (FailureKind::Timeout, Phase::Connect) => "backend_timeout_connect",
        (FailureKind::Timeout, Phase::RequestHead | Phase::Request) => "backend_timeout_request_body",
        (FailureKind::Timeout, Phase::WaitingForResponse) => "backend_timeout_first_byte",
        (FailureKind::Timeout, Phase::Response | Phase::Tunnel) => "backend_timeout_response_body",
        (_, Phase::Connect) => "backend_refused",
        (_, Phase::RequestHead | Phase::Request) => "backend_reset_in_request_body",
        (_, Phase::WaitingForResponse) => "backend_reset_before_response",
        (_, Phase::Response) => "backend_reset_in_response_body",
        (_, Phase::Tunnel) => "backend_reset_in_tunnel",
    }
}

fn internal_reason(kind: FailureKind, phase: Phase) -> &'static str {
    match (kind, phase) {
        (FailureKind::ResourceExhausted, _) => "out_of_resources",
        (FailureKind::Timeout, _) => "tunnel_idle_timeout",
        (FailureKind::ShuttingDown, _) => "shutting_down",
        (FailureKind::Aborted, _) => "aborted",
        _ => "no_backend",
    }
}

impl From<&ProxyError> for ExchangeFailure {
    fn from(error: &ProxyError) -> Self {
        Self { kind: error.kind, side: error.side, phase: error.phase }
    }
}

/// The record of one finished request: plain data. It is kept within 128 bytes, which the compiler copies inline.
#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    /// The method; `None` if no request could be parsed.
    pub method: Option<Method>,
    /// The status code that the client was sent; 499 if the client left before, 500 if this process gave up.
    pub status: u16,
    /// The backend of the last attempt. Set by the engine.
    pub backend: Option<BackendId>,
    /// The group that the request was routed to; `None` for an invalid request. Set by the engine.
    pub group: Option<GroupId>,
    /// The rule that matched; `None` if none did. Set by the engine.
    pub route: Option<RouteId>,
    /// Whether the last attempt used an idle connection that had served before.
    pub reused: bool,
    /// The number of attempts after the first. An engine that continues after a failed connect counts that attempt too.
    pub retries: u8,
    /// Whether the response is a local reply.
    pub local_reply: bool,
    /// Whether the head of a backend's final response was forwarded.
    pub has_response: bool,
    /// Bytes of the body or tunnel received from the client.
    pub bytes_from_client: u64,
    /// Bytes of the body or tunnel received from the backend.
    pub bytes_from_backend: u64,
    /// When its phases ended.
    pub times: PhaseTimes,
    /// Why the exchange failed; `None` if it succeeded.
    pub failure: Option<ExchangeFailure>,
    /// Why the exchange ended, in one word: `done`, or the reason of the failure
    /// ([`ExchangeFailure::reason`]) or of the local reply ([`LocalReply::reason`](super::LocalReply::reason)).
    pub end_reason: &'static str,
}

/// What to do with the client connection after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterClient {
    /// Keep it open for the next request.
    KeepAlive,
    /// Shut down the write side, read and discard for a short time, then close. An immediate close with unread bytes
    /// would reset the connection, and the reset can overtake the response (RFC 9112 §9.6).
    Linger,
    /// Close it with a reset: the client is gone, or would take a FIN for the end of the message.
    Abort,
}

/// What to do with the backend connection after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterBackend {
    /// Keep it for another request: the response ended exactly where its framing said.
    Pool,
    /// Close it.
    Close,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_copied_inline() {
        assert!(size_of::<Exchange>() <= 128, "{} bytes", size_of::<Exchange>());
    }
}
