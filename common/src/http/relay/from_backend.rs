//! Input from the backend's socket.

use std::io::ErrorKind;

use super::{Input, Relay, RequestState, ResponseState};
use crate::http::{
    body::{BodyDecoder, BodyEncoder},
    error::{FailureKind, ProxyError, Side},
    exchange::{Method, Version},
    parse::message_info::Framing,
    protocol_error::ProtocolError,
    response_hook::{HeaderEdits, ResponseHook, ResponseInfo},
    write::{
        fields::put_own_field,
        response_head::{self, ConnectionHeader},
    },
};

impl Relay {
    /// Takes input from the backend; `hook` sees the final head in it, if there is one. Bytes that are not consumed
    /// belong to no response, and a connection that sent them is not pooled ([`end`](Self::end)).
    ///
    /// # Errors
    /// The response is malformed or breaks off.
    pub fn from_backend(&mut self, input: Input<'_>, hook: &mut impl ResponseHook) -> Result<usize, ProxyError> {
        let bytes = match input {
            Input::Bytes(bytes) => bytes,
            Input::Eof => return self.on_backend_eof().map(|()| 0),
            Input::Reset => return Err(self.backend_error(FailureKind::Reset)),
        };
        if !matches!(self.response, ResponseState::AwaitingHead) {
            self.transferred.read_from_backend += bytes.len() as u64;
        }
        self.upstream.response_started = true;
        self.to_backend.disable_replay();
        let mut consumed = 0;
        while matches!(self.response, ResponseState::AwaitingHead) && consumed < bytes.len() {
            consumed += self
                .read_response_head(&bytes[consumed..], hook)
                .map_err(|protocol_error| self.backend_error(FailureKind::Protocol(protocol_error)))?;
        }
        let rest = &bytes[consumed..];
        consumed += self
            .read_response_body(rest)
            .map_err(|protocol_error| self.backend_error(FailureKind::Protocol(protocol_error)))?;
        self.upstream.must_close |= consumed < bytes.len();
        self.splice_large_body();
        Ok(consumed)
    }

    fn read_response_body(&mut self, bytes: &[u8]) -> Result<usize, ProtocolError> {
        match &mut self.response {
            ResponseState::Body(decoder, encoder) if !bytes.is_empty() => {
                let reframed = decoder.reframe(bytes, *encoder, self.to_client.buf_mut())?;
                self.outcome.bytes_from_backend += reframed.data_len;
                if reframed.ended {
                    self.response = ResponseState::Complete;
                }
                Ok(reframed.consumed)
            }
            ResponseState::Tunnel => {
                self.to_client.buf_mut().extend_from_slice(bytes);
                self.outcome.bytes_from_backend += bytes.len() as u64;
                Ok(bytes.len())
            }
            _ => Ok(0),
        }
    }

    fn on_backend_eof(&mut self) -> Result<(), ProxyError> {
        self.upstream.half_close.received = true;
        self.upstream.must_close = true;
        // A write took the reset that this read would have found. After a FIN, it would have failed with EPIPE.
        if matches!(self.response, ResponseState::Body(BodyDecoder::CloseDelimited, _))
            && let Some(reset) = self.upstream.write_error.take_if(|error| error.kind() == ErrorKind::ConnectionReset)
        {
            return Err(self.backend_error(FailureKind::Reset).with_source(reset));
        }
        match self.response {
            ResponseState::Body(BodyDecoder::CloseDelimited, encoder) => {
                encoder.finish(self.to_client.buf_mut());
                self.response = ResponseState::Complete;
                Ok(())
            }
            ResponseState::AwaitingHead | ResponseState::Body(..) => {
                let error = self.backend_error(FailureKind::IncompleteMessage);
                // The earlier write error is more specific than the close.
                Err(match self.upstream.write_error.take() {
                    Some(source) => error.with_source(source),
                    None => error,
                })
            }
            ResponseState::Complete | ResponseState::Tunnel | ResponseState::Incomplete => Ok(()),
        }
    }

    /// Parses a head in `input`, or keeps a partial one. Returns the number of bytes consumed.
    fn read_response_head(&mut self, input: &[u8], hook: &mut impl ResponseHook) -> Result<usize, ProtocolError> {
        if self.partial_head.is_empty() {
            let Some(length) = self.head.read_response(input, &mut self.upstream.scanned)? else {
                self.partial_head.extend_from_slice(input);
                return Ok(input.len());
            };
            self.upstream.scanned = 0;
            self.on_response_head(&input[..length], hook)?;
            return Ok(length);
        }
        let before = self.partial_head.len();
        self.partial_head.extend_from_slice(input);
        let Some(length) = self.head.read_response(&self.partial_head, &mut self.upstream.scanned)? else {
            return Ok(input.len());
        };
        self.upstream.scanned = 0;
        let partial = std::mem::take(&mut self.partial_head); // freed with the head
        self.on_response_head(&partial[..length], hook)?;
        Ok(length - before)
    }

    fn on_response_head(&mut self, bytes: &[u8], hook: &mut impl ResponseHook) -> Result<(), ProtocolError> {
        let status = self.head.view(bytes).status();
        match status {
            101 => self.switch_protocols(bytes, hook),
            100..200 => {
                self.downstream.awaits_continue &= status != 100;
                if self.downstream.version == Version::Http11 {
                    let (head, mut via) = (self.head.view(bytes), Vec::new());
                    self.downstream.put_via(head.version(), &mut via);
                    response_head::write_response_head(
                        head,
                        Framing::None,
                        ConnectionHeader::KeepAlive,
                        &via,
                        &[],
                        self.to_client.buf_mut(),
                    );
                }
                Ok(())
            }
            _ => {
                self.on_final_response_head(bytes, status, hook);
                Ok(())
            }
        }
    }

    /// 101 switches protocols (RFC 9110 §7.8). Only the response does so, not the request for it.
    fn switch_protocols(&mut self, bytes: &[u8], hook: &mut impl ResponseHook) -> Result<(), ProtocolError> {
        let head = self.head.view(bytes);
        if !self.downstream.websocket || !head.message_info().is_websocket_upgrade(head.version()) {
            return Err(ProtocolError::UnexpectedUpgrade);
        }
        let (added, removed) = (&mut self.added_fields, &mut self.removed_fields);
        hook.on_response_head(&ResponseInfo::of_backend(head), &mut HeaderEdits { added, removed });
        self.downstream.put_via(head.version(), &mut self.added_fields);
        response_head::write_response_head(
            head,
            Framing::None,
            ConnectionHeader::Upgrade,
            &self.added_fields,
            &self.removed_fields,
            self.to_client.buf_mut(),
        );
        self.outcome.status = 101;
        self.enter_tunnel();
        if self.upstream.write_error.is_some() {
            self.abandon_tunnel_upload();
        }
        Ok(())
    }

    /// Enters the tunnel: bytes are forwarded unchanged. Bytes that the client sent ahead were kept as a pipelined
    /// request; they belong to the tunnel. Unlike a request, a tunnel keeps no bytes for a replay: they would grow with
    /// all that the client sends.
    pub(crate) fn enter_tunnel(&mut self) {
        self.to_backend.disable_replay();
        self.outcome.close_client = true;
        self.upstream.must_close = true;
        self.response = ResponseState::Tunnel;
        self.to_backend.buf_mut().append(&mut self.pipelined);
    }

    fn on_final_response_head(&mut self, bytes: &[u8], status: u16, hook: &mut impl ResponseHook) {
        let head = self.head.view(bytes);
        let (info, http11) = (*head.message_info(), self.downstream.version == Version::Http11);
        let bodiless = self.downstream.method == Some(Method::Head) || matches!(status, 204 | 304);
        let received = if status == 204 { Framing::None } else { info.framing };
        let sent_framing = match received {
            Framing::Chunked if !http11 => Framing::None,
            Framing::None if http11 && !bodiless => Framing::Chunked,
            framing => framing,
        };
        // The rest of a request with an early response may never arrive: close instead of waiting for it.
        self.outcome.close_client |= !matches!(self.request, RequestState::Complete);
        // A 204 that announces a body may still send it.
        let unexpected_body = status == 204 && !matches!(info.framing, Framing::None | Framing::Length(0));
        self.upstream.keep_alive_timeout = info.keep_alive_timeout;
        // A second may pass until the next request has arrived.
        self.upstream.must_close |= info.keep_alive_timeout.is_some_and(|seconds| seconds <= 1);
        self.upstream.must_close |=
            unexpected_body || info.close || head.version() == Version::Http10 && !info.keep_alive;
        let (added, removed) = (&mut self.added_fields, &mut self.removed_fields);
        hook.on_response_head(&ResponseInfo::of_backend(head), &mut HeaderEdits { added, removed });
        if !info.has_date {
            // RFC 9110 §6.6.1: a recipient with a clock adds the time at which it received the response.
            put_own_field(&mut self.added_fields, b"Date: ", hook.date().as_bytes());
        }
        self.downstream.put_via(head.version(), &mut self.added_fields);
        self.outcome.status = status;
        let connection = if self.outcome.close_client { ConnectionHeader::Close } else { ConnectionHeader::KeepAlive };
        response_head::write_response_head(
            head,
            sent_framing,
            connection,
            &self.added_fields,
            &self.removed_fields,
            self.to_client.buf_mut(),
        );
        let encoder = if sent_framing == Framing::Chunked { BodyEncoder::Chunked } else { BodyEncoder::Raw };
        self.response = match received {
            _ if bodiless => ResponseState::Complete,
            Framing::Length(0) => ResponseState::Complete,
            Framing::Length(length) => ResponseState::Body(BodyDecoder::Length(length), encoder),
            Framing::Chunked => ResponseState::Body(BodyDecoder::chunked(Side::Backend), encoder),
            Framing::None => ResponseState::Body(BodyDecoder::CloseDelimited, encoder),
        };
        self.outcome.close_delimited =
            sent_framing == Framing::None && matches!(self.response, ResponseState::Body(..));
    }

    fn backend_error(&self, kind: FailureKind) -> ProxyError {
        ProxyError::new(kind, Side::Backend, self.phase())
    }
}

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, time::SystemTime};

    use crate::http::{ClientAddress, FailureKind, Forwarding, Head, HttpDate, Input, ProxyRole, Relay, Side};

    /// A failed write takes the socket's error, and the next read finds the end of the stream.
    #[test]
    fn a_reset_that_a_write_has_found_is_no_end_of_a_body() {
        let forwarding = Forwarding {
            role: ProxyRole::Reverse,
            via_pseudonym: "p".into(),
            scheme: "http",
            trusted_proxies: Vec::new(),
            backend_keep_alive: false,
        };
        let (peer, local) = ("192.0.2.1".parse().unwrap(), "192.0.2.9:8888".parse().unwrap());
        let request = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
        let mut head = Head::new();
        head.read_request(request, &mut 0).unwrap().unwrap();
        for (kind, is_whole) in [(ErrorKind::BrokenPipe, true), (ErrorKind::ConnectionReset, false)] {
            let mut relay = Relay::new();
            relay.begin(head.view(request), &forwarding, &ClientAddress::new(peer, local, &forwarding), 1).unwrap();
            relay.attempt(false);
            let mut date = || HttpDate::from(SystemTime::UNIX_EPOCH);
            relay.from_backend(Input::Bytes(b"HTTP/1.1 200 OK\r\n\r\nsome"), &mut date).unwrap();
            relay.on_write_error(Side::Backend, kind.into()).unwrap();
            let ended = relay.from_backend(Input::Eof, &mut date);
            let failure = ended.as_ref().err().map(|error| (error.kind, error.side));
            assert_eq!(failure, (!is_whole).then_some((FailureKind::Reset, Side::Backend)), "{kind:?}");
            assert_eq!(relay.pending(Side::Client).ends_with(b"0\r\n\r\n"), is_whole, "{kind:?}");
        }
    }

    #[test]
    fn a_tunnel_starts_with_pipelined_bytes_and_keeps_no_sent_bytes() {
        let forwarding = Forwarding {
            role: ProxyRole::Forward,
            via_pseudonym: "p".into(),
            scheme: "http",
            trusted_proxies: Vec::new(),
            backend_keep_alive: false,
        };
        let (peer, local) = ("192.0.2.1".parse().unwrap(), "192.0.2.9:8888".parse().unwrap());
        let mut relay = Relay::new();
        relay.begin_connect(&ClientAddress::new(peer, local, &forwarding));
        relay.push_pipelined(b"early");
        relay.establish_tunnel();
        assert_eq!(relay.pending(Side::Backend), b"early");
        relay.advance(Side::Backend, 5);
        for _ in 0..100 {
            assert_eq!(relay.from_client(Input::Bytes(&[7; 1024])).unwrap(), 1024);
            assert_eq!(relay.pending(Side::Backend).len(), 1024);
            relay.advance(Side::Backend, 1024);
        }
        assert!(relay.to_backend.buf_mut().is_empty(), "{} bytes are kept", relay.to_backend.buf_mut().len());
    }
}
