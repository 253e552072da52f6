//! One client: a connection with at most one request in flight.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Interest, Registry, Token, net::TcpStream};

use super::{
    failure::Failure,
    reader::{FeedResult, Reader},
    request::Request,
};

/// What happened to the request in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The request is still in flight.
    Wait,
    /// A correct response, this long after the request was due. The client is free unless it waits for the close.
    ResponseReceived { latency: Duration, free: bool },
    /// The connection is closed, as announced.
    Free,
    /// A wrong response, or none. The connection is closed.
    Failed(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    InFlight,
    /// Answered; the server will close.
    Closing,
}

#[derive(Debug)]
pub(crate) struct Client {
    stream: Option<TcpStream>,
    reader: Reader,
    phase: Phase,
    /// Which of the requests it sends.
    key: usize,
    /// Bytes of the request that were sent.
    sent: usize,
    due: Instant,
}

impl Client {
    /// A client whose first request is that of the key after `key`.
    pub(crate) fn new(answer_bytes: u64, key: usize, now: Instant) -> Self {
        Self { stream: None, reader: Reader::new(answer_bytes), phase: Phase::Idle, key, sent: 0, due: now }
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        self.phase == Phase::InFlight
    }

    /// An idle client with an open connection.
    pub(crate) fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    /// Sends the request that was due at `due`, on the open connection or else on a new one.
    pub(crate) fn start(
        &mut self,
        to: SocketAddr,
        request: &Request,
        due: Instant,
        (registry, token): (&Registry, Token),
    ) -> Progress {
        self.reader.begin();
        self.key = self.key.wrapping_add(1);
        self.sent = 0;
        self.due = due;
        self.phase = Phase::InFlight;
        if self.stream.is_none() {
            match connect(to, registry, token) {
                Ok(stream) => self.stream = Some(stream),
                Err(_) => return self.fail(Failure::Connect),
            }
        }
        self.send(request)
    }

    /// The socket is readable, writable or both, as the poller reports; reads into `scratch`.
    pub(crate) fn ready(
        &mut self,
        request: &Request,
        event: &mio::event::Event,
        scratch: &mut [u8],
        now: impl Fn() -> Instant,
    ) -> Progress {
        if event.is_writable() && self.is_in_flight() && self.sent < request.bytes(self.key).len() {
            let progress = self.send(request);
            if progress != Progress::Wait {
                return progress;
            }
        }
        if !event.is_readable() && !event.is_read_closed() {
            return Progress::Wait;
        }
        let progress = match self.phase {
            Phase::Idle => {
                self.stream = None;
                Progress::Wait
            }
            Phase::InFlight => self.receive(request, scratch, now),
            Phase::Closing => self.await_close(scratch),
        };
        match progress {
            // The end came together with the response, and no other event will report it.
            Progress::ResponseReceived { latency, .. } if event.is_read_closed() => {
                self.forget();
                Progress::ResponseReceived { latency, free: true }
            }
            _ => progress,
        }
    }

    /// Fails the request: no response arrived in time.
    pub(crate) fn abandon(&mut self) {
        self.forget();
    }

    fn forget(&mut self) {
        self.stream = None;
        self.phase = Phase::Idle;
    }

    fn fail(&mut self, why: Failure) -> Progress {
        self.forget();
        Progress::Failed(why)
    }

    fn send(&mut self, request: &Request) -> Progress {
        let Some(stream) = &mut self.stream else { return self.fail(Failure::Closed) };
        let bytes = request.bytes(self.key);
        while self.sent < bytes.len() {
            match stream.write(&bytes[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if is_wait(&error) => return Progress::Wait,
                Err(error) => {
                    let refused = error.kind() == io::ErrorKind::ConnectionRefused;
                    return self.fail(if refused { Failure::Connect } else { Failure::Closed });
                }
            }
        }
        Progress::Wait
    }

    fn receive(&mut self, request: &Request, scratch: &mut [u8], now: impl Fn() -> Instant) -> Progress {
        let Some(stream) = &mut self.stream else { return self.fail(Failure::Closed) };
        loop {
            let bytes = match stream.read(scratch) {
                Ok(0) => return self.fail(Failure::Closed),
                Ok(bytes) => bytes,
                Err(error) if is_wait(&error) => return Progress::Wait,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return self.fail(Failure::Connect),
                Err(_) => return self.fail(Failure::Closed),
            };
            match self.reader.feed(&scratch[..bytes]) {
                // A short read emptied the socket: more is a new edge.
                Ok(FeedResult::Incomplete) if bytes < scratch.len() => return Progress::Wait,
                Ok(FeedResult::Incomplete) => {}
                // The response came before the request was sent whole: the rest of the request would spoil the next
                // one.
                Ok(FeedResult::Complete { .. }) if self.sent < request.bytes(self.key).len() => {
                    return self.fail(Failure::Closed);
                }
                Ok(FeedResult::Complete { closes }) => {
                    let latency = now().saturating_duration_since(self.due);
                    self.phase = if closes || request.new_connection { Phase::Closing } else { Phase::Idle };
                    return Progress::ResponseReceived { latency, free: self.phase == Phase::Idle };
                }
                Err(failure) => return self.fail(failure),
            }
        }
    }

    fn await_close(&mut self, scratch: &mut [u8]) -> Progress {
        let Some(stream) = &mut self.stream else { return Progress::Free };
        match stream.read(scratch) {
            Ok(1..) => self.fail(Failure::Length),
            Err(error) if is_wait(&error) => Progress::Wait,
            // A reset after a complete response took nothing from it.
            Ok(_) | Err(_) => {
                self.forget();
                Progress::Free
            }
        }
    }
}

fn connect(to: SocketAddr, registry: &Registry, token: Token) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}

/// The socket is not ready, or not yet connected.
fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}
