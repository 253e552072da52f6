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

use crate::worker::token::Source;

/// A listener and what is known of its queue.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: TcpListener,
    address: SocketAddr,
    /// Clients may wait.
    ready: bool,
    /// Not before this time.
    resting_until: Option<Instant>,
}

/// What came of asking for a client.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// This one.
    Client(AcceptedConnection<TcpStream>),
    /// None waits.
    Nobody,
    /// Some may wait, but the process can open nothing more now.
    Exhausted(io::Error),
}

impl Acceptor {
    /// Watches `listener`.
    pub(crate) fn watch(listener: std::net::TcpListener, registry: &Registry) -> io::Result<Self> {
        // Accepted sockets inherit it, which saves a system call for each (Linux; elsewhere it is set on each).
        SockRef::from(&listener).set_tcp_nodelay(true)?;
        let address = listener.local_addr()?;
        let mut listener = TcpListener::from_std(listener);
        registry.register(&mut listener, Source::Listener.token(), Interest::READABLE)?;
        Ok(Self { listener, address, ready: true, resting_until: None })
    }

    /// The kernel says that clients wait.
    pub(crate) fn is_ready_now(&mut self) {
        self.ready = true;
    }

    /// Whether clients may wait that can be asked for now.
    pub(crate) fn is_pending(&self, now: Instant) -> bool {
        self.ready && self.resting_until.is_none_or(|until| now >= until)
    }

    /// Whether the queue was empty when it was looked at last.
    pub(crate) fn is_empty(&self) -> bool {
        !self.ready
    }

    /// When to ask again if nothing happens meanwhile.
    pub(crate) fn rests_until(&self) -> Option<Instant> {
        self.resting_until
    }

    /// Asks for a client.
    ///
    /// # Errors
    /// No later call would do better.
    pub(crate) fn accept(&mut self, now: Instant) -> io::Result<Accepted> {
        loop {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    self.resting_until = None;
                    // Who has left already is nobody's client.
                    if let Some(newcomer) = self.newcomer(stream, peer) {
                        return Ok(Accepted::Client(newcomer));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    (self.ready, self.resting_until) = (false, None);
                    return Ok(Accepted::Nobody);
                }
                Err(error) => match AcceptError::classify(&error) {
                    AcceptError::Transient => {}
                    AcceptError::Fatal => return Err(error),
                    AcceptError::Exhausted => {
                        self.resting_until = Some(now + ACCEPT_PAUSE);
                        return Ok(Accepted::Exhausted(error));
                    }
                },
            }
        }
    }

    fn newcomer(&self, stream: TcpStream, peer: SocketAddr) -> Option<AcceptedConnection<TcpStream>> {
        #[cfg(not(target_os = "linux"))]
        stream.set_nodelay(true).ok()?;
        // A listener of all addresses does not know which of them it was.
        let local = if self.address.ip().is_unspecified() { stream.local_addr().ok()? } else { self.address };
        Some(AcceptedConnection { stream, peer, local })
    }
}
