//! What the exchange waits for, and what it has pending: the queries of [`pump`](crate::http::pump()).

use std::io;

use super::{HalfClose, Relay, RequestState, ResponseState};
use crate::http::{
    body::BodyDecoder,
    error::{FailureKind, Phase, ProxyError, Side},
    exchange::ExchangeFailure,
    send_buffer::SendBuffer,
    wants::{Interest, TimeoutKind, Wants},
};

impl Relay {
    /// The progress of the running timeout, which starts again when this has grown. Bytes in the other direction do not
    /// count: with one counter for both, a client could hold a stalled download open with a slow upload.
    pub fn progress(&self) -> u64 {
        let transferred = &self.transferred;
        match self.timeout_kind() {
            TimeoutKind::ClientIo if self.has_pending_for_client() => transferred.written_to_client,
            // The first byte has one deadline; it starts again if more of the request had to be sent first.
            TimeoutKind::ClientIo | TimeoutKind::FirstByte => transferred.read_from_client,
            TimeoutKind::BackendWrite => transferred.written_to_backend,
            TimeoutKind::ResponseBody | TimeoutKind::Stream => transferred.read_from_backend,
            TimeoutKind::Tunnel => {
                transferred.written_to_client
                    + transferred.read_from_client
                    + transferred.written_to_backend
                    + transferred.read_from_backend
            }
        }
    }

    /// The phase of the exchange.
    pub fn phase(&self) -> Phase {
        match (self.response, self.request) {
            (ResponseState::Tunnel, _) => Phase::Tunnel,
            (ResponseState::Body(..) | ResponseState::Complete | ResponseState::Incomplete, _) => Phase::Response,
            (ResponseState::AwaitingHead, RequestState::Body(..)) => Phase::Request,
            (ResponseState::AwaitingHead, _) if !self.to_backend.is_flushed() => Phase::Request,
            (ResponseState::AwaitingHead, _) => Phase::WaitingForResponse,
        }
    }

    /// Which sides to read and write, and which timeout runs.
    ///
    /// A side is read only while nothing is pending for the other: this is the whole backpressure, and it bounds a send
    /// buffer to one read buffer.
    pub fn wants(&self) -> Wants {
        let interest = |side| Interest { read: self.accepts_input(side), write: self.has_output(side) };
        Wants { client: interest(Side::Client), backend: interest(Side::Backend), timeout: self.timeout_kind() }
    }

    /// Whether bytes are pending for this side that it may still take, those in a pipe included.
    fn has_output(&self, to: Side) -> bool {
        match to {
            Side::Client => !self.to_client.is_flushed(),
            _ => !self.to_backend.is_flushed() && self.can_send_request(),
        }
    }

    /// Whether the pump has bytes to write to this side: those in a pipe are the engine's to send.
    pub(in crate::http) fn may_write(&self, to: Side) -> bool {
        match to {
            Side::Client => self.to_client.has_pending(),
            _ => self.to_backend.has_pending() && self.can_send_request(),
        }
    }

    /// Whether the pump may read from this side now. From the source of a body that is spliced, only the engine reads.
    pub(in crate::http) fn may_read(&self, from: Side) -> bool {
        self.splicing.source != Some(from) && self.accepts_input(from)
    }

    /// Whether input from this side can be taken now.
    fn accepts_input(&self, from: Side) -> bool {
        match from {
            Side::Client if !self.to_backend.is_flushed() => false,
            Side::Client if matches!(self.response, ResponseState::Tunnel) => !self.downstream.half_close.received,
            Side::Client => matches!(self.request, RequestState::Body(..)) && self.can_send_request(),
            _ => self.to_client.is_flushed() && self.is_response_pending() && !self.upstream.half_close.received,
        }
    }

    /// Whether the backend still has to send something.
    fn is_response_pending(&self) -> bool {
        matches!(self.response, ResponseState::AwaitingHead | ResponseState::Body(..) | ResponseState::Tunnel)
    }

    /// Whether the backend still takes request bytes.
    pub(super) fn can_send_request(&self) -> bool {
        self.is_response_pending() && self.upstream.write_error.is_none()
    }

    /// Whether it is the client's turn to send more of its body.
    pub(in crate::http) fn waits_for_request_body(&self) -> bool {
        self.timeout_kind() == TimeoutKind::ClientIo
            && !self.has_pending_for_client()
            && matches!(self.request, RequestState::Body(..))
    }

    /// The bytes of the body that the client has sent, with its framing.
    pub(in crate::http) fn bytes_from_client(&self) -> u64 {
        self.transferred.read_from_client
    }

    pub(in crate::http) fn timeout_kind(&self) -> TimeoutKind {
        match self.response {
            ResponseState::Tunnel => TimeoutKind::Tunnel,
            _ if self.has_pending_for_client() => TimeoutKind::ClientIo,
            // A body that announces its length is no stream of events: its backend has it, and only has to send it.
            ResponseState::Body(BodyDecoder::Length(_), _) => TimeoutKind::ResponseBody,
            ResponseState::Body(..) => TimeoutKind::Stream,
            ResponseState::AwaitingHead if self.upstream.write_error.is_some() => TimeoutKind::FirstByte,
            ResponseState::AwaitingHead if !self.to_backend.is_flushed() => TimeoutKind::BackendWrite,
            ResponseState::AwaitingHead
                if matches!(self.request, RequestState::Body(..)) && !self.downstream.awaits_continue =>
            {
                TimeoutKind::ClientIo
            }
            ResponseState::AwaitingHead => TimeoutKind::FirstByte,
            ResponseState::Complete | ResponseState::Incomplete => TimeoutKind::ClientIo,
        }
    }

    /// The error for an expired timeout.
    pub fn timeout_error(&self) -> ProxyError {
        let side = match self.timeout_kind() {
            TimeoutKind::ClientIo => Side::Client,
            TimeoutKind::BackendWrite | TimeoutKind::FirstByte | TimeoutKind::ResponseBody | TimeoutKind::Stream => {
                Side::Backend
            }
            TimeoutKind::Tunnel => Side::Internal, // neither side's fault: both were silent
        };
        ProxyError::new(FailureKind::Timeout, side, self.phase())
    }

    /// The bytes pending for a side.
    pub(in crate::http) fn pending(&self, to: Side) -> &[u8] {
        if to == Side::Client { self.to_client.pending() } else { self.to_backend.pending() }
    }

    /// Records that a side took `n` of its pending bytes.
    pub(in crate::http) fn advance(&mut self, to: Side, n: usize) {
        if to == Side::Client {
            self.transferred.written_to_client += n as u64;
            self.to_client.advance(n);
        } else {
            self.transferred.written_to_backend += n as u64;
            self.upstream.request_started |= n > 0;
            self.to_backend.advance(n);
        }
    }

    /// A write failed. A client is then gone. A backend that stopped reading may have sent an early response (413), so
    /// it is still read from instead of failing at EPIPE.
    pub(in crate::http) fn on_write_error(&mut self, to: Side, error: io::Error) -> Result<(), ProxyError> {
        if to == Side::Client {
            return Err(self.client_error(FailureKind::Reset).with_source(error));
        }
        self.upstream.write_error = Some(error);
        self.abandon_upload_splice();
        if matches!(self.response, ResponseState::Tunnel) {
            self.abandon_tunnel_upload();
        }
        Ok(())
    }

    /// The backend's end of a tunnel takes no more bytes. Bytes that it has sent are still delivered; then the tunnel
    /// ends.
    pub(crate) fn abandon_tunnel_upload(&mut self) {
        self.outcome.failure =
            Some(ExchangeFailure { kind: FailureKind::Reset, side: Side::Backend, phase: Phase::Tunnel });
        self.to_backend.reset(false);
        self.downstream.half_close = HalfClose { received: true, forwarded: true };
    }

    /// The side to which the other side's FIN must be forwarded now (tunnels only).
    pub(in crate::http) fn take_half_close(&mut self) -> Option<Side> {
        if !matches!(self.response, ResponseState::Tunnel) {
            return None;
        }
        let due = |end: &mut HalfClose, buffer: &SendBuffer| {
            let now = end.received && !end.forwarded && buffer.is_flushed();
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

    /// Whether the exchange is complete: call [`end`](Self::end).
    pub(in crate::http) fn is_done(&self) -> bool {
        match self.response {
            ResponseState::Complete | ResponseState::Incomplete => self.to_client.is_flushed(),
            ResponseState::Tunnel => self.downstream.half_close.forwarded && self.upstream.half_close.forwarded,
            ResponseState::AwaitingHead | ResponseState::Body(..) => false,
        }
    }

    /// Whether bytes are pending for the client.
    pub(crate) fn has_pending_for_client(&self) -> bool {
        !self.to_client.is_flushed()
    }
}
