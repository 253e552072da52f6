//! One event loop: its listener, its pairs and the one buffer through which all their bytes go.

use std::io;
use std::net::{self, SocketAddr};

use common::net::connect_nonblocking;
use integration_tests::edge_triggered::{EdgeTriggeredStream, accept_all};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::pair::{Pair, Progress, Side};

const LISTENER: Token = Token(usize::MAX);

/// Events handled per wait; further ones are returned by the next wait.
const EVENTS: usize = 1024;

/// Large enough that an 8 MB body takes few calls, small enough for the CPU core's private cache.
const SCRATCH_BYTES: usize = 64 * 1024;

pub(crate) struct Worker {
    poll: Poll,
    listener: TcpListener,
    backends: Vec<SocketAddr>,
    next_backend: usize,
    pairs: Slab<Pair>,
    scratch: Vec<u8>,
}

impl Worker {
    /// The `first` backend differs between workers, so that few clients on many workers are still spread.
    pub(crate) fn new(listener: net::TcpListener, backends: Vec<SocketAddr>, first: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let scratch = vec![0; SCRATCH_BYTES];
        Ok(Self { poll, listener, backends, next_backend: first, pairs: Slab::new(), scratch })
    }

    /// Runs until a system call fails.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept()?;
                    continue;
                }
                let (key, side) = of_token(event.token());
                // Missing: closed by an earlier event of the same wait.
                let Some(pair) = self.pairs.get_mut(key) else { continue };
                pair.on_event(side, event);
                if pair.run(&mut self.scratch) == Progress::Ended {
                    self.pairs.remove(key);
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let Self { poll, listener, backends, next_backend, pairs, .. } = self;
        accept_all(listener, |client| {
            let backend = backends[*next_backend % backends.len()];
            *next_backend = next_backend.wrapping_add(1);
            let entry = pairs.vacant_entry();
            // A backend that refuses at once closes its client, as one that refuses later does.
            let Ok(backend) = connect_nonblocking(backend) else { return Ok(()) };
            let register =
                |stream, side| EdgeTriggeredStream::register(stream, poll.registry(), token(entry.key(), side));
            let client = register(client, Side::Client)?;
            let backend = register(TcpStream::from_std(backend), Side::Backend)?;
            entry.insert(Pair::new(client, backend));
            Ok(())
        })
    }
}

fn token(key: usize, side: Side) -> Token {
    Token(key << 1 | usize::from(side == Side::Backend))
}

fn of_token(token: Token) -> (usize, Side) {
    (token.0 >> 1, if token.0 & 1 == 0 { Side::Client } else { Side::Backend })
}
