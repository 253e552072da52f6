//! The event loop: a listener, its connections, and the responses that are delayed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};
use std::{io, net};

use integration_tests::edge_triggered::{EdgeTriggeredStream, accept_all};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::connection::{Connection, Progress, Shared};
use crate::response::{Counts, PrebuiltResponses};

const LISTENER: Token = Token(usize::MAX);

/// Events handled per wait; further ones are returned by the next wait.
const EVENTS: usize = 1024;

/// The most bytes of one `recv`: a POST of 64 KiB arrives in one or two.
const SCRATCH_BYTES: usize = 64 * 1024;

pub(crate) struct Server {
    poll: Poll,
    listener: TcpListener,
    connections: Slab<Connection>,
    /// Connections so far: the serial number of the last one.
    accepted: u64,
    shared: Shared,
    delay: Option<Duration>,
    /// When which connection resumes: its slot, and its serial number, since another connection may have the slot by
    /// then.
    due: BinaryHeap<Reverse<(Instant, usize, u64)>>,
}

impl Server {
    pub(crate) fn new(listener: net::TcpListener, delay: Option<Duration>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let scratch = vec![0; SCRATCH_BYTES];
        let shared =
            Shared { responses: PrebuiltResponses::new(), counts: Counts::default(), delays: delay.is_some(), scratch };
        Ok(Self { poll, listener, connections: Slab::new(), accepted: 0, shared, delay, due: BinaryHeap::new() })
    }

    /// Runs until a system call fails.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let wait = self.due.peek().map(|Reverse((at, ..))| at.saturating_duration_since(now()));
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                let Token(key) = event.token();
                if event.token() == LISTENER {
                    self.accept()?;
                } else if let Some(connection) = self.connections.get_mut(key) {
                    connection.on_event(event);
                    let progress = connection.run(&mut self.shared);
                    self.after(key, progress);
                }
            }
            self.resume_due();
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let Self { poll, listener, connections, accepted, .. } = self;
        accept_all(listener, |stream| {
            let entry = connections.vacant_entry();
            let stream = EdgeTriggeredStream::register(stream, poll.registry(), Token(entry.key()))?;
            *accepted += 1;
            entry.insert(Connection::new(stream, *accepted));
            Ok(())
        })
    }

    fn after(&mut self, key: usize, progress: Progress) {
        match (progress, self.delay) {
            (Progress::Ended, _) => {
                self.connections.remove(key);
            }
            (Progress::Delayed, Some(delay)) => {
                let serial = self.connections[key].serial;
                self.due.push(Reverse((now() + delay, key, serial)));
            }
            _ => {}
        }
    }

    fn resume_due(&mut self) {
        while let Some(&Reverse((at, key, serial))) = self.due.peek()
            && at <= now()
        {
            self.due.pop();
            if let Some(connection) = self.connections.get_mut(key)
                && connection.serial == serial
            {
                let progress = connection.resume(&mut self.shared);
                self.after(key, progress);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the event loop reads the clock for its delayed responses")]
fn now() -> Instant {
    Instant::now()
}
