//! How an exchange ends: local replies, failures, and the record.
//!
//! Functions that may answer with a local reply take its `Date` as an argument: the relay reads no clock. They only
//! decide on the reply. The next pump writes it, so that its head passes the [`ResponseHook`] as any other does.

use super::{PendingReply, Relay, RequestState, ResponseState};
use crate::http::{
    date::HttpDate,
    error::{FailureKind, ProxyError, Side},
    exchange::{AfterBackend, AfterClient, Exchange, Method, PhaseTimes},
    local_reply::LocalReply,
    response_hook::{HeaderEdits, ResponseHook, ResponseInfo},
    write::local_reply::write_local_reply,
};

impl Relay {
    /// Answers with a local reply instead of the backend's response. The next pump writes it. The connection stays open
    /// only if the whole request was read.
    ///
    /// # Panics
    /// In debug builds, if a final response has begun.
    pub fn send_local_reply(&mut self, reply: &LocalReply, date: impl Into<HttpDate>) {
        debug_assert!(self.outcome.status == 0, "a request has one final response");
        self.outcome.close_client |=
            self.downstream.method.is_none() || !matches!(self.request, RequestState::Complete);
        self.outcome.status = reply.status;
        self.outcome.local_reply = Some(reply.reason);
        self.end_response(ResponseState::Complete);
        self.pending_reply = Some(PendingReply { reply: *reply, date: date.into() });
    }

    /// Writes the local reply that has not been written yet, if there is one. Each pump begins with this, so no query
    /// in between sees a reply that is only decided on.
    #[inline]
    pub(in crate::http) fn write_pending_reply(&mut self, hook: &mut impl ResponseHook) {
        if let Some(pending) = &self.pending_reply {
            let PendingReply { reply, date } = *pending;
            self.write_reply(reply, date, hook);
        }
    }

    #[cold]
    fn write_reply(&mut self, reply: LocalReply, date: HttpDate, hook: &mut impl ResponseHook) {
        self.clear_response_fields(); // those of an attempt that failed
        let (added, removed) = (&mut self.added_fields, &mut self.removed_fields);
        hook.on_response_head(&ResponseInfo::of_local_reply(&reply), &mut HeaderEdits { added, removed });
        write_local_reply(
            self.to_client.buf_mut(),
            &reply,
            &date,
            &self.added_fields,
            self.outcome.close_client,
            self.downstream.method == Some(Method::Head),
        );
        self.pending_reply = None; // only now: a hook that panics has written nothing
    }

    /// Ends an exchange that cannot continue: with a local reply if no response has begun. Otherwise the bytes received
    /// so far are delivered and the connection is closed, so that the client sees the response break off.
    pub fn fail(&mut self, error: &ProxyError, date: impl Into<HttpDate>) {
        // The first cause is kept: failing to deliver the local reply is a consequence.
        let failure = *self.outcome.failure.get_or_insert(error.into());
        let client_is_gone = error.side == Side::Client
            && (matches!(error.kind, FailureKind::Reset | FailureKind::ClosedInQueue)
                || error.kind == FailureKind::Timeout && self.has_pending_for_client());
        if client_is_gone {
            self.abort(error);
        } else if self.outcome.status == 0 {
            self.send_local_reply(&LocalReply::new(error.status(), failure.reason()), date);
        } else {
            // FIN where the framing shows the truncation, so that the client gets the bytes received so far; RST, which
            // may discard them, only where it would take FIN for the end of the body.
            self.outcome.aborted = self.outcome.close_delimited;
            self.to_client.empty_pipe();
            self.end_response(ResponseState::Incomplete);
        }
    }

    /// Ends an exchange without a response: the client is gone, or its task has been dropped.
    pub fn abort(&mut self, error: &ProxyError) {
        self.outcome.failure.get_or_insert(error.into());
        // A client that has only closed its own side gets a FIN, and no reset.
        self.outcome.aborted = error.kind != FailureKind::ClosedInQueue;
        if self.pending_reply.take().is_some() {
            (self.outcome.status, self.outcome.local_reply) = (0, None);
        }
        self.to_client.reset(false);
        self.end_response(ResponseState::Incomplete);
    }

    /// Sends a local reply to bytes that are no valid request; the connection then closes.
    pub fn reject_request(&mut self, error: &ProxyError, date: impl Into<HttpDate>) {
        self.reset();
        self.fail(error, date);
    }

    fn end_response(&mut self, response: ResponseState) {
        if !matches!(self.request, RequestState::Complete) {
            self.request = RequestState::Abandoned;
        }
        self.response = response;
        self.splicing.source = None;
        self.to_backend.reset(false);
        self.upstream.must_close = true;
    }

    /// Ends the exchange: its record, and what to do with both connections.
    pub fn end(&mut self) -> (Exchange, AfterClient, AfterBackend) {
        let incomplete = matches!(self.response, ResponseState::Incomplete);
        let request_complete = matches!(self.request, RequestState::Complete);
        let client = if self.outcome.aborted {
            AfterClient::Abort
        } else if incomplete || self.outcome.close_client || !request_complete {
            AfterClient::Linger
        } else {
            AfterClient::KeepAlive
        };
        let reusable =
            !incomplete && request_complete && self.to_backend.is_flushed() && self.upstream.write_error.is_none();
        let backend = if reusable && self.downstream.backend_keep_alive && !self.upstream.must_close {
            AfterBackend::Pool
        } else {
            AfterBackend::Close
        };
        let exchange = Exchange {
            method: self.downstream.method,
            status: match (self.outcome.status, self.outcome.failure) {
                (0, Some(failure)) if failure.side == Side::Internal => 500,
                (0, _) => 499,
                (status, _) => status,
            },
            backend: None,
            reused: self.upstream.reused,
            retries: self.attempts.saturating_sub(1),
            local_reply: self.outcome.local_reply.is_some(),
            has_response: self.backend_status().is_some(),
            group: None,
            route: None,
            bytes_from_client: self.outcome.bytes_from_client,
            bytes_from_backend: self.outcome.bytes_from_backend,
            times: PhaseTimes::default(),
            failure: self.outcome.failure,
            end_reason: match (self.outcome.failure, self.outcome.local_reply) {
                (Some(failure), _) => failure.reason(),
                (None, Some(reason)) => reason,
                (None, None) => "done",
            },
        };
        (exchange, client, backend)
    }
}
