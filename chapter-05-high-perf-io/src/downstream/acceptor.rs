//! A worker's listener.
//!
//! Edge-triggered, as all sockets here: the kernel reports once that connections wait, so the worker accepts until
//! `accept` would block. When it has to stop before that, at the limit or without a descriptor, the listener stays
//! ready.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Instant,
};

use common::net::{ACCEPT_PAUSE, AcceptError, AcceptedConnection};
use mio::{
    Interest, Registry,
    net::{TcpListener, TcpStream},
};
use socket2::SockRef;

use crate::worker::token::EventSource;

/// A listener, and whether its queue may hold connections.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: TcpListener,
    address: SocketAddr,
    /// Connections may wait in the queue.
    ready: bool,
    /// Accepting is paused until then.
    paused_until: Option<Instant>,
}

/// The outcome of an accept.
#[derive(Debug)]
pub(crate) enum AcceptOutcome {
    /// An accepted connection.
    Connection(AcceptedConnection<TcpStream>),
    /// No connection waits.
    QueueEmpty,
    /// Connections may wait, but the process is out of descriptors.
    OutOfFds(io::Error),
}

impl Acceptor {
    /// Registers `listener` with the poller.
    pub(crate) fn register(listener: std::net::TcpListener, registry: &Registry) -> io::Result<Self> {
        // Accepted sockets inherit it, which saves a system call per connection (Linux; elsewhere it is set on each).
        SockRef::from(&listener).set_tcp_nodelay(true)?;
        let address = listener.local_addr()?;
        let mut listener = TcpListener::from_std(listener);
        registry.register(&mut listener, EventSource::Listener.token(), Interest::READABLE)?;
        Ok(Self { listener, address, ready: true, paused_until: None })
    }

    /// The kernel reports that connections wait.
    pub(crate) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Whether connections may wait and accepting is not paused.
    pub(crate) fn can_accept(&self, now: Instant) -> bool {
        self.ready && self.paused_until.is_none_or(|until| now >= until)
    }

    /// Whether the queue was empty at the last accept.
    pub(crate) fn is_queue_empty(&self) -> bool {
        !self.ready
    }

    /// When to accept again if no event comes before.
    pub(crate) fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Accepts a connection.
    ///
    /// # Errors
    /// The listener is broken: no later call would succeed.
    pub(crate) fn accept(&mut self, now: Instant) -> io::Result<AcceptOutcome> {
        loop {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    self.paused_until = None;
                    // A connection that is closed already is dropped.
                    if let Some(accepted) = self.accepted_connection(stream, peer) {
                        return Ok(AcceptOutcome::Connection(accepted));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    (self.ready, self.paused_until) = (false, None);
                    return Ok(AcceptOutcome::QueueEmpty);
                }
                Err(error) => match AcceptError::classify(&error) {
                    AcceptError::Transient => {}
                    AcceptError::Fatal => return Err(error),
                    AcceptError::Exhausted => {
                        self.paused_until = Some(now + ACCEPT_PAUSE);
                        return Ok(AcceptOutcome::OutOfFds(error));
                    }
                },
            }
        }
    }

    fn accepted_connection(&self, stream: TcpStream, peer: SocketAddr) -> Option<AcceptedConnection<TcpStream>> {
        #[cfg(not(target_os = "linux"))]
        stream.set_nodelay(true).ok()?;
        // A wildcard listener does not know which local address the client connected to.
        let local = if self.address.ip().is_unspecified() { stream.local_addr().ok()? } else { self.address };
        Some(AcceptedConnection { stream, peer, local })
    }
}
