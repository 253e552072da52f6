//! UDP clients: each has so many datagrams on their way, and sends the next one when an echo arrives.
//!
//! A datagram may be lost without anybody's fault, so what has no echo for a while is counted as unanswered and sent
//! again. It names its client and its number: an echo that reaches another client, comes twice or too late is no
//! response.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::{Duration, Instant},
};

use common::shutdown::Shutdown;
use mio::{Events, Interest, Poll, Token, net::UdpSocket};

use super::{Load, failure::Failure, tally::Tally};
use crate::clock;

/// How long an echo may take: far longer than any queue on this machine.
const LOST_AFTER: Duration = Duration::from_millis(500);

/// How often that is looked at.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// The bytes of a datagram that say which one it is: client, number, and when it was sent.
const LABEL_BYTES: usize = 16;

/// All clients of a round.
pub(crate) struct Datagrams<'a> {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    window: usize,
    /// The next datagram.
    datagram: Vec<u8>,
    received: Vec<u8>,
    epoch: Instant,
    accepting: bool,
    tally: Tally,
    stop: &'a Shutdown,
}

struct Client {
    socket: UdpSocket,
    /// The numbers of the datagrams whose echoes are awaited, at most a window of them.
    in_flight: Vec<u32>,
    next_number: u32,
    last_progress: Instant,
}

impl<'a> Datagrams<'a> {
    /// Clients of a server at `to`, with `window` datagrams each, of so many bytes.
    pub(crate) fn new(
        to: SocketAddr,
        clients: usize,
        window: usize,
        datagram_bytes: usize,
        stop: &'a Shutdown,
    ) -> io::Result<Self> {
        let (poll, now) = (Poll::new()?, clock::now());
        let client = |at| {
            let mut socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            socket.connect(to)?;
            poll.registry().register(&mut socket, Token(at), Interest::READABLE)?;
            Ok(Client { socket, in_flight: Vec::with_capacity(window), next_number: 0, last_progress: now })
        };
        Ok(Self {
            clients: (0..clients).map(client).collect::<io::Result<_>>()?,
            poll,
            events: Events::with_capacity(1_024),
            window,
            datagram: vec![0; datagram_bytes.max(LABEL_BYTES)],
            received: vec![0; 65_535],
            epoch: now,
            accepting: false,
            tally: Tally::new(),
            stop,
        })
    }

    /// Sends as many as the window of a client has room for.
    fn fill_window(&mut self, at: usize, now: Instant) {
        let client = &mut self.clients[at];
        while self.accepting && client.in_flight.len() < self.window {
            let sent_at = u64::try_from(now.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX);
            let label = Label { client: number(at), number: client.next_number, sent_at };
            label.write(&mut self.datagram);
            // Full, or an ICMP message: the next look for lost ones tries again.
            if client.socket.send(&self.datagram).is_err() {
                return;
            }
            client.in_flight.push(label.number);
            client.next_number = client.next_number.wrapping_add(1);
        }
    }

    fn receive(&mut self, at: usize) {
        loop {
            let client = &mut self.clients[at];
            let length = match client.socket.recv(&mut self.received) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => {
                    self.tally.record_failure(Failure::Closed);
                    continue;
                }
            };
            let now = clock::now();
            match Label::read(&self.received[..length]) {
                Some(label) if length == self.datagram.len() && label.client == number(at) => {
                    // Otherwise it comes twice, or too late.
                    if let Some(place) = client.in_flight.iter().position(|number| *number == label.number) {
                        client.in_flight.swap_remove(place);
                        client.last_progress = now;
                        self.tally.record_response(self.age(&label, now));
                    }
                }
                Some(_) if length != self.datagram.len() => self.tally.record_failure(Failure::Length),
                _ => self.tally.record_failure(Failure::Malformed),
            }
        }
        self.fill_window(at, clock::now());
    }

    fn age(&self, label: &Label, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch + Duration::from_nanos(label.sent_at))
    }

    /// Gives up what was sent too long ago. `after`: how long that is.
    fn give_up_lost(&mut self, now: Instant, after: Duration) {
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            if now.saturating_duration_since(client.last_progress) < after {
                continue;
            }
            client.in_flight.drain(..).for_each(|_| self.tally.record_failure(Failure::Unanswered));
            client.last_progress = now;
            self.fill_window(at, now);
        }
    }

    /// Waits, at most until `end`, and handles what has arrived; returns the time after the wait.
    fn turn(&mut self, end: Instant) -> io::Result<Instant> {
        let wait = end.saturating_duration_since(clock::now()).min(LONGEST_WAIT);
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => result?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            self.receive(event.token().0);
        }
        self.events = events;
        let now = clock::now();
        self.give_up_lost(now, LOST_AFTER);
        Ok(now)
    }
}

impl Load for Datagrams<'_> {
    fn run(&mut self, length: Duration) -> io::Result<Duration> {
        let (start, mut now) = (clock::now(), clock::now());
        self.accepting = true;
        for at in 0..self.clients.len() {
            // No echo was waited for between two phases.
            self.clients[at].last_progress = now;
            self.fill_window(at, now);
        }
        while now < start + length && !self.stop.is_draining() {
            now = self.turn(start + length)?;
        }
        self.accepting = false;
        Ok(now.saturating_duration_since(start))
    }

    fn drain(&mut self, grace: Duration) -> io::Result<()> {
        let end = clock::now() + grace.min(LOST_AFTER);
        while self.clients.iter().any(|client| !client.in_flight.is_empty())
            && clock::now() < end
            && !self.stop.is_draining()
        {
            self.turn(end)?;
        }
        self.give_up_lost(clock::now(), Duration::ZERO);
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }

    fn reset(&mut self) {
        self.tally.reset();
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// What a datagram begins with.
#[derive(Debug, PartialEq, Eq)]
struct Label {
    client: u32,
    number: u32,
    /// In nanoseconds since the epoch of the load.
    sent_at: u64,
}

impl Label {
    fn write(&self, datagram: &mut [u8]) {
        let bytes = [&self.client.to_be_bytes()[..], &self.number.to_be_bytes(), &self.sent_at.to_be_bytes()].concat();
        datagram[..LABEL_BYTES].copy_from_slice(&bytes);
    }

    fn read(datagram: &[u8]) -> Option<Self> {
        let (client, rest) = datagram.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (sent_at, _) = rest.split_first_chunk()?;
        Some(Self {
            client: u32::from_be_bytes(*client),
            number: u32::from_be_bytes(*number),
            sent_at: u64::from_be_bytes(*sent_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering::Relaxed},
        },
        thread,
    };

    use super::*;

    /// An echo that treats each datagram as `reply` says, until a datagram arrives that is empty.
    fn with_echo(reply: impl Fn(u64, &mut Vec<u8>) -> usize + Send + 'static, work: impl FnOnce(SocketAddr)) {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        let echo = thread::spawn(move || {
            let mut buffer = vec![0; 2_048];
            for count in 0.. {
                let (length, from) = socket.recv_from(&mut buffer).unwrap();
                if length == 0 {
                    return;
                }
                let mut datagram = buffer[..length].to_vec();
                for _ in 0..reply(count, &mut datagram) {
                    socket.send_to(&datagram, from).unwrap();
                }
            }
        });
        work(addr);
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&[], addr).unwrap();
        echo.join().unwrap();
    }

    fn tally_of(reply: impl Fn(u64, &mut Vec<u8>) -> usize + Send + 'static, length: Duration) -> (u64, Vec<Failure>) {
        let mut found = (0, Vec::new());
        with_echo(reply, |addr| {
            let stop = Shutdown::new().unwrap();
            let mut load = Datagrams::new(addr, 3, 2, 64, &stop).unwrap();
            load.run(length).unwrap();
            load.drain(Duration::from_secs(1)).unwrap();
            assert!(load.tally().quantile_us(0.5).is_none_or(|latency| latency > 1.0));
            found = (load.tally().answered, load.tally().failures().map(|(failure, _)| failure).collect());
            assert!(load.clients.iter().all(|client| client.in_flight.is_empty()));
        });
        found
    }

    #[test]
    fn echoes_are_counted() {
        let (answered, failures) = tally_of(|_, _| 1, Duration::from_millis(200));
        assert!(answered > 20 && failures.is_empty(), "{answered} {failures:?}");
    }

    #[test]
    fn lost_datagrams_are_unanswered_and_others_are_sent() {
        let (answered, failures) = tally_of(|count, _| usize::from(count >= 6), Duration::from_millis(900));
        assert!(answered > 20, "{answered}");
        assert_eq!(failures, [Failure::Unanswered]);
    }

    #[test]
    fn what_is_no_echo_is_a_failure() {
        let cut = |_: u64, datagram: &mut Vec<u8>| {
            datagram.truncate(20);
            1
        };
        let (answered, failures) = tally_of(cut, Duration::from_millis(50));
        assert_eq!((answered, failures.contains(&Failure::Length)), (0, true), "{failures:?}");
        let of_another = |_: u64, datagram: &mut Vec<u8>| {
            datagram[3] ^= 1;
            1
        };
        let (answered, failures) = tally_of(of_another, Duration::from_millis(50));
        assert_eq!((answered, failures.contains(&Failure::Malformed)), (0, true), "{failures:?}");
    }

    #[test]
    fn a_second_echo_is_no_response() {
        let arrived = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&arrived);
        let twice = move |_: u64, _: &mut Vec<u8>| {
            counted.fetch_add(1, Relaxed);
            2
        };
        let (answered, _) = tally_of(twice, Duration::from_millis(100));
        assert!(answered > 0 && answered <= arrived.load(Relaxed), "{answered} of {arrived:?}");
    }
}
