//! What the backend's socket gives.

use super::{Input, Relay, RequestState, ResponseState};
use crate::http::{
    body::{BodyDecoder, BodyEncoder},
    error::{FailureKind, ProxyError, Side},
    exchange::{Method, Version},
    parse::message_info::Framing,
    protocol_error::ProtocolError,
    write::response_head::{self, ConnectionHeader},
};

impl Relay {
    /// Takes what the backend's socket gave. Bytes that are not consumed belong to no response: a
    /// connection that sent them must not be pooled ([`end`](Self::end) sees to it).
    ///
    /// # Errors
    /// The response is malformed or breaks off.
    pub fn from_backend(&mut self, input: Input<'_>) -> Result<usize, ProxyError> {
        let bytes = match input {
            Input::Bytes(bytes) => bytes,
            Input::Eof => return self.on_backend_eof().map(|()| 0),
            Input::Reset => return Err(self.backend_error(FailureKind::Reset)),
        };
        if !matches!(self.response, ResponseState::AwaitingHead) {
            self.transferred.read_from_backend += bytes.len() as u64;
        }
        self.upstream.response_started = true;
        self.to_backend.drain_from_now_on();
        let mut consumed = 0;
        while matches!(self.response, ResponseState::AwaitingHead) && consumed < bytes.len() {
            consumed += self
                .read_response_head(&bytes[consumed..])
                .map_err(|protocol_error| self.backend_error(FailureKind::Protocol(protocol_error)))?;
        }
        let rest = &bytes[consumed..];
        consumed +=
            self.read_response_body(rest).map_err(|refusal| self.backend_error(FailureKind::Protocol(refusal)))?;
        self.upstream.must_close |= consumed < bytes.len();
        Ok(consumed)
    }

    fn read_response_body(&mut self, bytes: &[u8]) -> Result<usize, ProtocolError> {
        match &mut self.response {
            ResponseState::Body(reader, writer) if !bytes.is_empty() => {
                let relayed = reader.transcode(bytes, *writer, self.to_client.tail())?;
                self.outcome.bytes_from_backend += relayed.data_len;
                if relayed.ended {
                    self.response = ResponseState::Complete;
                }
                Ok(relayed.consumed)
            }
            ResponseState::Tunnel => {
                self.to_client.tail().extend_from_slice(bytes);
                self.outcome.bytes_from_backend += bytes.len() as u64;
                Ok(bytes.len())
            }
            _ => Ok(0),
        }
    }

    fn on_backend_eof(&mut self) -> Result<(), ProxyError> {
        self.upstream.half_close.received = true;
        self.upstream.must_close = true;
        match self.response {
            ResponseState::Body(BodyDecoder::CloseDelimited, writer) => {
                writer.finish(self.to_client.tail());
                self.response = ResponseState::Complete;
                Ok(())
            }
            ResponseState::AwaitingHead | ResponseState::Body(..) => {
                let error = self.backend_error(FailureKind::IncompleteMessage);
                // That it took no more of the request says more than that it closed.
                Err(match self.upstream.write_error.take() {
                    Some(source) => error.with_source(source),
                    None => error,
                })
            }
            ResponseState::Complete | ResponseState::Tunnel | ResponseState::Incomplete => Ok(()),
        }
    }

    /// Reads a head out of `input`, or keeps the part of one. Gives how many bytes were taken.
    fn read_response_head(&mut self, input: &[u8]) -> Result<usize, ProtocolError> {
        if self.partial_head.is_empty() {
            let Some(length) = self.head.read_response(input, &mut self.upstream.scanned)? else {
                self.partial_head.extend_from_slice(input);
                return Ok(input.len());
            };
            self.upstream.scanned = 0;
            self.on_response_head(&input[..length])?;
            return Ok(length);
        }
        let before = self.partial_head.len();
        self.partial_head.extend_from_slice(input);
        let Some(length) = self.head.read_response(&self.partial_head, &mut self.upstream.scanned)? else {
            return Ok(input.len());
        };
        self.upstream.scanned = 0;
        let partial = std::mem::take(&mut self.partial_head); // freed with the head
        self.on_response_head(&partial[..length])?;
        Ok(length - before)
    }

    fn on_response_head(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let status = self.head.view(bytes).status();
        match status {
            101 => self.switch_protocols(bytes),
            100..200 => {
                self.downstream.awaits_continue &= status != 100;
                if self.downstream.version == Version::Http11 {
                    response_head::write_response_head(
                        self.head.view(bytes),
                        Framing::None,
                        ConnectionHeader::KeepAlive,
                        &[],
                        self.to_client.tail(),
                    );
                }
                Ok(())
            }
            _ => {
                self.on_final_response_head(bytes, status);
                Ok(())
            }
        }
    }

    /// 101: the protocol changes (RFC 9110 §7.8). Only here: not when it was asked for.
    fn switch_protocols(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let head = self.head.view(bytes);
        if !self.downstream.websocket || !head.message_info().is_websocket_upgrade(head.version()) {
            return Err(ProtocolError::UnexpectedUpgrade);
        }
        response_head::write_response_head(
            head,
            Framing::None,
            ConnectionHeader::Upgrade,
            &self.added_fields,
            self.to_client.tail(),
        );
        self.outcome.status = 101;
        self.enter_tunnel();
        if self.upstream.write_error.is_some() {
            self.abandon_tunnel_upload();
        }
        Ok(())
    }

    /// From here on bytes are bytes. What the client sent ahead was held back as the next request; it is
    /// the tunnel's. Nothing of it is kept for a replay: it would grow with all that the client sends.
    pub(crate) fn enter_tunnel(&mut self) {
        self.to_backend.drain_from_now_on();
        self.outcome.close_client = true;
        self.upstream.must_close = true;
        self.response = ResponseState::Tunnel;
        self.to_backend.tail().append(&mut self.pipelined);
    }

    fn on_final_response_head(&mut self, bytes: &[u8], status: u16) {
        let head = self.head.view(bytes);
        let (info, http11) = (*head.message_info(), self.downstream.version == Version::Http11);
        let bodiless = self.downstream.method == Some(Method::Head) || matches!(status, 204 | 304);
        let received = if status == 204 { Framing::None } else { info.framing };
        let goes = match received {
            Framing::Chunked if !http11 => Framing::None,
            Framing::None if http11 && !bodiless => Framing::Chunked,
            came => came,
        };
        // A request still on its way when it is answered may never end; so the connection does.
        self.outcome.close_client |= !matches!(self.request, RequestState::Complete);
        // A 204 that announces a body may yet send it.
        let stray = status == 204 && !matches!(info.framing, Framing::None | Framing::Length(0));
        self.upstream.must_close |= stray || info.close || head.version() == Version::Http10 && !info.keep_alive;
        self.outcome.status = status;
        let ending = if self.outcome.close_client { ConnectionHeader::Close } else { ConnectionHeader::KeepAlive };
        response_head::write_response_head(head, goes, ending, &self.added_fields, self.to_client.tail());
        let writer = if goes == Framing::Chunked { BodyEncoder::Chunked } else { BodyEncoder::Raw };
        self.response = match received {
            _ if bodiless => ResponseState::Complete,
            Framing::Length(0) => ResponseState::Complete,
            Framing::Length(length) => ResponseState::Body(BodyDecoder::Length(length), writer),
            Framing::Chunked => ResponseState::Body(BodyDecoder::chunked(), writer),
            Framing::None => ResponseState::Body(BodyDecoder::CloseDelimited, writer),
        };
        self.outcome.close_delimited = goes == Framing::None && matches!(self.response, ResponseState::Body(..));
    }

    fn backend_error(&self, kind: FailureKind) -> ProxyError {
        ProxyError::new(kind, Side::Backend, self.phase())
    }
}

#[cfg(test)]
mod tests {
    use crate::http::{ClientAddress, Forwarding, Input, ProxyRole, Relay, Side};

    #[test]
    fn a_tunnel_begins_with_what_came_ahead_and_keeps_nothing_of_what_it_sent() {
        let forwarding = Forwarding {
            role: ProxyRole::Forward,
            via_pseudonym: "p".into(),
            scheme: "http",
            trusted_proxies: Vec::new(),
            backend_keep_alive: false,
        };
        let (peer, local) = ("192.0.2.1".parse().unwrap(), "192.0.2.9:8888".parse().unwrap());
        let mut relay = Relay::new();
        relay.begin_tunnel(&ClientAddress::new(peer, local, &forwarding));
        relay.push_pipelined(b"early");
        relay.open_tunnel();
        assert_eq!(relay.pending(Side::Backend), b"early");
        relay.advance(Side::Backend, 5);
        for _ in 0..100 {
            assert_eq!(relay.from_client(Input::Bytes(&[7; 1024])).unwrap(), 1024);
            assert_eq!(relay.pending(Side::Backend).len(), 1024);
            relay.advance(Side::Backend, 1024);
        }
        assert!(relay.to_backend.tail().is_empty(), "{} bytes are kept", relay.to_backend.tail().len());
    }
}
