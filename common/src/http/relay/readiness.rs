//! What the exchange waits for, and what it owes: the questions that [`pump`](crate::http::pump()) asks.

use std::io;

use super::{HalfClose, Relay, Request, Response};
use crate::http::{
    error::{Kind, Phase, ProxyError, Side},
    exchange::Failure,
    send_buffer::Lane,
    wants::{Deadline, Interest, Wants},
};

impl Relay {
    /// What moves the deadline that runs: it starts again when this has grown. Bytes that go the other way do
    /// not count, or a client could hold a stalled download by dripping an upload.
    pub fn progress(&self) -> u64 {
        let moved = &self.moved;
        match self.deadline() {
            Deadline::Client if self.owes_client() => moved.client_took,
            // The first byte has one deadline; it begins anew when more of the request had to come first.
            Deadline::Client | Deadline::FirstByte => moved.client_gave,
            Deadline::Backend => moved.backend_took,
            Deadline::Stream => moved.backend_gave,
            Deadline::Tunnel => moved.client_took + moved.client_gave + moved.backend_took + moved.backend_gave,
        }
    }

    /// How far the exchange is.
    pub fn phase(&self) -> Phase {
        match (self.response, self.request) {
            (Response::Tunnel, _) => Phase::Tunnel,
            (Response::Body(..) | Response::Whole | Response::Broken, _) => Phase::Response,
            (Response::Head, Request::Body(..)) => Phase::Request,
            (Response::Head, _) if !self.to_backend.is_empty() => Phase::Request,
            (Response::Head, _) => Phase::FirstByte,
        }
    }

    /// Which sides to read and to write, and which deadline runs.
    ///
    /// A side is read only while the other is owed nothing: that is all the back-pressure there is, and
    /// it bounds a lane to one read buffer.
    pub fn wants(&self) -> Wants {
        let interest = |side| Interest { read: self.may_read(side), write: self.may_write(side) };
        Wants { client: interest(Side::Client), backend: interest(Side::Backend), deadline: self.deadline() }
    }

    /// Whether this side is owed something that it may still take.
    pub(in crate::http) fn may_write(&self, to: Side) -> bool {
        match to {
            Side::Client => !self.to_client.is_empty(),
            _ => !self.to_backend.is_empty() && self.is_uploading(),
        }
    }

    /// Whether what this side says next can be taken now.
    pub(in crate::http) fn may_read(&self, from: Side) -> bool {
        match from {
            Side::Client if !self.to_backend.is_empty() => false,
            Side::Client if matches!(self.response, Response::Tunnel) => !self.asked.end.seen,
            Side::Client => matches!(self.request, Request::Body(..)) && self.is_uploading(),
            _ => self.to_client.is_empty() && self.is_running() && !self.upstream.end.seen,
        }
    }

    /// The backend has something to say yet.
    fn is_running(&self) -> bool {
        matches!(self.response, Response::Head | Response::Body(..) | Response::Tunnel)
    }

    /// It takes what the client sends.
    fn is_uploading(&self) -> bool {
        self.is_running() && self.upstream.upload_failed.is_none()
    }

    pub(in crate::http) fn deadline(&self) -> Deadline {
        match self.response {
            Response::Tunnel => Deadline::Tunnel,
            _ if self.owes_client() => Deadline::Client,
            Response::Body(..) => Deadline::Stream,
            Response::Head if self.upstream.upload_failed.is_some() => Deadline::FirstByte,
            Response::Head if !self.to_backend.is_empty() => Deadline::Backend,
            Response::Head if matches!(self.request, Request::Body(..)) && !self.asked.awaits_continue => {
                Deadline::Client
            }
            Response::Head => Deadline::FirstByte,
            Response::Whole | Response::Broken => Deadline::Client,
        }
    }

    /// The error for a deadline that has passed.
    pub fn timed_out(&self) -> ProxyError {
        let side = match self.deadline() {
            Deadline::Client => Side::Client,
            Deadline::Backend | Deadline::FirstByte | Deadline::Stream => Side::Backend,
            Deadline::Tunnel => Side::Internal, // nobody's fault: both were silent
        };
        ProxyError::new(Kind::Timeout, side, self.phase())
    }

    /// Bytes owed to a side.
    pub(in crate::http) fn owed(&self, to: Side) -> &[u8] {
        if to == Side::Client { self.to_client.owed() } else { self.to_backend.owed() }
    }

    /// A side took `n` of the bytes it was owed.
    pub(in crate::http) fn sent(&mut self, to: Side, n: usize) {
        if to == Side::Client {
            self.moved.client_took += n as u64;
            self.to_client.sent(n);
        } else {
            self.moved.backend_took += n as u64;
            self.upstream.sent |= n > 0;
            self.to_backend.sent(n);
        }
    }

    /// A side took nothing and will take nothing. The client is gone then; but a backend that stopped
    /// reading may have answered, and its answer is still to be read.
    pub(in crate::http) fn write_failed(&mut self, to: Side, error: io::Error) -> Result<(), ProxyError> {
        if to == Side::Client {
            return Err(self.client_error(Kind::Reset).with_source(error));
        }
        self.upstream.upload_failed = Some(error);
        if matches!(self.response, Response::Tunnel) {
            self.give_up_upstream();
        }
        Ok(())
    }

    /// The backend's end of a tunnel takes no more. What it has said is still delivered; then it is over.
    pub(crate) fn give_up_upstream(&mut self) {
        self.outcome.failure = Some(Failure { kind: Kind::Reset, side: Side::Backend, phase: Phase::Tunnel });
        self.to_backend.reset(false);
        self.asked.end = HalfClose { seen: true, passed_on: true };
    }

    /// The side that is to be told now that the other will send no more (tunnels only).
    pub(in crate::http) fn pass_on_end(&mut self) -> Option<Side> {
        if !matches!(self.response, Response::Tunnel) {
            return None;
        }
        let due = |end: &mut HalfClose, lane: &Lane| {
            let now = end.seen && !end.passed_on && lane.is_empty();
            end.passed_on |= now;
            now
        };
        if due(&mut self.asked.end, &self.to_backend) {
            Some(Side::Backend)
        } else if due(&mut self.upstream.end, &self.to_client) {
            Some(Side::Client)
        } else {
            None
        }
    }

    /// Nothing is left to do but [`end`](Self::end).
    pub(in crate::http) fn is_done(&self) -> bool {
        match self.response {
            Response::Whole | Response::Broken => self.to_client.is_empty(),
            Response::Tunnel => self.asked.end.passed_on && self.upstream.end.passed_on,
            Response::Head | Response::Body(..) => false,
        }
    }

    /// The client is to take something.
    pub(crate) fn owes_client(&self) -> bool {
        !self.to_client.is_empty()
    }
}
