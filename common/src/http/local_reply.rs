//! Local replies: responses that the balancer sends itself, without a backend. (The term is Envoy's.)

use super::exchange::LimitId;

/// A local reply: plain data, so that refusing a request allocates nothing.
///
/// The relay writes it: with the headers that the exchange needs (`Date`, `Connection`, `Content-Length`), without a
/// body in answer to HEAD, and after the rest of the request has been dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalReply {
    /// The status code.
    pub status: u16,
    /// Why the request ends here: one word for logs and metrics, such as `no_route`.
    pub reason: &'static str,
    /// The rate limit that refused the request, if one did.
    pub limit: Option<LimitId>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// Further headers. Those that depend on the request are added by a [`ResponseHook`](super::ResponseHook).
    pub fields: &'static [(&'static str, &'static str)],
    /// The body. 204 and 304 have none.
    pub body: LocalReplyBody,
}

/// The body of a local reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalReplyBody {
    /// None.
    Empty,
    /// One line of text, such as `503 Service Unavailable`.
    Text,
    /// The same as `application/problem+json` (RFC 9457).
    Problem,
}

/// The methods that may be sent to a proxy which is the final recipient of a request.
const FINAL_RECIPIENT_METHODS: &[(&str, &str)] = &[("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")];

impl LocalReply {
    /// To OPTIONS with `Max-Forwards: 0` (RFC 9110 §7.6.2, §9.3.7).
    pub(crate) const OPTIONS: Self = Self::new(200, "max_forwards").with_fields(FINAL_RECIPIENT_METHODS);
    /// To TRACE with `Max-Forwards: 0`: echoing the request would let a script read credentials that it cannot see
    /// otherwise, those that a proxy added and `HttpOnly` cookies (cross-site tracing).
    pub(crate) const TRACE: Self = Self::new(405, "max_forwards").with_fields(FINAL_RECIPIENT_METHODS);

    /// A reply with a line of text as its body.
    ///
    /// # Panics
    /// `status` is not that of a final response, 200 to 599.
    pub const fn new(status: u16, reason: &'static str) -> Self {
        assert!(status >= 200 && status <= 599, "a local reply is a final response");
        Self { status, reason, limit: None, retry_after: None, fields: &[], body: LocalReplyBody::Text }
    }

    /// The same, because of this limit.
    #[must_use]
    pub const fn with_limit(self, limit: LimitId) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// The same with `Retry-After`.
    #[must_use]
    pub const fn with_retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The same with further headers. Names and values are not validated.
    #[must_use]
    pub const fn with_fields(self, fields: &'static [(&'static str, &'static str)]) -> Self {
        Self { fields, ..self }
    }

    /// The same with another body.
    #[must_use]
    pub const fn with_body(self, body: LocalReplyBody) -> Self {
        Self { body, ..self }
    }
}
