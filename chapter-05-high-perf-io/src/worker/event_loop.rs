//! The loop: sleep once for all connections, then take each that something has happened to as far as it goes.

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
    shutdown::{Shutdown, Stage},
};
use mio::{Events, Interest, Poll, event::Event, net::TcpStream, unix::SourceFd};

use super::{
    context::Core,
    queue::Letter,
    slab::{Key, Table},
    token::{CLIENT, Source},
};
use crate::{
    downstream::{
        acceptor::{Accepted, Acceptor},
        client_connection::Connection,
        handoff::Clients,
        respond_and_close,
    },
    request::step::Progress,
    serve,
    socket::Socket,
    wheel::Wheel,
};

/// Events taken from the kernel at once.
const EVENTS: usize = 1024;
/// Clients accepted before those that are here have their turn.
const ACCEPTS: usize = 64;
/// For how long a loop is thrifty with descriptors after they have run out.
const THRIFT: Duration = Duration::from_secs(10);

/// A loop and all that is in its hands.
#[derive(Debug)]
pub(crate) struct Worker {
    core: Core,
    /// Which loop it is.
    place: usize,
    poll: Poll,
    acceptor: Option<Acceptor>,
    connections: Table<Connection>,
    wheel: Wheel,
    /// Those that had to let others have their turn.
    again: Vec<Key>,
    clients: Arc<Clients>,
    shutdown: Shutdown,
}

impl Worker {
    /// The loop `place` of all those of `clients`, over the events of `poll`, for clients of `listener` and those that
    /// others send.
    pub(crate) fn new(
        balancer: Arc<Balancer>,
        clients: Arc<Clients>,
        place: usize,
        poll: Poll,
        listener: TcpListener,
        shutdown: &Shutdown,
    ) -> io::Result<Self> {
        let (now, registry) = (clock::now(), poll.registry().try_clone()?);
        let acceptor = Some(Acceptor::watch(listener, &registry)?);
        for (stage, source) in [(Stage::Draining, Source::Drain), (Stage::Now, Source::Stop)] {
            let fd = shutdown.fd(stage).as_raw_fd();
            registry.register(&mut SourceFd(&fd), source.token(), Interest::READABLE)?;
        }
        Ok(Self {
            core: Core::new(balancer, registry, Arc::clone(&clients.loops()[place]), now),
            place,
            poll,
            acceptor,
            connections: Table::default(),
            wheel: Wheel::new(now),
            again: Vec::new(),
            clients,
            shutdown: shutdown.clone(),
        })
    }

    // ANCHOR: run
    /// Turns until the shutdown, and until the last client has left.
    ///
    /// # Errors
    /// The kernel gives no events, or the listener is broken.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while !self.is_over() {
            match self.poll.poll(&mut events, self.patience()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.core.now = clock::now();
            for event in &events {
                self.heed(event);
            }
            for key in mem::take(&mut self.again) {
                self.drive(key);
            }
            while let Some(place) = self.wheel.expire(self.core.now) {
                if let Some(key) = self.connections.key_at(place) {
                    self.drive(key);
                }
            }
            self.accept()?;
            if mem::take(&mut self.core.is_short) {
                self.heed_shortage();
            }
            self.go_on_draining();
        }
        Ok(())
    }
    // ANCHOR_END: run

    /// How long it may sleep: until the first deadline, and not at all if there is something left to do.
    fn patience(&self) -> Option<Duration> {
        let pending = self.acceptor.as_ref().is_some_and(|acceptor| acceptor.is_pending(self.core.now));
        if !self.again.is_empty() || pending && self.clients.limiter.has_capacity() {
            return Some(Duration::ZERO);
        }
        // Once its time has come, it is for room that the acceptor waits.
        let rest = self.acceptor.as_ref().and_then(Acceptor::rests_until).filter(|until| *until > self.core.now);
        let next = [self.wheel.next(), rest, self.drains_until()].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(self.core.now))
    }

    fn heed(&mut self, event: &Event) {
        match Source::of(event.token()) {
            Source::Connection(key, number) => {
                if self.connections.get_mut(key).is_some_and(|connection| connection.learn(number, event)) {
                    self.drive(key);
                }
            }
            Source::Listener => {
                if let Some(acceptor) = &mut self.acceptor {
                    acceptor.is_ready_now();
                }
            }
            Source::Mail => self.read_letters(),
            Source::Drain => self.drain(),
            Source::Stop => self.stop(),
        }
    }

    // ANCHOR: drive
    /// Takes a connection as far as it goes, and arms its timer for what it waits for then.
    fn drive(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match serve::serve(&mut self.core, connection) {
            // Most deadlines are moved before they pass. So the timer stays where it is as long as it is not late, and
            // when it fires for nothing it is armed for what is then to be waited for.
            Progress::Wait(by) if self.wheel.due(key.place).is_some_and(|due| due <= by) => {}
            Progress::Wait(by) => self.wheel.arm(key.place, by),
            Progress::Yield => self.again.push(key),
            Progress::Gone => self.close(key),
        }
    }
    // ANCHOR_END: drive

    fn close(&mut self, key: Key) {
        self.wheel.disarm(key.place);
        if self.connections.remove(key).is_some() {
            self.core.balancer.totals().client_left();
            self.clients.lose(self.place);
        }
    }

    fn read_letters(&mut self) {
        for letter in self.core.mailbox.take() {
            match letter {
                Letter::Awake(key) => self.drive(key),
                Letter::Client(newcomer) => self.take_in(newcomer),
                Letter::Room => {}
                Letter::Shortage => self.save_descriptors(),
            }
        }
    }

    /// Accepts while clients wait and there is room.
    fn accept(&mut self) -> io::Result<()> {
        let Some(acceptor) = &mut self.acceptor else { return Ok(()) };
        let mut accepted = Vec::new();
        while acceptor.is_pending(self.core.now) && accepted.len() < ACCEPTS {
            if !self.clients.limiter.try_acquire() {
                self.core.mailbox.want_room();
                break;
            }
            match acceptor.accept(self.core.now)? {
                Accepted::Client(newcomer) => accepted.push(newcomer),
                Accepted::Nobody => self.clients.leave(),
                Accepted::Exhausted(error) => {
                    self.clients.leave();
                    self.core.is_short = true;
                    if self.clients.fd_pressure.is_new(self.core.now) {
                        tracing::warn!("cannot accept: {error}; raise `ulimit -n` or lower --max-clients");
                    }
                }
            }
        }
        for newcomer in accepted {
            self.place(newcomer);
        }
        Ok(())
    }

    /// Descriptors have run out, here and so in all loops.
    fn heed_shortage(&mut self) {
        if self.core.is_thrifty() {
            return;
        }
        self.save_descriptors();
        for mailbox in self.clients.loops().iter().filter(|mailbox| !Arc::ptr_eq(mailbox, &self.core.mailbox)) {
            let _ = mailbox.post(Letter::Shortage);
        }
    }

    /// Closes the connections to backends that rest, and is thrifty with new ones for a while: a client that goes round
    /// all backends keeps one open to each, and there were to be two descriptors for each client.
    fn save_descriptors(&mut self) {
        self.core.thrifty_until = Some(self.core.now + THRIFT);
        for key in self.connections.keys() {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.upstreams.clear();
            }
        }
    }

    /// Serves the client here, or hands it to the loop with the fewest. Who drains keeps what it has accepted.
    fn place(&mut self, newcomer: AcceptedConnection<TcpStream>) {
        if self.core.drains_since.is_some() {
            self.clients.per_worker.increment(self.place);
            return self.take_in(newcomer);
        }
        let chosen = self.clients.per_worker.assign_worker(self.place);
        if chosen == self.place {
            self.take_in(newcomer);
        } else if let Err(Letter::Client(newcomer)) = self.clients.loops()[chosen].post(Letter::Client(newcomer)) {
            // That one takes nobody any more.
            self.clients.per_worker.decrement(chosen);
            self.clients.per_worker.increment(self.place);
            self.take_in(newcomer);
        }
    }

    /// Begins to serve a client that has its place and is counted.
    fn take_in(&mut self, newcomer: AcceptedConnection<TcpStream>) {
        let AcceptedConnection { stream, peer, local } = newcomer;
        let Self { core, clients, shutdown, .. } = self;
        let make = |key| {
            if shutdown.stage() == Stage::Now {
                return None;
            }
            let client = Socket::watch(stream, &core.registry, Source::Connection(key, CLIENT).token()).ok()?;
            let (forwarding, serial) = (core.balancer.forwarding(), clients.per_worker.next_connection_id());
            Some(Connection::new(key, client, (peer, local), forwarding, serial, core.now))
        };
        if let Some(key) = self.connections.insert_with(make) {
            self.core.balancer.totals().client_came();
            self.drive(key);
        } else {
            self.clients.lose(self.place);
        }
    }

    /// The process drains: who waits in the kernel's queue was let in, everybody else is told to leave.
    fn drain(&mut self) {
        if self.core.drains_since.is_some() {
            return;
        }
        self.core.drains_since = Some(self.core.now);
        if let Some(acceptor) = &mut self.acceptor {
            acceptor.is_ready_now();
        }
        for key in self.connections.keys() {
            if let Some(connection) = self.connections.get_mut(key) {
                respond_and_close::heed_drain(connection);
            }
            self.drive(key);
        }
    }

    fn drains_until(&self) -> Option<Instant> {
        self.core.drains_since.map(|since| since + self.core.balancer.config().timeouts.drain)
    }

    /// Closes the listener once its queue is empty, and ends all patience when its time is over.
    fn go_on_draining(&mut self) {
        let Some(until) = self.drains_until() else { return };
        if self.acceptor.as_ref().is_some_and(Acceptor::is_empty) {
            self.acceptor = None;
        }
        if self.core.now >= until {
            self.shutdown.now();
        }
    }

    /// The process stops now.
    fn stop(&mut self) {
        self.core.drains_since.get_or_insert(self.core.now);
        self.acceptor = None;
        for key in self.connections.keys() {
            if let Some(connection) = self.connections.get_mut(key) {
                if let Some(request) = respond_and_close::stop(&mut self.core, connection) {
                    serve::record(&mut self.core, connection, request);
                }
            }
            self.close(key);
        }
    }

    /// Whether nobody is left, and nobody can come any more.
    fn is_over(&self) -> bool {
        let is_last = self.core.drains_since.is_some() && self.acceptor.is_none() && self.connections.is_empty();
        is_last && self.core.mailbox.close()
    }
}
