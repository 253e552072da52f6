//! A throttled client: no byte moves before it may, none is lost, and the exchange says what it waits for.

mod support;

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    rc::Rc,
    time::{Duration, Instant},
};

use common::http::{
    ConnectionThrottle, Direction, Pause, ProxyError, Pumped, Relay, Reservation, Throttle, ThrottledWire, Wire,
    pump_throttled,
};
use support::{
    exchange::{SCRATCH_BYTES, date, relay_with_request},
    memory_stream::{MemoryStream, StreamEnd},
};

/// Reserves ten bytes for each direction, each a second after the last, and remembers what was given back.
#[derive(Debug, Clone)]
struct TenPerSecond(Rc<State>);

#[derive(Debug)]
struct State {
    next: [Cell<Instant>; 2],
    given_back: RefCell<Vec<(Direction, usize)>>,
}

impl TenPerSecond {
    fn new(now: Instant) -> Self {
        Self(Rc::new(State { next: [Cell::new(now), Cell::new(now)], given_back: RefCell::default() }))
    }

    fn given_back(&self) -> Vec<(Direction, usize)> {
        self.0.given_back.take()
    }
}

impl Throttle for TenPerSecond {
    fn reserve(&mut self, direction: Direction, wanted: usize, now: Instant) -> Reservation {
        let next = &self.0.next[usize::from(direction == Direction::Up)];
        let at = next.get().max(now);
        next.set(at + Duration::from_secs(1));
        Reservation { bytes: wanted.min(10), at }
    }

    fn give_back(&mut self, direction: Direction, reserved: usize, moved: usize, _now: Instant) {
        self.0.given_back.borrow_mut().push((direction, reserved - moved));
    }
}

/// A stream that the test keeps.
struct Borrowed<'a>(&'a mut MemoryStream);

impl Wire for Borrowed<'_> {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.recv(into)
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.send(from)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown_write()
    }
}

/// An exchange with a throttled client.
struct Exchange {
    relay: Relay,
    client: MemoryStream,
    backend: MemoryStream,
    throttle: ConnectionThrottle,
    start: Instant,
}

impl Exchange {
    fn new(request: &[u8]) -> (Self, TenPerSecond) {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let start = Instant::now();
        let policy = TenPerSecond::new(start);
        let mut relay = relay_with_request(request, true);
        relay.attempt(false);
        let exchange = Self {
            relay,
            client: MemoryStream::with_input(b""),
            backend: MemoryStream::with_input(b""),
            throttle: ConnectionThrottle::new(Box::new(policy.clone()), start),
            start,
        };
        (exchange, policy)
    }

    fn pump_at(&mut self, seconds: u64) -> Result<Pumped<Pause>, ProxyError> {
        let now = self.start + Duration::from_secs(seconds);
        let mut client = ThrottledWire::new(Borrowed(&mut self.client), &mut self.throttle, now);
        let mut scratch = vec![0; SCRATCH_BYTES];
        pump_throttled(&mut self.relay, &mut client, &mut self.backend, &mut scratch, &mut date)
    }

    /// The pause at `seconds`: until which second, and whether it suspends the timeout.
    fn pause_at(&mut self, seconds: u64) -> (u64, bool) {
        match self.pump_at(seconds).expect("no failure") {
            Pumped::Throttled(pause) => ((pause.until - self.start).as_secs(), pause.suspends_timeout),
            other => panic!("{other:?}"),
        }
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n";
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn a_download_arrives_at_its_rate_and_whole() {
    let (mut exchange, policy) = Exchange::new(GET);
    let response = b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 33\r\n\r\n123456789 123456789 123456789 123";
    exchange.backend.input.extend(response);
    let mut second = 0;
    while exchange.pump_at(second).unwrap() != Pumped::Done {
        assert_eq!(exchange.client.sent.len() as u64, 10 * (second + 1), "in second {second}");
        assert_eq!(exchange.pause_at(second), (second + 1, true), "again in the same second: nothing moves");
        second += 1;
    }
    let sent = String::from_utf8(exchange.client.sent.clone()).unwrap();
    assert!(sent.starts_with("HTTP/1.1 200 OK\r\n") && sent.ends_with("\r\n\r\n123456789 123456789 123456789 123"));
    assert_eq!(second, (sent.len() as u64 - 1) / 10);
    assert_eq!(policy.given_back(), [], "all that was reserved was used");
}

#[test]
fn an_upload_is_read_at_its_rate_and_the_rest_of_a_reservation_is_given_back() {
    let (mut exchange, policy) = Exchange::new(POST);
    exchange.client.input.extend([b'x'; 25]);
    for second in 0..2 {
        assert_eq!(exchange.pause_at(second), (second + 1, true));
        assert_eq!(exchange.client.bytes_read as u64, 10 * (second + 1));
    }
    // Five bytes, and a third of a pause that is not the client's.
    assert!(matches!(exchange.pump_at(2).unwrap(), Pumped::Throttled(_)));
    assert_eq!(exchange.client.bytes_read, 25);
    assert_eq!(policy.given_back(), [(Direction::Up, 5)]);
    // Now there is bandwidth, but nothing to read: that is the client's.
    assert!(matches!(exchange.pump_at(3).unwrap(), Pumped::Wait(wants) if wants.client.read));
    assert_eq!(policy.given_back(), [(Direction::Up, 10)]);
    assert!(exchange.backend.sent.ends_with(&[b'x'; 25]));
}

#[test]
fn a_reader_that_stalls_keeps_its_deadline() {
    let (mut exchange, policy) = Exchange::new(POST);
    exchange.client.write_capacity = 15;
    exchange.client.input.extend([b'x'; 100]);
    exchange.backend.input.extend(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    // Waits for bandwidth in both directions.
    assert_eq!(exchange.pause_at(0), (1, true));
    // Five more bytes, then the socket is full. Its upload is throttled, but it is the one to read.
    assert_eq!(exchange.pause_at(1), (2, false));
    assert_eq!(exchange.client.sent.len(), 15);
    assert_eq!(policy.given_back(), [(Direction::Down, 5)]);
    for second in 2..10 {
        assert!(!exchange.pause_at(second).1, "in second {second}");
    }
    assert_eq!(exchange.client.sent.len(), 15);
    // It reads again, and waits for nothing but bandwidth.
    exchange.client.write_capacity = usize::MAX;
    assert_eq!(exchange.pause_at(10), (11, true));
    assert_eq!(exchange.client.sent.len(), 25);
}

#[test]
fn a_tunnel_is_throttled_in_both_directions() {
    let (mut exchange, _) = Exchange::new(UPGRADE);
    exchange
        .backend
        .input
        .extend(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello");
    exchange.backend.input_end = Some(StreamEnd::Fin);
    exchange.client.input.extend(b"from the client");
    exchange.client.input_end = Some(StreamEnd::Fin);
    let mut second = 0;
    while exchange.pump_at(second).unwrap() != Pumped::Done {
        assert!(exchange.pause_at(second).1, "in second {second}");
        assert!(exchange.client.sent.len() as u64 <= 10 * (second + 1));
        assert!(exchange.client.bytes_read as u64 <= 10 * (second + 1));
        second += 1;
    }
    assert!(exchange.client.sent.ends_with(b"\r\n\r\nhello") && exchange.client.write_shut_down);
    assert!(exchange.backend.sent.ends_with(b"\r\n\r\nfrom the client") && exchange.backend.write_shut_down);
    assert!(second >= 8, "{second}");
}

#[test]
fn what_is_not_wanted_any_more_and_what_is_dropped_is_given_back() {
    let (mut exchange, policy) = Exchange::new(POST);
    exchange.client.input.extend([b'x'; 100]);
    assert_eq!(exchange.pause_at(0), (1, true));
    // An early response: the rest of the body is not read. It is flushed a piece per second.
    exchange.backend.input.extend(b"HTTP/1.1 403 Forbidden\r\nDate: x\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(exchange.pause_at(0), (1, true));
    assert_eq!(policy.given_back(), [(Direction::Up, 10)]);
    drop(exchange);
    assert_eq!(policy.given_back(), [(Direction::Down, 10)]);
}

#[test]
fn a_read_says_for_how_long_it_had_waited() {
    let (mut exchange, _) = Exchange::new(POST);
    exchange.client.input.extend([b'x'; 30]);
    let mut recv_at = |seconds| {
        let now = exchange.start + Duration::from_secs(seconds);
        let mut wire = ThrottledWire::new(Borrowed(&mut exchange.client), &mut exchange.throttle, now);
        let received = wire.recv(&mut [0; 100]).ok();
        (received, exchange.throttle.last_read_pause().as_secs(), exchange.throttle.paused_until(Direction::Up, now))
    };
    let start = recv_at(0);
    assert_eq!(start, (Some(10), 0, None));
    let (received, waited, until) = recv_at(0);
    assert!(received.is_none() && waited == 0 && until.is_some());
    assert_eq!(recv_at(4), (Some(10), 4, None), "woken late");
    assert_eq!(recv_at(9), (Some(10), 0, None));
}

#[test]
fn the_slower_of_two_throttles_decides() {
    let (exchange, slow) = Exchange::new(GET);
    let now = exchange.start;
    let mut both: (Box<dyn Throttle>, Box<dyn Throttle>) = (Box::new(Unlimited), Box::new(slow.clone()));
    assert_eq!(both.reserve(Direction::Down, 50, now), Reservation { bytes: 10, at: now });
    assert_eq!(both.reserve(Direction::Down, 5, now), Reservation { bytes: 5, at: now + Duration::from_secs(1) });
    both.give_back(Direction::Down, 5, 2, now);
    assert_eq!(slow.given_back(), [(Direction::Down, 3)]);
    // The first has reserved more than the second grants.
    let wide = TenPerSecond::new(now);
    let mut both: (Box<dyn Throttle>, Box<dyn Throttle>) = (Box::new(wide.clone()), Box::new(OneByte));
    assert_eq!(both.reserve(Direction::Up, 8, now).bytes, 1);
    assert_eq!(wide.given_back(), [(Direction::Up, 7)]);
}

#[derive(Debug)]
struct Unlimited;

impl Throttle for Unlimited {
    fn reserve(&mut self, _direction: Direction, wanted: usize, now: Instant) -> Reservation {
        Reservation { bytes: wanted, at: now }
    }

    fn give_back(&mut self, _direction: Direction, _reserved: usize, _moved: usize, _now: Instant) {}
}

#[derive(Debug)]
struct OneByte;

impl Throttle for OneByte {
    fn reserve(&mut self, _direction: Direction, _wanted: usize, now: Instant) -> Reservation {
        Reservation { bytes: 1, at: now }
    }

    fn give_back(&mut self, _direction: Direction, _reserved: usize, _moved: usize, _now: Instant) {}
}
