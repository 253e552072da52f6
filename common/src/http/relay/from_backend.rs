//! What the backend's socket gives.

use super::{Input, Relay, Request, Response};
use crate::http::{
    body::{BodyReader, BodyWriter},
    error::{Kind, ProxyError, Side},
    exchange::{Method, Version},
    parse::message_info::Framing,
    protocol_error::Refusal,
    write::response_head::{self, Ending},
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
            Input::Eof => return self.backend_ended().map(|()| 0),
            Input::Reset => return Err(self.backend_error(Kind::Reset)),
        };
        if !matches!(self.response, Response::Head) {
            self.moved.backend_gave += bytes.len() as u64;
        }
        self.upstream.answered = true;
        self.to_backend.drain_from_now_on();
        let mut consumed = 0;
        while matches!(self.response, Response::Head) && consumed < bytes.len() {
            consumed +=
                self.response_head(&bytes[consumed..]).map_err(|refusal| self.backend_error(Kind::Refused(refusal)))?;
        }
        let rest = &bytes[consumed..];
        consumed += self.response_body(rest).map_err(|refusal| self.backend_error(Kind::Refused(refusal)))?;
        self.upstream.close |= consumed < bytes.len();
        Ok(consumed)
    }

    fn response_body(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        match &mut self.response {
            Response::Body(reader, writer) if !bytes.is_empty() => {
                let relayed = reader.relay(bytes, *writer, self.to_client.tail())?;
                self.outcome.bytes_from_backend += relayed.data;
                if relayed.ended {
                    self.response = Response::Whole;
                }
                Ok(relayed.consumed)
            }
            Response::Tunnel => {
                self.to_client.tail().extend_from_slice(bytes);
                self.outcome.bytes_from_backend += bytes.len() as u64;
                Ok(bytes.len())
            }
            _ => Ok(0),
        }
    }

    fn backend_ended(&mut self) -> Result<(), ProxyError> {
        self.upstream.end.seen = true;
        self.upstream.close = true;
        match self.response {
            Response::Body(BodyReader::UntilClose, writer) => {
                writer.end(self.to_client.tail());
                self.response = Response::Whole;
                Ok(())
            }
            Response::Head | Response::Body(..) => {
                let error = self.backend_error(Kind::Closed);
                // That it took no more of the request says more than that it closed.
                Err(match self.upstream.upload_failed.take() {
                    Some(source) => error.with_source(source),
                    None => error,
                })
            }
            Response::Whole | Response::Tunnel | Response::Broken => Ok(()),
        }
    }

    /// Reads a head out of `input`, or keeps the part of one. Gives how many bytes were taken.
    fn response_head(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        if self.partial.is_empty() {
            let Some(length) = self.head.read_response(input, &mut self.upstream.scanned)? else {
                self.partial.extend_from_slice(input);
                return Ok(input.len());
            };
            self.upstream.scanned = 0;
            self.on_head(&input[..length])?;
            return Ok(length);
        }
        let before = self.partial.len();
        self.partial.extend_from_slice(input);
        let Some(length) = self.head.read_response(&self.partial, &mut self.upstream.scanned)? else {
            return Ok(input.len());
        };
        self.upstream.scanned = 0;
        let partial = std::mem::take(&mut self.partial); // freed with the head
        self.on_head(&partial[..length])?;
        Ok(length - before)
    }

    fn on_head(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let status = self.head.view(bytes).status();
        match status {
            101 => self.switch(bytes),
            100..200 => {
                self.asked.awaits_continue &= status != 100;
                if self.asked.version == Version::Http11 {
                    response_head::write_response(
                        self.head.view(bytes),
                        Framing::None,
                        Ending::KeepAlive,
                        &[],
                        self.to_client.tail(),
                    );
                }
                Ok(())
            }
            _ => {
                self.on_final_head(bytes, status);
                Ok(())
            }
        }
    }

    /// 101: the protocol changes (RFC 9110 §7.8). Only here: not when it was asked for.
    fn switch(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let head = self.head.view(bytes);
        if !self.asked.websocket || !head.facts().asks_for_websocket(head.version()) {
            return Err(Refusal::UnexpectedUpgrade);
        }
        response_head::write_response(head, Framing::None, Ending::Upgrade, &self.own_fields, self.to_client.tail());
        self.outcome.status = 101;
        self.enter_tunnel();
        if self.upstream.upload_failed.is_some() {
            self.give_up_upstream();
        }
        Ok(())
    }

    /// From here on bytes are bytes. What the client sent ahead was held back as the next request; it is
    /// the tunnel's. Nothing of it is kept for a replay: it would grow with all that the client sends.
    pub(crate) fn enter_tunnel(&mut self) {
        self.to_backend.drain_from_now_on();
        self.outcome.close_client = true;
        self.upstream.close = true;
        self.response = Response::Tunnel;
        self.to_backend.tail().append(&mut self.surplus);
    }

    fn on_final_head(&mut self, bytes: &[u8], status: u16) {
        let head = self.head.view(bytes);
        let (facts, http11) = (*head.facts(), self.asked.version == Version::Http11);
        let bodiless = self.asked.method == Some(Method::Head) || matches!(status, 204 | 304);
        let came = if status == 204 { Framing::None } else { facts.framing };
        let goes = match came {
            Framing::Chunked if !http11 => Framing::None,
            Framing::None if http11 && !bodiless => Framing::Chunked,
            came => came,
        };
        // A request still on its way when it is answered may never end; so the connection does.
        self.outcome.close_client |= !matches!(self.request, Request::Whole);
        // A 204 that announces a body may yet send it.
        let stray = status == 204 && !matches!(facts.framing, Framing::None | Framing::Length(0));
        self.upstream.close |= stray || facts.close || head.version() == Version::Http10 && !facts.keep_alive;
        self.outcome.status = status;
        let ending = if self.outcome.close_client { Ending::Close } else { Ending::KeepAlive };
        response_head::write_response(head, goes, ending, &self.own_fields, self.to_client.tail());
        let writer = if goes == Framing::Chunked { BodyWriter::Chunked } else { BodyWriter::Plain };
        self.response = match came {
            _ if bodiless => Response::Whole,
            Framing::Length(0) => Response::Whole,
            Framing::Length(length) => Response::Body(BodyReader::Length(length), writer),
            Framing::Chunked => Response::Body(BodyReader::chunked(), writer),
            Framing::None => Response::Body(BodyReader::UntilClose, writer),
        };
        self.outcome.until_close = goes == Framing::None && matches!(self.response, Response::Body(..));
    }

    fn backend_error(&self, kind: Kind) -> ProxyError {
        ProxyError::new(kind, Side::Backend, self.phase())
    }
}

#[cfg(test)]
mod tests {
    use crate::http::{ClientAddress, Forwarding, Input, Relay, Role, Side};

    #[test]
    fn a_tunnel_begins_with_what_came_ahead_and_keeps_nothing_of_what_it_sent() {
        let forwarding =
            Forwarding { role: Role::Forward, via: "p".into(), scheme: "http", trusted: Vec::new(), pooled: false };
        let (peer, local) = ("192.0.2.1".parse().unwrap(), "192.0.2.9:8888".parse().unwrap());
        let mut relay = Relay::new();
        relay.begin_tunnel(&ClientAddress::new(peer, local, &forwarding));
        relay.keep_surplus(b"early");
        relay.open_tunnel();
        assert_eq!(relay.owed(Side::Backend), b"early");
        relay.sent(Side::Backend, 5);
        for _ in 0..100 {
            assert_eq!(relay.from_client(Input::Bytes(&[7; 1024])).unwrap(), 1024);
            assert_eq!(relay.owed(Side::Backend).len(), 1024);
            relay.sent(Side::Backend, 1024);
        }
        assert!(relay.to_backend.tail().is_empty(), "{} bytes are kept", relay.to_backend.tail().len());
    }
}
