//! Large bodies that go past the relay, from one socket to the other.
//!
//! An engine that can splice says from which size on ([`splice_bodies_from`](Relay::splice_bodies_from)). The relay
//! decides when the rest of a body may go unseen: its framing does not change, nothing of it is kept for a replay, and
//! where it ends is known. From then on [`pump`](crate::http::pump()) leaves the source alone. The engine moves the
//! bytes through a pipe, and tells the relay of each move: so timeouts, the record, and what becomes of both connections
//! are the same as with bytes that were copied.
//!
//! One body of an exchange is spliced at a time. Chunked bodies never are: their chunk sizes have to be read.

use std::io;

use super::{Relay, RequestState, ResponseState, Splicing};
use crate::http::{
    body::{BodyDecoder, BodyEncoder},
    error::{FailureKind, ProxyError, Side},
};

/// A body that the engine moves from one socket to the other: [`Relay::spliced_body`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplicedBody {
    /// The side that sends it.
    pub source: Side,
    /// How many bytes may still be read from the source. [`u64::MAX`]: the body ends when the source closes.
    pub remaining: u64,
    /// How many of its bytes are in the pipe. With 0, whatever a pipe holds belongs to a body that was given up.
    pub in_pipe: u64,
}

impl SplicedBody {
    /// The side that it is sent to.
    pub fn destination(&self) -> Side {
        if self.source == Side::Client { Side::Backend } else { Side::Client }
    }
}

impl Relay {
    /// Lets the engine splice bodies of which at least `threshold` bytes are still to come, or of which as many have
    /// come, if they end when the backend closes. For this exchange only; call it after [`begin`](Self::begin), and only
    /// if the client's socket carries what the relay reads and writes, unencrypted and without a bandwidth limit.
    pub fn splice_bodies_from(&mut self, threshold: u64) {
        self.splicing.threshold = threshold;
    }

    /// The body that the engine has to move now: all that came before it has been sent. `None`: there is none, or the
    /// pump has to run first.
    #[inline]
    pub fn spliced_body(&self) -> Option<SplicedBody> {
        let source = self.splicing.source?;
        let (to, remaining) = match source {
            Side::Client if self.can_send_request() => (&self.to_backend, self.raw_request_bytes()),
            Side::Client => return None,
            _ => (&self.to_client, self.raw_response_bytes()),
        };
        (!to.has_pending()).then(|| SplicedBody { source, remaining: remaining.unwrap_or(0), in_pipe: to.in_pipe() })
    }

    /// `n` bytes of the spliced body went from its source into the pipe: at most [`SplicedBody::remaining`].
    pub fn splice_filled(&mut self, n: u64) {
        if self.splicing.source == Some(Side::Client) {
            self.transferred.read_from_client += n;
            self.transferred.consumed_from_client += n;
            self.outcome.bytes_from_client += n;
            self.to_backend.pipe_filled(n);
            if let RequestState::Body(decoder, _) = &mut self.request
                && decoder.skip(n)
            {
                self.request = RequestState::Complete;
            }
        } else {
            self.transferred.read_from_backend += n;
            self.outcome.bytes_from_backend += n;
            self.to_client.pipe_filled(n);
            if let ResponseState::Body(decoder, _) = &mut self.response
                && decoder.skip(n)
            {
                self.response = ResponseState::Complete;
            }
        }
    }

    /// The destination took `n` bytes of the spliced body out of the pipe. After the last byte of the body, the pump goes
    /// on.
    pub fn splice_drained(&mut self, n: u64) {
        let to = if self.splicing.source == Some(Side::Client) {
            self.transferred.written_to_backend += n;
            &mut self.to_backend
        } else {
            self.transferred.written_to_client += n;
            &mut self.to_client
        };
        to.pipe_drained(n);
        if self.spliced_body().is_some_and(|body| body.remaining == 0 && body.in_pipe == 0) {
            self.splicing.source = None;
        }
    }

    /// The rest of this exchange is not spliced: the source has closed, which the pump finds too, or there is no pipe to
    /// be had. The pipe must be empty.
    pub fn stop_splicing(&mut self) {
        debug_assert!(self.spliced_body().is_none_or(|body| body.in_pipe == 0), "bytes in the pipe would be lost");
        self.splicing = Splicing::default();
    }

    /// The socket of the source or of the destination has failed with `error`.
    ///
    /// # Errors
    /// The exchange has failed. A backend that takes no more of an upload may still answer: then the upload is given
    /// up, and the pump goes on.
    pub fn splice_failed(&mut self, side: Side, error: io::Error) -> Result<(), ProxyError> {
        if self.spliced_body().is_some_and(|body| body.source == Side::Client && side == Side::Backend) {
            return self.on_write_error(side, error);
        }
        Err(ProxyError::new(FailureKind::Reset, side, self.phase()).with_source(error))
    }

    /// Gives up the upload that is being spliced, if one is. Its bytes in the pipe are lost.
    pub(super) fn abandon_upload_splice(&mut self) {
        if self.splicing.source == Some(Side::Client) {
            self.splicing.source = None;
            self.to_backend.reset(false);
        }
    }

    /// Called after input: leaves the rest of a body to the engine, if it is large and may go unseen.
    #[inline]
    pub(super) fn splice_large_body(&mut self) {
        if self.splicing.threshold != u64::MAX && self.splicing.source.is_none() {
            self.choose_source();
        }
    }

    fn choose_source(&mut self) {
        let is_large = |remaining, seen| {
            let known = if remaining == u64::MAX { seen } else { remaining };
            known >= self.splicing.threshold
        };
        if self.raw_response_bytes().is_some_and(|remaining| is_large(remaining, self.outcome.bytes_from_backend)) {
            self.splicing.source = Some(Side::Backend);
        } else if self.raw_request_bytes().is_some_and(|remaining| is_large(remaining, 0))
            && !self.to_backend.is_replayable()
            && self.can_send_request()
        {
            self.splicing.source = Some(Side::Client);
        }
    }

    /// How many bytes of the request's body are to come, if they go on as they are.
    fn raw_request_bytes(&self) -> Option<u64> {
        match self.request {
            RequestState::Body(decoder, encoder) => raw_bytes(decoder, encoder),
            _ => None,
        }
    }

    /// The same for the response.
    fn raw_response_bytes(&self) -> Option<u64> {
        match self.response {
            ResponseState::Body(decoder, encoder) => raw_bytes(decoder, encoder),
            _ => None,
        }
    }
}

fn raw_bytes(decoder: BodyDecoder, encoder: BodyEncoder) -> Option<u64> {
    match (decoder, encoder) {
        (BodyDecoder::Length(remaining), BodyEncoder::Raw) => Some(remaining),
        (BodyDecoder::CloseDelimited, BodyEncoder::Raw) => Some(u64::MAX),
        _ => None,
    }
}
