//! What the client's socket gives.

use super::{Input, Relay, RequestState, ResponseState};
use crate::http::error::{FailureKind, ProxyError, Side};

/// How much of a request is kept for a replay after some of it was sent. A small body often comes in a segment of its
/// own; a large one is not worth its memory.
const MAX_REPLAY_BYTES: usize = 16 * 1024;

impl Relay {
    /// Takes what the client's socket gave. Bytes beyond the request are not consumed: they are the next
    /// request's, to be kept by [`keep_surplus`](Self::keep_surplus).
    ///
    /// # Errors
    /// The body is malformed or breaks off, or the client is gone.
    pub fn from_client(&mut self, input: Input<'_>) -> Result<usize, ProxyError> {
        let bytes = match input {
            Input::Bytes(bytes) => bytes,
            Input::Eof => return self.on_client_eof().map(|()| 0),
            Input::Reset => return Err(self.client_error(FailureKind::Reset)),
        };
        self.transferred.read_from_client += bytes.len() as u64;
        if matches!(self.response, ResponseState::Tunnel) {
            self.to_backend.tail().extend_from_slice(bytes);
            self.outcome.bytes_from_client += bytes.len() as u64;
            return Ok(bytes.len());
        }
        let phase = self.phase();
        let RequestState::Body(reader, writer) = &mut self.request else { return Ok(0) };
        if self.upstream.request_started && self.to_backend.held() + bytes.len() > MAX_REPLAY_BYTES {
            self.to_backend.drain_from_now_on();
        }
        let relayed = reader
            .transcode(bytes, *writer, self.to_backend.tail())
            .map_err(|protocol_error| ProxyError::invalid_request(protocol_error, phase))?;
        self.outcome.bytes_from_client += relayed.data_len;
        self.downstream.awaits_continue &= relayed.consumed == 0;
        if relayed.ended {
            self.request = RequestState::Complete;
        }
        Ok(relayed.consumed)
    }

    fn on_client_eof(&mut self) -> Result<(), ProxyError> {
        self.downstream.half_close.received = true;
        match (self.response, self.request) {
            (ResponseState::AwaitingHead, RequestState::Body(..)) => {
                return Err(self.client_error(FailureKind::IncompleteMessage));
            }
            // It was answered early and stops sending, as it may; the answer still goes to its end.
            (ResponseState::Body(..), RequestState::Body(..)) => self.request = RequestState::Abandoned,
            // A FIN after a whole request is a half-close: the client still reads.
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn client_error(&self, kind: FailureKind) -> ProxyError {
        ProxyError::new(kind, Side::Client, self.phase())
    }

    /// Takes bytes that the client sent: what is beyond its request is kept.
    ///
    /// # Errors
    /// As [`from_client`](Self::from_client).
    pub fn push_client_bytes(&mut self, bytes: &[u8]) -> Result<(), ProxyError> {
        if !bytes.is_empty() {
            let used = self.from_client(Input::Bytes(bytes))?;
            self.push_pipelined(&bytes[used..]);
        }
        Ok(())
    }

    /// Keeps bytes that the client sent beyond its request.
    pub fn push_pipelined(&mut self, bytes: &[u8]) {
        self.pipelined.extend_from_slice(bytes);
    }

    /// Hands over what was kept: the beginning of the next request.
    pub fn take_pipelined(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pipelined)
    }
}
