//! Local replies: responses that the balancer sends itself, without a backend.

use std::time::{Duration, SystemTime};

use common::http::{ProxyError, Relay};

/// Why a request gets a local reply.
#[derive(Debug)]
pub enum LocalReply {
    /// No route matches the request, and there is no default group: 404.
    NoRoute,
    /// The group's breaker is open, or all its backends are at their limits: 503.
    ServiceUnavailable {
        /// The value of `Retry-After`.
        retry_after: Duration,
    },
    /// The exchange failed.
    Failed(ProxyError),
}

impl LocalReply {
    /// The reply when all backends are at their limits and the queue is full or timed out.
    pub const AT_CAPACITY: Self = Self::ServiceUnavailable { retry_after: Duration::from_secs(1) };

    /// Writes the local reply to the client's side of `relay`.
    pub fn write_to(&self, relay: &mut Relay, now: SystemTime) {
        match self {
            Self::NoRoute => relay.send_local_reply(404, now, &[]),
            Self::ServiceUnavailable { retry_after } => {
                let seconds = retry_after.as_secs_f64().ceil().max(1.0).to_string();
                relay.send_local_reply(503, now, &[("Retry-After", &seconds)]);
            }
            Self::Failed(error) => relay.fail(error, now),
        }
    }
}

impl From<ProxyError> for LocalReply {
    fn from(error: ProxyError) -> Self {
        Self::Failed(error)
    }
}
