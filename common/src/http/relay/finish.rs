//! How an exchange ends: local replies, failures, and the record.
//!
//! Functions that may write a local reply take the wall clock as an argument, for its `Date` header: the relay reads no
//! clock.

use std::time::SystemTime;

use super::{Relay, RequestState, ResponseState};
use crate::http::{
    error::{FailureKind, ProxyError, Side},
    exchange::{AfterBackend, AfterClient, Exchange, Method, PhaseTimes},
    write::local_reply,
};

impl Relay {
    /// Sends a local reply instead of the backend's response. The connection stays open only if the whole request was
    /// read.
    ///
    /// # Panics
    /// In debug builds, if a final response has begun.
    pub fn send_local_reply(&mut self, status: u16, now: SystemTime, fields: &[(&str, &str)]) {
        debug_assert!(self.outcome.status == 0, "a request has one final response");
        self.outcome.close_client |=
            self.downstream.method.is_none() || !matches!(self.request, RequestState::Complete);
        local_reply::write_local_reply(
            self.to_client.buf_mut(),
            status,
            now,
            fields,
            self.outcome.close_client,
            self.downstream.method == Some(Method::Head),
        );
        self.outcome.status = status;
        self.outcome.local_reply = true;
        self.end_response(ResponseState::Complete);
    }

    /// Ends an exchange that cannot continue: with a local reply if no response has begun. Otherwise the bytes received
    /// so far are delivered and the connection is closed, so that the client sees the response break off.
    pub fn fail(&mut self, error: &ProxyError, now: SystemTime) {
        self.fail_with_fields(error, now, &[]);
    }

    /// As [`fail`](Self::fail), with headers for the local reply, such as `Retry-After`.
    pub fn fail_with_fields(&mut self, error: &ProxyError, now: SystemTime, fields: &[(&str, &str)]) {
        // The first cause is kept: failing to deliver the local reply is a consequence.
        self.outcome.failure.get_or_insert(error.into());
        let client_is_gone = error.side == Side::Client
            && (error.kind == FailureKind::Reset
                || error.kind == FailureKind::Timeout && self.has_pending_for_client());
        if client_is_gone {
            self.outcome.aborted = true;
            self.to_client.reset(false);
            self.end_response(ResponseState::Incomplete);
        } else if self.outcome.status == 0 {
            self.send_local_reply(error.status(), now, fields);
        } else {
            // FIN where the framing shows the truncation, so that the client gets the bytes received so far; RST, which
            // may discard them, only where it would take FIN for the end of the body.
            self.outcome.aborted = self.outcome.close_delimited;
            self.end_response(ResponseState::Incomplete);
        }
    }

    /// Sends a local reply to bytes that are no valid request; the connection then closes.
    pub fn reject_request(&mut self, error: &ProxyError, now: SystemTime) {
        self.reset();
        self.fail(error, now);
    }

    fn end_response(&mut self, response: ResponseState) {
        if !matches!(self.request, RequestState::Complete) {
            self.request = RequestState::Abandoned;
        }
        self.response = response;
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
            status: if self.outcome.status == 0 { 499 } else { self.outcome.status },
            backend: None,
            reused: self.upstream.reused,
            retries: self.attempts.saturating_sub(1),
            local_reply: self.outcome.local_reply,
            bytes_from_client: self.outcome.bytes_from_client,
            bytes_from_backend: self.outcome.bytes_from_backend,
            times: PhaseTimes::default(),
            failure: self.outcome.failure,
        };
        (exchange, client, backend)
    }
}
