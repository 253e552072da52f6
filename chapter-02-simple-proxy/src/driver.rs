//! Drives [`pump`] on a client's thread: waits for the sockets, enforces the deadlines, reacts to the shutdown.
//!
//! Each client thread has one, with its read buffer. This is the first of three engines that drive the HTTP relay;
//! it is the simplest to read, and it costs a thread per client.

use std::time::{Duration, Instant};

use common::{
    clock::{now, wall_clock},
    http::{
        AfterClient, DateCache, ExchangeTimeouts, FailureKind, Input, Interest, NoWire, Phase, ProxyError, Pumped,
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

/// Drives the exchanges of one client connection on its own thread, with blocking waits.
#[derive(Debug)]
pub struct BlockingDriver<'a> {
    timeouts: &'a Timeouts,
    shutdown: &'a Shutdown,
    /// The shutdown stage that this thread has last handled.
    seen_stage: ShutdownStage,
    scratch: Vec<u8>,
    date_cache: DateCache,
    first_byte_at: Option<Instant>,
}

impl<'a> BlockingDriver<'a> {
    /// A driver with its own buffer (64 KiB, of which only the used pages take memory).
    pub fn new(timeouts: &'a Timeouts, shutdown: &'a Shutdown) -> Self {
        Self {
            timeouts,
            shutdown,
            seen_stage: ShutdownStage::Running,
            scratch: vec![0; READ_BUFFER_BYTES],
            date_cache: DateCache::default(),
            first_byte_at: None,
        }
    }

    /// The configured timeouts.
    pub fn timeouts(&self) -> &'a Timeouts {
        self.timeouts
    }

    /// The shutdown that this driver reacts to.
    pub fn shutdown(&self) -> &'a Shutdown {
        self.shutdown
    }

    /// When the backend's response in the last [`exchange`](Self::exchange) began.
    pub fn first_byte_at(&self) -> Option<Instant> {
        self.first_byte_at
    }

    /// Reads the next bytes of an idle client, or of a request head; an empty slice is the end of the stream.
    /// `deadline` limits the wait; when a drain begins, an idle client has [`DRAIN_IDLE_TIMEOUT`] left.
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

    /// How long a client may be idle: less while the process drains.
    pub(crate) fn idle_timeout(&self) -> Duration {
        if self.is_draining() { DRAIN_IDLE_TIMEOUT } else { self.timeouts.idle }
    }

    /// Whether this thread knows that the process drains.
    pub fn is_draining(&self) -> bool {
        self.seen_stage >= ShutdownStage::Draining
    }

    /// Runs the exchange to its end: relays the request to the backend and the response to the client.
    ///
    /// # Errors
    /// Those of [`pump`]; a timeout; or shutdown has reached [`ShutdownStage::Stopping`].
    pub fn exchange(&mut self, relay: &mut Relay, client: &mut Socket, backend: &mut Socket) -> Result<(), ProxyError> {
        self.first_byte_at = None;
        self.drive(relay, client, Some(backend))
    }

    /// Sends the relay's local reply to the client. If sending fails, the exchange is over anyway.
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
        let mut exchange_timeouts = ExchangeTimeouts::new();
        loop {
            let now = now();
            let date = || self.date_cache.at(now, wall_clock);
            let pumped = match &mut backend {
                Some(backend) => pump(relay, client, *backend, &mut self.scratch, date),
                None => pump(relay, client, &mut NoWire, &mut self.scratch, date),
            };
            // Before the result is looked at: the response may break off right after its head.
            if self.first_byte_at.is_none() && relay.backend_status().is_some() {
                self.first_byte_at = Some(now);
            }
            match pumped? {
                Pumped::Done => return Ok(()),
                Pumped::Yield => {}
                Pumped::Wait(wants) => {
                    let deadline = exchange_timeouts.deadline(relay, self.timeouts, now);
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
            // No read would report the client's reset, so the relay is told.
            Ok(WakeReason::Ready) if client.failed && wants.client.is_none() => {
                relay.from_client(Input::Reset).map(drop)
            }
            Ok(WakeReason::Ready) => Ok(()),
            Err(error) => {
                Err(ProxyError::new(FailureKind::ResourceExhausted, Side::Internal, relay.phase()).with_source(error))
            }
        }
    }

    /// Records the new shutdown stage. [`ShutdownStage::Stopping`] ends the exchange.
    fn update_stage(&mut self, phase: Phase) -> Result<(), ProxyError> {
        self.seen_stage = self.shutdown.stage();
        match self.seen_stage {
            ShutdownStage::Stopping => Err(ProxyError::new(FailureKind::ShuttingDown, Side::Internal, phase)),
            _ => Ok(()),
        }
    }

    /// Closes a client connection as the relay has asked: with a reset, or with a lingering close.
    pub fn close(&mut self, mut client: Socket, after: AfterClient) {
        if after == AfterClient::Abort {
            set_reset_on_close(client.stream());
        } else {
            self.linger(&mut client);
        }
    }

    // ANCHOR: linger
    /// Lingering close: sends FIN, then reads and discards for a short while. Closing with unread bytes would send
    /// a reset, which can reach the client before the response (RFC 9112 §9.6).
    fn linger(&mut self, client: &mut Socket) {
        if client.shutdown_write().is_err() {
            return; // the client is gone
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
