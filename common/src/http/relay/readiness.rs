//! What the exchange waits for, and what it owes: the questions that [`pump`](crate::http::pump()) asks.

use std::io;

use super::{HalfClose, Relay, RequestState, ResponseState};
use crate::http::{
    error::{FailureKind, Phase, ProxyError, Side},
    exchange::Failure,
    send_buffer::SendBuffer,
    wants::{Interest, TimeoutKind, Wants},
};

impl Relay {
    /// What moves the deadline that runs: it starts again when this has grown. Bytes that go the other way do
    /// not count, or a client could hold a stalled download by dripping an upload.
    pub fn progress(&self) -> u64 {
        let moved = &self.transferred;
        match self.timeout_kind() {
            TimeoutKind::ClientIo if self.has_pending_for_client() => moved.written_to_client,
            // The first byte has one deadline; it begins anew when more of the request had to come first.
            TimeoutKind::ClientIo | TimeoutKind::FirstByte => moved.read_from_client,
            TimeoutKind::BackendWrite => moved.written_to_backend,
            TimeoutKind::Stream => moved.read_from_backend,
            TimeoutKind::Tunnel => {
                moved.written_to_client + moved.read_from_client + moved.written_to_backend + moved.read_from_backend
            }
        }
    }

    /// How far the exchange is.
    pub fn phase(&self) -> Phase {
        match (self.response, self.request) {
            (ResponseState::Tunnel, _) => Phase::Tunnel,
            (ResponseState::Body(..) | ResponseState::Complete | ResponseState::Incomplete, _) => Phase::Response,
            (ResponseState::AwaitingHead, RequestState::Body(..)) => Phase::Request,
            (ResponseState::AwaitingHead, _) if !self.to_backend.is_empty() => Phase::Request,
            (ResponseState::AwaitingHead, _) => Phase::WaitingForResponse,
        }
    }

    /// Which sides to read and to write, and which deadline runs.
    ///
    /// A side is read only while the other is owed nothing: that is all the back-pressure there is, and
    /// it bounds a lane to one read buffer.
    pub fn wants(&self) -> Wants {
        let interest = |side| Interest { read: self.may_read(side), write: self.may_write(side) };
        Wants { client: interest(Side::Client), backend: interest(Side::Backend), timeout: self.timeout_kind() }
    }

    /// Whether this side is owed something that it may still take.
    pub(in crate::http) fn may_write(&self, to: Side) -> bool {
        match to {
            Side::Client => !self.to_client.is_empty(),
            _ => !self.to_backend.is_empty() && self.can_send_request(),
        }
    }

    /// Whether what this side says next can be taken now.
    pub(in crate::http) fn may_read(&self, from: Side) -> bool {
        match from {
            Side::Client if !self.to_backend.is_empty() => false,
            Side::Client if matches!(self.response, ResponseState::Tunnel) => !self.downstream.half_close.received,
            Side::Client => matches!(self.request, RequestState::Body(..)) && self.can_send_request(),
            _ => self.to_client.is_empty() && self.is_response_pending() && !self.upstream.half_close.received,
        }
    }

    /// The backend has something to say yet.
    fn is_response_pending(&self) -> bool {
        matches!(self.response, ResponseState::AwaitingHead | ResponseState::Body(..) | ResponseState::Tunnel)
    }

    /// It takes what the client sends.
    fn can_send_request(&self) -> bool {
        self.is_response_pending() && self.upstream.write_error.is_none()
    }

    pub(in crate::http) fn timeout_kind(&self) -> TimeoutKind {
        match self.response {
            ResponseState::Tunnel => TimeoutKind::Tunnel,
            _ if self.has_pending_for_client() => TimeoutKind::ClientIo,
            ResponseState::Body(..) => TimeoutKind::Stream,
            ResponseState::AwaitingHead if self.upstream.write_error.is_some() => TimeoutKind::FirstByte,
            ResponseState::AwaitingHead if !self.to_backend.is_empty() => TimeoutKind::BackendWrite,
            ResponseState::AwaitingHead
                if matches!(self.request, RequestState::Body(..)) && !self.downstream.awaits_continue =>
            {
                TimeoutKind::ClientIo
            }
            ResponseState::AwaitingHead => TimeoutKind::FirstByte,
            ResponseState::Complete | ResponseState::Incomplete => TimeoutKind::ClientIo,
        }
    }

    /// The error for a deadline that has passed.
    pub fn timeout_error(&self) -> ProxyError {
        let side = match self.timeout_kind() {
            TimeoutKind::ClientIo => Side::Client,
            TimeoutKind::BackendWrite | TimeoutKind::FirstByte | TimeoutKind::Stream => Side::Backend,
            TimeoutKind::Tunnel => Side::Internal, // nobody's fault: both were silent
        };
        ProxyError::new(FailureKind::Timeout, side, self.phase())
    }

    /// Bytes owed to a side.
    pub(in crate::http) fn pending(&self, to: Side) -> &[u8] {
        if to == Side::Client { self.to_client.pending() } else { self.to_backend.pending() }
    }

    /// A side took `n` of the bytes it was owed.
    pub(in crate::http) fn advance(&mut self, to: Side, n: usize) {
        if to == Side::Client {
            self.transferred.written_to_client += n as u64;
            self.to_client.sent(n);
        } else {
            self.transferred.written_to_backend += n as u64;
            self.upstream.request_started |= n > 0;
            self.to_backend.sent(n);
        }
    }

    /// A side took nothing and will take nothing. The client is gone then; but a backend that stopped
    /// reading may have answered, and its answer is still to be read.
    pub(in crate::http) fn on_write_error(&mut self, to: Side, error: io::Error) -> Result<(), ProxyError> {
        if to == Side::Client {
            return Err(self.client_error(FailureKind::Reset).with_source(error));
        }
        self.upstream.write_error = Some(error);
        if matches!(self.response, ResponseState::Tunnel) {
            self.abandon_tunnel_upload();
        }
        Ok(())
    }

    /// The backend's end of a tunnel takes no more. What it has said is still delivered; then it is over.
    pub(crate) fn abandon_tunnel_upload(&mut self) {
        self.outcome.failure = Some(Failure { kind: FailureKind::Reset, side: Side::Backend, phase: Phase::Tunnel });
        self.to_backend.reset(false);
        self.downstream.half_close = HalfClose { received: true, forwarded: true };
    }

    /// The side that is to be told now that the other will send no more (tunnels only).
    pub(in crate::http) fn take_half_close(&mut self) -> Option<Side> {
        if !matches!(self.response, ResponseState::Tunnel) {
            return None;
        }
        let due = |end: &mut HalfClose, buffer: &SendBuffer| {
            let now = end.received && !end.forwarded && buffer.is_empty();
            end.forwarded |= now;
            now
        };
        if due(&mut self.downstream.half_close, &self.to_backend) {
            Some(Side::Backend)
        } else if due(&mut self.upstream.half_close, &self.to_client) {
            Some(Side::Client)
        } else {
            None
        }
    }

    /// Nothing is left to do but [`end`](Self::end).
    pub(in crate::http) fn is_done(&self) -> bool {
        match self.response {
            ResponseState::Complete | ResponseState::Incomplete => self.to_client.is_empty(),
            ResponseState::Tunnel => self.downstream.half_close.forwarded && self.upstream.half_close.forwarded,
            ResponseState::AwaitingHead | ResponseState::Body(..) => false,
        }
    }

    /// The client is to take something.
    pub(crate) fn has_pending_for_client(&self) -> bool {
        !self.to_client.is_empty()
    }
}
