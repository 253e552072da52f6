//! The record of one exchange, and what becomes of its two connections.
//!
//! Logs, statistics, metrics and outlier detection read the record once the exchange has ended; nothing
//! calls back into them while it runs.

use std::time::Duration;

use super::error::{FailureKind, Phase, ProxyError, Side};

/// The version in a start line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

/// How long a connection may have been idle to be used for a request whose method is not idempotent. Such a request must
/// not run twice, so it is never sent over a connection that the backend may just be closing; within this time its close
/// would be known.
pub const NON_IDEMPOTENT_IDLE_LIMIT: Duration = Duration::from_millis(500);

/// A request method, as far as proxies tell methods apart.
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
    /// Methods are case-sensitive (RFC 9110 §9.1).
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

    /// Whether sending the request twice is the same as sending it once (RFC 9110 §9.2.2).
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch | Self::Connect | Self::Other)
    }

    /// The name for a log line.
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

/// What policies may ask of a request once the bytes of its head are gone.
#[derive(Debug, Clone, Copy)]
pub struct RequestMeta {
    /// The method.
    pub method: Method,
    /// The client that the forwarded request names: the peer, or whom a trusted peer vouches for.
    pub client_ip: std::net::IpAddr,
}

/// Which configured backend, for good: a slot that is used again has another generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BackendId {
    /// Index into the cluster.
    pub slot: u16,
    /// Counts the backends that had this slot.
    pub generation: u32,
}

/// When the phases of an exchange ended, measured from its first byte. The engine fills them in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PhaseTimes {
    /// The backend connection stood (for the last attempt).
    pub connected: Option<Duration>,
    /// The first byte of the response came.
    pub first_byte: Option<Duration>,
    /// The exchange ended.
    pub total: Duration,
}

/// Who ended an exchange before its end, in which phase, and how. The two-letter codes of HAProxy's log
/// say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub kind: FailureKind,
    /// Whose doing it was.
    pub side: Side,
    /// How far the exchange had come.
    pub phase: Phase,
}

impl From<&ProxyError> for Failure {
    fn from(error: &ProxyError) -> Self {
        Self { kind: error.kind, side: error.side, phase: error.phase }
    }
}

/// One finished request: plain data, copied freely.
#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    /// The method; `None` where no request could be read.
    pub method: Option<Method>,
    /// The status that the client was sent; 499 where it left before one was.
    pub status: u16,
    /// The backend that was asked last. The engine fills it in.
    pub backend: Option<BackendId>,
    /// Whether that went over a connection that had served before.
    pub reused: bool,
    /// Attempts beyond the first. An engine that goes on after a failed connect counts that one too.
    pub retries: u8,
    /// Whether the response is the balancer's own.
    pub local_reply: bool,
    /// Bytes of body and tunnel from the client.
    pub bytes_from_client: u64,
    /// Bytes of body and tunnel from the backend.
    pub bytes_from_backend: u64,
    /// Phase times.
    pub times: PhaseTimes,
    /// Why the exchange did not end well; `None` where it did.
    pub failure: Option<Failure>,
}

/// What becomes of the client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterClient {
    /// The next request may come.
    KeepAlive,
    /// Shut down writing, read and discard for a short while, close. To close at once would reset the
    /// connection when unread bytes are left, and the reset can overtake the answer (RFC 9112 §9.6).
    Linger,
    /// Reset: the client is gone, or would take a closed connection for the end of the message.
    Abort,
}

/// What becomes of the backend's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterBackend {
    /// It may serve another request: the response ended exactly where its framing said.
    Pool,
    /// It is closed.
    Close,
}
