//! A loop's listener.
//!
//! Edge-triggered too: the kernel says once that clients wait, so they are accepted until it says that none does. Where
//! that cannot be, because there is no room or no descriptor left, it is remembered that some still wait.

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

/// A listener and what is known of its queue.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: TcpListener,
    address: SocketAddr,
    /// Clients may wait.
    ready: bool,
    /// Not before this time.
    paused_until: Option<Instant>,
}

/// What came of asking for a client.
#[derive(Debug)]
pub(crate) enum AcceptOutcome {
    /// This one.
    Connection(AcceptedConnection<TcpStream>),
    /// None waits.
    QueueEmpty,
    /// Some may wait, but the process can open nothing more now.
    OutOfFds(io::Error),
}

impl Acceptor {
    /// Watches `listener`.
    pub(crate) fn register(listener: std::net::TcpListener, registry: &Registry) -> io::Result<Self> {
        // Accepted sockets inherit it, which saves a system call for each (Linux; elsewhere it is set on each).
        SockRef::from(&listener).set_tcp_nodelay(true)?;
        let address = listener.local_addr()?;
        let mut listener = TcpListener::from_std(listener);
        registry.register(&mut listener, EventSource::Listener.token(), Interest::READABLE)?;
        Ok(Self { listener, address, ready: true, paused_until: None })
    }

    /// The kernel says that clients wait.
    pub(crate) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Whether clients may wait that can be asked for now.
    pub(crate) fn can_accept(&self, now: Instant) -> bool {
        self.ready && self.paused_until.is_none_or(|until| now >= until)
    }

    /// Whether the queue was empty when it was looked at last.
    pub(crate) fn is_queue_empty(&self) -> bool {
        !self.ready
    }

    /// When to ask again if nothing happens meanwhile.
    pub(crate) fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Asks for a client.
    ///
    /// # Errors
    /// No later call would do better.
    pub(crate) fn accept(&mut self, now: Instant) -> io::Result<AcceptOutcome> {
        loop {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    self.paused_until = None;
                    // Who has left already is nobody's client.
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
        // A listener of all addresses does not know which of them it was.
        let local = if self.address.ip().is_unspecified() { stream.local_addr().ok()? } else { self.address };
        Some(AcceptedConnection { stream, peer, local })
    }
}
