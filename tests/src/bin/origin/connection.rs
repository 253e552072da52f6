//! One connection: a request, perhaps a delay, a response, and again.

use std::io;

use integration_tests::edge_triggered::EdgeTriggeredStream;
use mio::event::Event;

use crate::body::Body;
use crate::request::{self, Malformed, Request, ResponseKind};
use crate::response::{Counts, Outgoing, PrebuiltResponses};

/// The state of a connection.
#[derive(Debug)]
enum Phase {
    Head,
    Body(Request),
    /// The request is complete and is to be answered.
    Complete(ResponseKind),
    /// The same, but not before [`Connection::resume`].
    Delayed(ResponseKind),
    Sending(Outgoing),
}

/// What a connection needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// An event.
    Waits,
    /// [`Connection::resume`], after the delay.
    Delayed,
    /// To be dropped.
    Ended,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) responses: PrebuiltResponses,
    pub(crate) counts: Counts,
    pub(crate) delays: bool,
    pub(crate) scratch: Vec<u8>,
}

pub(crate) struct Connection {
    stream: EdgeTriggeredStream,
    phase: Phase,
    close: bool,
    /// Whether it has sent a request, and so is counted.
    counted: bool,
    /// The beginning of a head, or the bytes after the request that is being answered.
    buffered: Vec<u8>,
    /// Distinguishes it from an earlier connection in the same slot.
    pub(crate) serial: u64,
}

impl Connection {
    pub(crate) fn new(stream: EdgeTriggeredStream, serial: u64) -> Self {
        Self { stream, phase: Phase::Head, close: false, counted: false, buffered: Vec::new(), serial }
    }

    pub(crate) fn on_event(&mut self, event: &Event) {
        self.stream.on_event(event);
    }

    /// The delay has passed.
    pub(crate) fn resume(&mut self, shared: &mut Shared) -> Progress {
        if let Phase::Delayed(kind) = self.phase {
            self.start_response(kind, shared);
        }
        self.run(shared)
    }

    /// Proceeds as far as possible.
    pub(crate) fn run(&mut self, shared: &mut Shared) -> Progress {
        self.advance(shared).unwrap_or(Progress::Ended)
    }

    fn advance(&mut self, shared: &mut Shared) -> io::Result<Progress> {
        loop {
            match &mut self.phase {
                Phase::Head | Phase::Body(_) => match self.stream.read(&mut shared.scratch)? {
                    None => return Ok(Progress::Waits),
                    Some(0) => return Ok(Progress::Ended),
                    Some(read) => self.receive(&shared.scratch[..read]).map_err(|Malformed| malformed())?,
                },
                Phase::Complete(kind) if shared.delays => {
                    self.phase = Phase::Delayed(*kind);
                    return Ok(Progress::Delayed);
                }
                Phase::Complete(kind) => {
                    let kind = *kind;
                    self.start_response(kind, shared);
                }
                Phase::Delayed(_) => return Ok(Progress::Waits),
                Phase::Sending(outgoing) => {
                    if !outgoing.send(&mut self.stream, &shared.responses)? {
                        return Ok(Progress::Waits);
                    }
                    shared.counts.requests += 1;
                    if self.close {
                        return Ok(Progress::Ended);
                    }
                    self.phase = Phase::Head;
                    self.receive(&[]).map_err(|Malformed| malformed())?;
                }
            }
        }
    }

    fn start_response(&mut self, kind: ResponseKind, shared: &mut Shared) {
        // Not at accept: a TCP health check is no connection for requests.
        shared.counts.connections += u64::from(!std::mem::replace(&mut self.counted, true));
        self.phase = Phase::Sending(shared.responses.to(kind, self.close, shared.counts));
    }

    /// Takes the bytes held back and then `bytes`, and holds back what belongs to the next request.
    fn receive(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        if self.buffered.is_empty() {
            return self.take(bytes);
        }
        let mut buffered = std::mem::take(&mut self.buffered);
        buffered.extend_from_slice(bytes);
        self.take(&buffered)
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            match &mut self.phase {
                Phase::Head => {
                    let Some((request, length)) = request::read(bytes)? else { break };
                    bytes = &bytes[length..];
                    self.close = request.close;
                    self.phase = Phase::Body(request);
                }
                Phase::Body(request) => bytes = &bytes[request.body.take(bytes)?..],
                _ => break,
            }
            if let Phase::Body(Request { kind, body, .. }) = self.phase
                && Body::is_done(body)
            {
                self.phase = Phase::Complete(kind);
            }
        }
        self.buffered.extend_from_slice(bytes);
        Ok(())
    }
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
