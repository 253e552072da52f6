//! Responses that the balancer sends in a backend's place.

use std::time::{Duration, SystemTime};

use common::http::{ProxyError, Relay};

/// Why a request gets an answer of our own.
#[derive(Debug)]
pub enum LocalReply {
    /// No route leads anywhere.
    NoRoute,
    /// Not now: the group is left alone, or all its backends are at their limits.
    ServiceUnavailable {
        /// When it may be worth asking again.
        retry_after: Duration,
    },
    /// The exchange failed.
    Failed(ProxyError),
}

impl LocalReply {
    /// What a client is told that finds all backends at their limits.
    pub const AT_CAPACITY: Self = Self::ServiceUnavailable { retry_after: Duration::from_secs(1) };

    /// Answers in the backend's place.
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
