//! What ends a request without a backend's response.

use common::http::{HttpDate, LocalReply, ProxyError, Relay};

/// Why a request gets no response from a backend.
#[derive(Debug)]
pub enum RequestError {
    /// It was refused before it was sent.
    Refused(LocalReply),
    /// Its exchange failed.
    Failed(ProxyError),
}

impl RequestError {
    /// Answers the client of `relay`; the next pump writes the reply.
    pub fn answer(&self, relay: &mut Relay, date: impl Into<HttpDate>) {
        match self {
            Self::Refused(reply) => relay.send_local_reply(reply, date),
            Self::Failed(error) => relay.fail(error, date),
        }
    }
}

impl From<LocalReply> for RequestError {
    fn from(reply: LocalReply) -> Self {
        Self::Refused(reply)
    }
}

impl From<ProxyError> for RequestError {
    fn from(error: ProxyError) -> Self {
        Self::Failed(error)
    }
}
