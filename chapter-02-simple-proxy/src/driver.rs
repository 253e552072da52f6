//! What a thread does around [`pump`]: sleeps, keeps the deadlines, notices the shutdown.
//!
//! One per client thread, with the thread's read buffer. This is the first of three engines that drive the
//! machine; it is the simplest to read, and it costs a thread for each client.

use std::time::{Duration, Instant};

use common::{
    clock::{now, wall_clock},
    http::{
        AfterClient, ExchangeTimeouts, FailureKind, Input, Interest, NoWire, Phase, ProxyError, Pumped,
        READ_BUFFER_BYTES, Relay, Side, Wants, Wire, pump,
    },
    net::set_reset_on_close,
    shutdown::{Shutdown, ShutdownStage},
    timeouts::{DRAIN_IDLE_TIMEOUT, LINGER_TIMEOUT, Timeouts},
};

use crate::{
    poll::{WakeReason, poll_sockets},
    socket::Socket,
};

const READABLE: Interest = Interest { read: true, write: false };

/// A thread's means to wait.
#[derive(Debug)]
pub struct BlockingDriver<'a> {
    timeouts: &'a Timeouts,
    shutdown: &'a Shutdown,
    /// The stage that this thread has acted upon.
    seen_stage: ShutdownStage,
    scratch: Vec<u8>,
    first_byte_at: Option<Instant>,
}

impl<'a> BlockingDriver<'a> {
    /// A waiter with a buffer of its own (64 KiB, of which the kernel backs what is used).
    pub fn new(timeouts: &'a Timeouts, shutdown: &'a Shutdown) -> Self {
        Self {
            timeouts,
            shutdown,
            seen_stage: ShutdownStage::Running,
            scratch: vec![0; READ_BUFFER_BYTES],
            first_byte_at: None,
        }
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
    pub fn first_byte_at(&self) -> Option<Instant> {
        self.first_byte_at
    }

    /// Reads what an idle client, or one in the middle of a head, sends next: no byte is the end.
    /// `by` is when it must have come; a drain leaves an idle client a second.
    pub fn read_client(&mut self, client: &mut Socket, mut deadline: Instant, idle: bool) -> Result<&[u8], ProxyError> {
        let error = |kind| ProxyError::new(kind, Side::Client, Phase::RequestHead);
        loop {
            match client.recv(&mut self.scratch) {
                Ok(n) => return Ok(&self.scratch[..n]),
                Err(reason) if reason.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(reason) if reason.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(reason) => return Err(error(FailureKind::Reset).with_source(reason)),
            }
            match poll_sockets((client, READABLE), None, self.shutdown, self.seen_stage, deadline) {
                Ok(WakeReason::Ready) => {}
                Ok(WakeReason::TimedOut) => return Err(error(FailureKind::Timeout)),
                Ok(WakeReason::ShutdownStage) => {
                    self.update_stage(Phase::RequestHead)?;
                    if idle {
                        deadline = deadline.min(now() + self.idle_timeout());
                    }
                }
                Err(reason) => return Err(error(FailureKind::ResourceExhausted).with_source(reason)),
            }
        }
    }

    /// How long a client may be idle now.
    pub(crate) fn idle_timeout(&self) -> Duration {
        if self.is_draining() { DRAIN_IDLE_TIMEOUT } else { self.timeouts.idle }
    }

    /// Whether this thread knows that the process drains.
    pub fn is_draining(&self) -> bool {
        self.seen_stage >= ShutdownStage::Draining
    }

    /// Moves the exchange to its end, and the client's answer with it.
    ///
    /// # Errors
    /// As [`pump`]'s; a deadline that passed; the end of the process's patience.
    pub fn exchange(&mut self, relay: &mut Relay, client: &mut Socket, backend: &mut Socket) -> Result<(), ProxyError> {
        self.first_byte_at = None;
        self.drive(relay, client, Some(backend))
    }

    /// Moves our own answer to the client. If it will not have it, the exchange is over all the same.
    pub fn send_local_reply(&mut self, relay: &mut Relay, client: &mut Socket) {
        if let Err(error) = self.drive(relay, client, None) {
            relay.fail(&error, wall_clock());
        }
    }

    fn drive(
        &mut self,
        relay: &mut Relay,
        client: &mut Socket,
        mut backend: Option<&mut Socket>,
    ) -> Result<(), ProxyError> {
        let mut timeouts = ExchangeTimeouts::new();
        loop {
            let pumped = match &mut backend {
                Some(backend) => pump(relay, client, *backend, &mut self.scratch),
                None => pump(relay, client, &mut NoWire, &mut self.scratch),
            }?;
            let request = backend.is_some();
            if request && self.first_byte_at.is_none() && matches!(relay.phase(), Phase::Response | Phase::Tunnel) {
                self.first_byte_at = Some(now());
            }
            match pumped {
                Pumped::Done => return Ok(()),
                Pumped::Yield => {}
                Pumped::Wait(wants) => {
                    let deadline = timeouts.deadline(relay, self.timeouts, now());
                    self.wait_ready(relay, client, backend.as_deref_mut(), wants, deadline)?;
                }
            }
        }
    }

    fn wait_ready(
        &mut self,
        relay: &mut Relay,
        client: &mut Socket,
        backend: Option<&mut Socket>,
        wants: Wants,
        deadline: Instant,
    ) -> Result<(), ProxyError> {
        let backend = backend.map(|backend| (backend, wants.backend));
        match poll_sockets((client, wants.client), backend, self.shutdown, self.seen_stage, deadline) {
            Ok(WakeReason::TimedOut) => Err(relay.timeout_error()),
            Ok(WakeReason::ShutdownStage) => {
                relay.close_after_response();
                self.update_stage(relay.phase())
            }
            // Nothing would be read from it, so the machine is told.
            Ok(WakeReason::Ready) if client.failed && wants.client.is_none() => {
                relay.from_client(Input::Reset).map(drop)
            }
            Ok(WakeReason::Ready) => Ok(()),
            Err(error) => {
                Err(ProxyError::new(FailureKind::ResourceExhausted, Side::Internal, relay.phase()).with_source(error))
            }
        }
    }

    /// Takes note of a new stage. The last one ends whatever runs.
    fn update_stage(&mut self, phase: Phase) -> Result<(), ProxyError> {
        self.seen_stage = self.shutdown.stage();
        match self.seen_stage {
            ShutdownStage::Stopping => Err(ProxyError::new(FailureKind::Unavailable, Side::Internal, phase)),
            _ => Ok(()),
        }
    }

    /// Parts with a client in the way that the machine asked for.
    pub fn close(&mut self, mut client: Socket, after: AfterClient) {
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
        if client.shutdown_write().is_err() {
            return; // it is gone
        }
        let deadline = now() + LINGER_TIMEOUT;
        while now() < deadline {
            match client.recv(&mut self.scratch) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                Err(_) => match poll_sockets((client, READABLE), None, self.shutdown, self.seen_stage, deadline) {
                    Ok(WakeReason::Ready) => {}
                    Ok(WakeReason::ShutdownStage) if self.update_stage(Phase::Response).is_ok() => {}
                    Ok(WakeReason::ShutdownStage | WakeReason::TimedOut) | Err(_) => return,
                },
            }
        }
    }
    // ANCHOR_END: linger
}
