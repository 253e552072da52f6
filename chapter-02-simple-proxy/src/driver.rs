//! What a thread does around [`pump`]: sleeps, keeps the deadlines, notices the shutdown.
//!
//! One per client thread, with the thread's read buffer. This is the first of three engines that drive the
//! machine; it is the simplest to read, and it costs a thread for each client.

use std::time::{Duration, Instant};

use common::{
    clock::{now, wall_clock},
    http::{
        AfterClient, Input, Interest, Kind, NoWire, Patience, Phase, ProxyError, Pumped, READ_BUFFER_BYTES, Relay,
        Side, Wants, Wire, pump,
    },
    net::set_reset_on_close,
    shutdown::{Shutdown, Stage},
    timeouts::{DRAIN_IDLE_TIMEOUT, LINGER_TIMEOUT, Timeouts},
};

use crate::{
    poll::{Woken, wait},
    socket::Socket,
};

const READ: Interest = Interest { read: true, write: false };

/// A thread's means to wait.
#[derive(Debug)]
pub struct Waiter<'a> {
    timeouts: &'a Timeouts,
    shutdown: &'a Shutdown,
    /// The stage that this thread has acted upon.
    known: Stage,
    scratch: Vec<u8>,
    first_byte: Option<Instant>,
}

impl<'a> Waiter<'a> {
    /// A waiter with a buffer of its own (64 KiB, of which the kernel backs what is used).
    pub fn new(timeouts: &'a Timeouts, shutdown: &'a Shutdown) -> Self {
        Self { timeouts, shutdown, known: Stage::Running, scratch: vec![0; READ_BUFFER_BYTES], first_byte: None }
    }

    /// The deadlines in force.
    pub fn timeouts(&self) -> &'a Timeouts {
        self.timeouts
    }

    /// The shutdown that is heeded.
    pub fn shutdown(&self) -> &'a Shutdown {
        self.shutdown
    }

    /// When the response to the last [`exchange`](Self::exchange) began.
    pub fn first_byte(&self) -> Option<Instant> {
        self.first_byte
    }

    /// Reads what an idle client, or one in the middle of a head, sends next: no byte is the end.
    /// `by` is when it must have come; a drain leaves an idle client a second.
    pub fn read(&mut self, client: &mut Socket, mut by: Instant, idle: bool) -> Result<&[u8], ProxyError> {
        let error = |kind| ProxyError::new(kind, Side::Client, Phase::Head);
        loop {
            match client.recv(&mut self.scratch) {
                Ok(n) => return Ok(&self.scratch[..n]),
                Err(reason) if reason.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(reason) if reason.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(reason) => return Err(error(Kind::Reset).with_source(reason)),
            }
            match wait((client, READ), None, self.shutdown, self.known, by) {
                Ok(Woken::Ready) => {}
                Ok(Woken::Expired) => return Err(error(Kind::Timeout)),
                Ok(Woken::Stage) => {
                    self.notice_stage(Phase::Head)?;
                    if idle {
                        by = by.min(now() + self.idle_time());
                    }
                }
                Err(reason) => return Err(error(Kind::Exhausted).with_source(reason)),
            }
        }
    }

    /// How long a client may be idle now.
    pub(crate) fn idle_time(&self) -> Duration {
        if self.draining() { DRAIN_IDLE_TIMEOUT } else { self.timeouts.idle }
    }

    /// Whether this thread knows that the process drains.
    pub fn draining(&self) -> bool {
        self.known >= Stage::Draining
    }

    /// Moves the exchange to its end, and the client's answer with it.
    ///
    /// # Errors
    /// As [`pump`]'s; a deadline that passed; the end of the process's patience.
    pub fn exchange(&mut self, relay: &mut Relay, client: &mut Socket, backend: &mut Socket) -> Result<(), ProxyError> {
        self.first_byte = None;
        self.run(relay, client, Some(backend))
    }

    /// Moves our own answer to the client. If it will not have it, the exchange is over all the same.
    pub fn deliver(&mut self, relay: &mut Relay, client: &mut Socket) {
        if let Err(error) = self.run(relay, client, None) {
            relay.fail(&error, wall_clock());
        }
    }

    fn run(
        &mut self,
        relay: &mut Relay,
        client: &mut Socket,
        mut backend: Option<&mut Socket>,
    ) -> Result<(), ProxyError> {
        let mut patience = Patience::new();
        loop {
            let pumped = match &mut backend {
                Some(backend) => pump(relay, client, *backend, &mut self.scratch),
                None => pump(relay, client, &mut NoWire, &mut self.scratch),
            }?;
            let asked = backend.is_some();
            if asked && self.first_byte.is_none() && matches!(relay.phase(), Phase::Response | Phase::Tunnel) {
                self.first_byte = Some(now());
            }
            match pumped {
                Pumped::Done => return Ok(()),
                Pumped::Yield => {}
                Pumped::Wait(wants) => {
                    let by = patience.until(relay, self.timeouts, now());
                    self.sleep(relay, client, backend.as_deref_mut(), wants, by)?;
                }
            }
        }
    }

    fn sleep(
        &mut self,
        relay: &mut Relay,
        client: &mut Socket,
        backend: Option<&mut Socket>,
        wants: Wants,
        by: Instant,
    ) -> Result<(), ProxyError> {
        let backend = backend.map(|backend| (backend, wants.backend));
        match wait((client, wants.client), backend, self.shutdown, self.known, by) {
            Ok(Woken::Expired) => Err(relay.timed_out()),
            Ok(Woken::Stage) => {
                relay.close_after();
                self.notice_stage(relay.phase())
            }
            // Nothing would be read from it, so the machine is told.
            Ok(Woken::Ready) if client.failed && wants.client.is_none() => relay.from_client(Input::Reset).map(drop),
            Ok(Woken::Ready) => Ok(()),
            Err(error) => Err(ProxyError::new(Kind::Exhausted, Side::Internal, relay.phase()).with_source(error)),
        }
    }

    /// Takes note of a new stage. The last one ends whatever runs.
    fn notice_stage(&mut self, phase: Phase) -> Result<(), ProxyError> {
        self.known = self.shutdown.stage();
        match self.known {
            Stage::Now => Err(ProxyError::new(Kind::Unavailable, Side::Internal, phase)),
            _ => Ok(()),
        }
    }

    /// Parts with a client in the way that the machine asked for.
    pub fn part(&mut self, mut client: Socket, after: AfterClient) {
        if after == AfterClient::Abort {
            set_reset_on_close(client.stream());
        } else {
            self.linger(&mut client);
        }
    }

    // ANCHOR: linger
    /// FIN, then a short while of reading and throwing away. To close with bytes unread would send a reset,
    /// which can overtake the answer on its way to the client (RFC 9112 §9.6).
    fn linger(&mut self, client: &mut Socket) {
        if client.shut_write().is_err() {
            return; // it is gone
        }
        let by = now() + LINGER_TIMEOUT;
        while now() < by {
            match client.recv(&mut self.scratch) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                Err(_) => match wait((client, READ), None, self.shutdown, self.known, by) {
                    Ok(Woken::Ready) => {}
                    Ok(Woken::Stage) if self.notice_stage(Phase::Response).is_ok() => {}
                    Ok(Woken::Stage | Woken::Expired) | Err(_) => return,
                },
            }
        }
    }
    // ANCHOR_END: linger
}
