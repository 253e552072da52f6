//! How an exchange ends: in our own answer, in a failure, and in its record.

use std::time::SystemTime;

use super::{Relay, Request, Response};
use crate::http::{
    error::{Kind, ProxyError, Side},
    exchange::{AfterBackend, AfterClient, Exchange, Method, Times},
    write::local_reply,
};

impl Relay {
    /// Answers in the backend's place. The connection stays open only if the whole request was read.
    ///
    /// # Panics
    /// In debug builds, when a final response has begun.
    pub fn answer(&mut self, status: u16, now: SystemTime, fields: &[(&str, &str)]) {
        debug_assert!(self.outcome.status == 0, "a request has one final response");
        self.outcome.close_client |= self.asked.method.is_none() || !matches!(self.request, Request::Whole);
        local_reply::write(
            self.to_client.tail(),
            status,
            now,
            fields,
            self.outcome.close_client,
            self.asked.method == Some(Method::Head),
        );
        self.outcome.status = status;
        self.outcome.own_answer = true;
        self.stop(Response::Whole);
    }

    /// Ends an exchange that cannot go on: with our own answer while none has begun; else what has come
    /// is delivered and the connection closed, so that the client sees the message break off.
    pub fn fail(&mut self, error: &ProxyError, now: SystemTime) {
        self.fail_with(error, now, &[]);
    }

    /// As [`fail`](Self::fail), with fields for our own answer, such as `Retry-After`.
    pub fn fail_with(&mut self, error: &ProxyError, now: SystemTime, fields: &[(&str, &str)]) {
        // The first cause stays: that our answer to it could not be delivered is another matter.
        self.outcome.failure.get_or_insert(error.into());
        let client_is_gone = error.side == Side::Client
            && (error.kind == Kind::Reset || error.kind == Kind::Timeout && self.owes_client());
        if client_is_gone {
            self.outcome.aborted = true;
            self.to_client.reset(false);
            self.stop(Response::Broken);
        } else if self.outcome.status == 0 {
            self.answer(error.status(), now, fields);
        } else {
            self.outcome.aborted = self.outcome.until_close;
            self.stop(Response::Broken);
        }
    }

    /// Answers what could not be taken up as a request at all, and gives up the connection.
    pub fn reject(&mut self, error: &ProxyError, now: SystemTime) {
        self.reset();
        self.fail(error, now);
    }

    fn stop(&mut self, response: Response) {
        if !matches!(self.request, Request::Whole) {
            self.request = Request::Abandoned;
        }
        self.response = response;
        self.to_backend.reset(false);
        self.upstream.close = true;
    }

    /// Closes the books.
    pub fn end(&mut self) -> (Exchange, AfterClient, AfterBackend) {
        let broken = matches!(self.response, Response::Broken);
        let whole = matches!(self.request, Request::Whole);
        let client = if self.outcome.aborted {
            AfterClient::Abort
        } else if broken || self.outcome.close_client || !whole {
            AfterClient::Linger
        } else {
            AfterClient::KeepAlive
        };
        let clean = !broken && whole && self.to_backend.is_empty() && self.upstream.upload_failed.is_none();
        let backend =
            if clean && self.asked.pooled && !self.upstream.close { AfterBackend::Pool } else { AfterBackend::Close };
        let exchange = Exchange {
            method: self.asked.method,
            status: if self.outcome.status == 0 { 499 } else { self.outcome.status },
            backend: None,
            reused: self.upstream.reused,
            retries: self.attempts.saturating_sub(1),
            own_answer: self.outcome.own_answer,
            bytes_from_client: self.outcome.bytes_from_client,
            bytes_from_backend: self.outcome.bytes_from_backend,
            times: Times::default(),
            failure: self.outcome.failure,
        };
        (exchange, client, backend)
    }
}
