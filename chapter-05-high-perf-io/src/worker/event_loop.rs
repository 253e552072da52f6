//! The event loop: block once for all connections, then drive each one that has an event until it would block.

use std::{
    io::{self, ErrorKind},
    mem,
    net::TcpListener,
    os::fd::AsRawFd as _,
    sync::Arc,
    time::{Duration, Instant},
};

use advanced_features::Balancer;
use common::{
    clock,
    net::AcceptedConnection,
    shutdown::{Shutdown, ShutdownStage},
};
use mio::{Events, Interest, Poll, event::Event, net::TcpStream, unix::SourceFd};

use super::{
    context::WorkerContext,
    queue::Command,
    slab::{GenerationalSlab, Key},
    token::{CLIENT_SOCKET, EventSource},
};
use crate::{
    downstream::{
        acceptor::{AcceptOutcome, Acceptor},
        client_connection::ClientConnection,
        handoff::ConnectionHandoff,
        respond_and_close,
    },
    request::transition::Progress,
    serve,
    socket::Socket,
    wheel::Wheel,
};

/// Events taken from the kernel per poll.
const EVENTS_PER_POLL: usize = 1024;
/// Connections accepted per poll, before the open ones are served again.
const ACCEPTS_PER_POLL: usize = 64;
/// For how long a worker saves descriptors after they have run out.
const FD_PRESSURE_PERIOD: Duration = Duration::from_secs(10);

/// A worker: its poller, its listener, its connections and their timers.
#[derive(Debug)]
pub(crate) struct Worker {
    context: WorkerContext,
    /// Its index among the workers.
    id: usize,
    poll: Poll,
    acceptor: Option<Acceptor>,
    connections: GenerationalSlab<ClientConnection>,
    wheel: Wheel,
    /// Connections that have yielded and are driven again after the events.
    yielded: Vec<Key>,
    handoff: Arc<ConnectionHandoff>,
    shutdown: Shutdown,
}

impl Worker {
    /// The worker `worker_id` of those in `handoff`. It takes events from `poll`, accepts on `listener`, and serves the
    /// connections that other workers hand to it.
    pub(crate) fn new(
        balancer: Arc<Balancer>,
        handoff: Arc<ConnectionHandoff>,
        worker_id: usize,
        poll: Poll,
        listener: TcpListener,
        shutdown: &Shutdown,
    ) -> io::Result<Self> {
        let (now, registry) = (clock::now(), poll.registry().try_clone()?);
        let acceptor = Some(Acceptor::register(listener, &registry)?);
        for (stage, source) in [
            (ShutdownStage::Draining, EventSource::DrainRequested),
            (ShutdownStage::Stopping, EventSource::StopRequested),
        ] {
            let fd = shutdown.fd(stage).as_raw_fd();
            registry.register(&mut SourceFd(&fd), source.token(), Interest::READABLE)?;
        }
        Ok(Self {
            context: WorkerContext::new(balancer, registry, Arc::clone(&handoff.queues()[worker_id]), now),
            id: worker_id,
            poll,
            acceptor,
            connections: GenerationalSlab::default(),
            wheel: Wheel::new(now),
            yielded: Vec::new(),
            handoff,
            shutdown: shutdown.clone(),
        })
    }

    // ANCHOR: run
    /// Runs until shutdown and the last connection has closed.
    ///
    /// # Errors
    /// The poller or the listener fails.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_POLL);
        while !self.is_finished() {
            match self.poll.poll(&mut events, self.poll_timeout()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.context.now = clock::now();
            for event in &events {
                self.on_event(event);
            }
            for key in mem::take(&mut self.yielded) {
                if let Some(connection) = self.connections.get_mut(key) {
                    connection.has_yielded = false;
                    self.drive(key);
                }
            }
            while let Some(timer_id) = self.wheel.expire(self.context.now) {
                if let Some(key) = self.connections.key_at(timer_id) {
                    self.drive(key);
                }
            }
            self.accept()?;
            if mem::take(&mut self.context.fd_exhausted) {
                self.on_fd_exhausted();
            }
            self.continue_drain();
        }
        Ok(())
    }
    // ANCHOR_END: run

    /// How long the poll may block: until the first deadline, and not at all while work is pending.
    fn poll_timeout(&self) -> Option<Duration> {
        let pending = self.acceptor.as_ref().is_some_and(|acceptor| acceptor.can_accept(self.context.now));
        if !self.yielded.is_empty() || pending && self.handoff.limiter.has_capacity() {
            return Some(Duration::ZERO);
        }
        // When the pause is over and accepting has not resumed, the acceptor waits for capacity: no deadline.
        let pause = self.acceptor.as_ref().and_then(Acceptor::paused_until).filter(|until| *until > self.context.now);
        let next = [self.wheel.next_wakeup(), pause, self.drain_deadline()].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(self.context.now))
    }

    fn on_event(&mut self, event: &Event) {
        match EventSource::from_token(event.token()) {
            EventSource::Connection(key, socket_id) => {
                let now = self.context.now;
                if self.connections.get_mut(key).is_some_and(|connection| connection.on_event(socket_id, event, now)) {
                    self.drive(key);
                }
            }
            EventSource::Listener => {
                if let Some(acceptor) = &mut self.acceptor {
                    acceptor.set_ready();
                }
            }
            EventSource::Commands => self.run_commands(),
            EventSource::DrainRequested => self.start_drain(),
            EventSource::StopRequested => self.stop(),
        }
    }

    // ANCHOR: drive
    /// Drives a connection until it would block, and arms its timer for the deadline of what it waits for.
    fn drive(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key).filter(|connection| !connection.has_yielded) else {
            return;
        };
        match serve::serve(&mut self.context, connection) {
            // Most deadlines are moved before they pass. So a timer that is not too late is left alone; when it fires
            // early, the connection is driven, and the timer is armed for the deadline that applies then.
            Progress::Wait(deadline) if self.wheel.due(key.index).is_some_and(|due| due <= deadline) => {}
            Progress::Wait(deadline) => self.wheel.arm(key.index, deadline),
            // Once: an event or a wake-up that comes before its turn does not give it another one.
            Progress::Yield => {
                connection.has_yielded = true;
                self.yielded.push(key);
            }
            Progress::Close => self.close(key),
        }
    }
    // ANCHOR_END: drive

    fn close(&mut self, key: Key) {
        self.wheel.disarm(key.index);
        if self.connections.remove(key).is_some() {
            self.context.balancer.stats().connection_closed();
            self.handoff.connection_closed(self.id);
        }
    }

    fn run_commands(&mut self) {
        for command in self.context.queue.take_all() {
            match command {
                // Another worker that stops gives up slots: a queued request must not take one before this one stops.
                Command::WakeConnection(_) if self.shutdown.stage() == ShutdownStage::Stopping => {}
                Command::WakeConnection(key) => self.drive(key),
                Command::ServeConnection(accepted) => self.start_connection(accepted),
                Command::RetryAccept => {}
                Command::EnterFdPressure => self.enter_fd_pressure(),
            }
        }
    }

    /// Accepts while connections wait and the limit allows it.
    fn accept(&mut self) -> io::Result<()> {
        let Some(acceptor) = &mut self.acceptor else { return Ok(()) };
        let mut accepted = Vec::new();
        while acceptor.can_accept(self.context.now) && accepted.len() < ACCEPTS_PER_POLL {
            if !self.handoff.limiter.try_acquire() {
                self.context.queue.set_waits_for_capacity();
                break;
            }
            match acceptor.accept(self.context.now)? {
                AcceptOutcome::Connection(connection) => accepted.push(connection),
                AcceptOutcome::QueueEmpty => self.handoff.release(),
                AcceptOutcome::OutOfFds(error) => {
                    self.handoff.release();
                    self.context.fd_exhausted = true;
                    if self.handoff.fd_pressure.is_new(self.context.now) {
                        tracing::warn!("cannot accept: {error}; raise `ulimit -n` or lower --max-clients");
                    }
                }
            }
        }
        for connection in accepted {
            self.serve_or_hand_off(connection);
        }
        Ok(())
    }

    /// Descriptors have run out for the process: enters fd pressure, and tells the other workers.
    fn on_fd_exhausted(&mut self) {
        if self.context.has_fd_pressure() {
            return;
        }
        self.enter_fd_pressure();
        for queue in self.handoff.queues().iter().filter(|queue| !Arc::ptr_eq(queue, &self.context.queue)) {
            let _ = queue.push(Command::EnterFdPressure);
        }
    }

    /// Closes idle connections to backends, and for a while keeps only one per client: a client whose requests go to
    /// all backends keeps one open to each, and the limit of clients assumes two descriptors per client.
    fn enter_fd_pressure(&mut self) {
        self.context.fd_pressure_until = Some(self.context.now + FD_PRESSURE_PERIOD);
        for key in self.connections.keys() {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.idle_pool.clear();
            }
        }
    }

    /// Serves the connection here, or hands it to the worker with the fewest. A draining worker keeps what it accepts.
    fn serve_or_hand_off(&mut self, accepted: AcceptedConnection<TcpStream>) {
        if self.context.drain_started_at.is_some() {
            self.handoff.per_worker.increment(self.id);
            return self.start_connection(accepted);
        }
        let chosen = self.handoff.per_worker.assign_worker(self.id);
        if chosen == self.id {
            self.start_connection(accepted);
        } else if let Err(Command::ServeConnection(returned)) =
            self.handoff.queues()[chosen].push(Command::ServeConnection(accepted))
        {
            // The chosen worker has ended.
            self.handoff.per_worker.decrement(chosen);
            self.handoff.per_worker.increment(self.id);
            self.start_connection(returned);
        }
    }

    /// Starts to serve a connection that the limiter and the worker's count already include.
    fn start_connection(&mut self, accepted: AcceptedConnection<TcpStream>) {
        let AcceptedConnection { stream, peer, local } = accepted;
        let Self { context: worker, handoff, shutdown, .. } = self;
        let make = |key| {
            if shutdown.stage() == ShutdownStage::Stopping {
                return None;
            }
            let client =
                Socket::register(stream, &worker.registry, EventSource::Connection(key, CLIENT_SOCKET).token()).ok()?;
            let (forwarding, connection_id) = (worker.balancer.forwarding(), handoff.per_worker.next_connection_id());
            Some(ClientConnection::new(key, client, (peer, local), forwarding, connection_id, worker.now))
        };
        if let Some(key) = self.connections.insert_with(make) {
            self.context.balancer.stats().connection_opened();
            self.drive(key);
        } else {
            self.handoff.connection_closed(self.id);
        }
    }

    /// The process begins to drain: connections in the kernel's queue are still accepted, and every connection closes
    /// after its current request.
    fn start_drain(&mut self) {
        if self.context.drain_started_at.is_some() {
            return;
        }
        self.context.drain_started_at = Some(self.context.now);
        if let Some(acceptor) = &mut self.acceptor {
            acceptor.set_ready();
        }
        for key in self.connections.keys() {
            if let Some(connection) = self.connections.get_mut(key) {
                respond_and_close::on_drain(connection);
            }
            self.drive(key);
        }
    }

    fn drain_deadline(&self) -> Option<Instant> {
        self.context.drain_started_at.map(|started_at| started_at + self.context.balancer.config().timeouts.drain)
    }

    /// Closes the listener once its queue is empty, and stops the process when the drain timeout has passed.
    fn continue_drain(&mut self) {
        let Some(deadline) = self.drain_deadline() else { return };
        if self.acceptor.as_ref().is_some_and(Acceptor::is_queue_empty) {
            self.acceptor = None;
        }
        if self.context.now >= deadline {
            self.shutdown.stop();
        }
    }

    /// The process stops now: closes every connection.
    fn stop(&mut self) {
        self.context.drain_started_at.get_or_insert(self.context.now);
        self.acceptor = None;
        for key in self.connections.keys() {
            if let Some(connection) = self.connections.get_mut(key)
                && let Some(request) = respond_and_close::on_stop(&mut self.context, connection)
            {
                serve::record(&mut self.context, connection, request);
            }
            self.close(key);
        }
    }

    /// Whether no connection is open, and none can arrive any more.
    fn is_finished(&self) -> bool {
        let is_drained =
            self.context.drain_started_at.is_some() && self.acceptor.is_none() && self.connections.is_empty();
        is_drained && self.context.queue.close_if_empty()
    }
}
