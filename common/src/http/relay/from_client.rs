//! Input from the client's socket.

use super::{Input, Relay, RequestState, ResponseState};
use crate::http::{
    error::{FailureKind, ProxyError, Side},
    exchange::Method,
};

/// How much of a request is kept for a replay after its first bytes were sent, however it was segmented. Clients often
/// send a small body in its own segment, so keeping only the first read would make the retry of a PUT depend on
/// segmentation; keeping a large body is not worth the memory.
const MAX_REPLAY_BYTES: usize = 16 * 1024;

impl Relay {
    /// Takes input from the client. Bytes beyond the request are not consumed: they belong to the next request; pass
    /// them to [`push_pipelined`](Self::push_pipelined).
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
            self.to_backend.buf_mut().extend_from_slice(bytes);
            self.outcome.bytes_from_client += bytes.len() as u64;
            self.transferred.consumed_from_client += bytes.len() as u64;
            return Ok(bytes.len());
        }
        let phase = self.phase();
        let RequestState::Body(decoder, encoder) = &mut self.request else { return Ok(0) };
        if self.upstream.request_started && self.to_backend.retained_len() + bytes.len() > MAX_REPLAY_BYTES {
            self.to_backend.disable_replay();
        }
        let reframed = decoder
            .reframe(bytes, *encoder, self.to_backend.buf_mut())
            .map_err(|protocol_error| ProxyError::invalid_request(protocol_error, phase))?;
        self.outcome.bytes_from_client += reframed.data_len;
        self.transferred.consumed_from_client += reframed.consumed as u64;
        self.downstream.awaits_continue &= reframed.consumed == 0;
        if reframed.ended {
            self.request = RequestState::Complete;
        }
        self.splice_large_body();
        Ok(reframed.consumed)
    }

    fn on_client_eof(&mut self) -> Result<(), ProxyError> {
        self.downstream.half_close.received = true;
        match (self.response, self.request) {
            (ResponseState::AwaitingHead, RequestState::Body(..)) => {
                return Err(self.client_error(FailureKind::IncompleteMessage));
            }
            // The client got an early response and stops sending, which it may; the response is still completed.
            (ResponseState::Body(..), RequestState::Body(..)) => self.request = RequestState::Abandoned,
            // A FIN after a complete request is a half-close: the client still reads.
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn client_error(&self, kind: FailureKind) -> ProxyError {
        ProxyError::new(kind, Side::Client, self.phase())
    }

    /// Takes the bytes that arrived with the head. Returns how many belong to this request: the others stay with the
    /// caller for the next one. A request that may become a tunnel takes all of them.
    ///
    /// # Errors
    /// As [`from_client`](Self::from_client).
    pub fn take_client_bytes(&mut self, bytes: &[u8]) -> Result<usize, ProxyError> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.downstream.websocket || self.downstream.method == Some(Method::Connect) {
            return self.push_client_bytes(bytes).map(|()| bytes.len());
        }
        let used = self.from_client(Input::Bytes(bytes))?;
        self.downstream.has_pipelined = used < bytes.len();
        Ok(used)
    }

    /// Takes bytes from the client, and keeps those beyond its request.
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

    /// Keeps pipelined bytes.
    pub fn push_pipelined(&mut self, bytes: &[u8]) {
        self.pipelined.extend_from_slice(bytes);
    }

    /// Takes the pipelined bytes: the beginning of the next request.
    pub fn take_pipelined(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pipelined)
    }
}
