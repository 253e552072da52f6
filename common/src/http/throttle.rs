//! Throttling: a client's connection that moves only so many bytes per second.
//!
//! WHEN TO USE IT: to keep one client from taking all the bandwidth. The limit lies on the client's socket, on what is
//! written to it and read from it, so heads, local replies, bodies and tunnels all count. Nothing is buffered for it:
//! while a write has to wait, the backend is not read, and while a read has to wait, TCP slows the client down.
//!
//! A [`Throttle`] only reserves bytes; it is a policy without a socket. [`ThrottledWire`] moves no more than was
//! reserved, and [`pump_throttled`] returns [`Pumped::Throttled`] when the exchange waits for bandwidth, which is no
//! peer's fault. An engine that never throttles calls [`pump`](super::pump()), whose result has no such case.

use std::{
    fmt::Debug,
    io::{self, ErrorKind, IoSlice},
    net::IpAddr,
    time::{Duration, Instant},
};

use super::{
    error::ProxyError,
    pump::{Pumped, Wire, pump_with_hook},
    relay::Relay,
    response_hook::ResponseHook,
    wants::{TimeoutKind, Wants},
};

/// A direction, as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the client.
    Down,
    /// From the client.
    Up,
}

/// Bytes that may be moved from an instant on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// How many, at least one.
    pub bytes: usize,
    /// From when on; not after `now` if it is now.
    pub at: Instant,
}

/// What limits the bandwidth of one client's connection.
///
/// It reserves ahead instead of saying only whether there is bandwidth now. So connections that share a limit are served
/// in the order in which they asked, each is woken once for each turn, and none is starved. Called on the connection's
/// worker for each read and write of the client's socket, so nothing may block.
pub trait Throttle: Debug {
    /// Reserves up to `wanted` bytes, at least one. The next call for this direction follows once these were moved or
    /// given back.
    fn reserve(&mut self, direction: Direction, wanted: usize, now: Instant) -> Reservation;

    /// Only `moved` of the `reserved` bytes were moved: the socket took or had no more.
    fn give_back(&mut self, direction: Direction, reserved: usize, moved: usize, now: Instant);

    /// What follows belongs to a request of `client`, which is the peer or what a trusted proxy reports.
    #[expect(unused_variables, reason = "a limit that is not by client")]
    fn set_client(&mut self, client: IpAddr) {}
}

/// Two throttles: the slower one decides.
impl Throttle for (Box<dyn Throttle>, Box<dyn Throttle>) {
    fn reserve(&mut self, direction: Direction, wanted: usize, now: Instant) -> Reservation {
        let first = self.0.reserve(direction, wanted, now);
        let second = self.1.reserve(direction, first.bytes, now);
        if second.bytes < first.bytes {
            self.0.give_back(direction, first.bytes, second.bytes, now);
        }
        Reservation { bytes: second.bytes, at: first.at.max(second.at) }
    }

    fn give_back(&mut self, direction: Direction, reserved: usize, moved: usize, now: Instant) {
        self.0.give_back(direction, reserved, moved, now);
        self.1.give_back(direction, reserved, moved, now);
    }

    fn set_client(&mut self, client: IpAddr) {
        self.0.set_client(client);
        self.1.set_client(client);
    }
}

/// A reservation that has not been used yet, and when it was made.
#[derive(Debug, Clone, Copy)]
struct Reserved {
    reservation: Reservation,
    made_at: Instant,
}

/// The throttle of a connection, and what it has reserved. What is still reserved when it is dropped is given back.
#[derive(Debug)]
pub struct ConnectionThrottle {
    throttle: Box<dyn Throttle>,
    down: Option<Reserved>,
    up: Option<Reserved>,
    /// The socket did not take all of the last write.
    reader_is_slow: bool,
    last_read_pause: Duration,
    last_used: Instant,
}

impl ConnectionThrottle {
    /// A connection with this throttle.
    pub fn new(throttle: Box<dyn Throttle>, now: Instant) -> Self {
        let (down, up) = (None, None);
        Self { throttle, down, up, reader_is_slow: false, last_read_pause: Duration::ZERO, last_used: now }
    }

    /// What follows belongs to a request of `client`.
    pub fn set_client(&mut self, client: IpAddr) {
        // Of the client before.
        self.release(Direction::Down);
        self.release(Direction::Up);
        self.throttle.set_client(client);
    }

    /// Until when a read or write that was tried at `now` has to wait for bandwidth; `None` if it does not.
    pub fn paused_until(&self, direction: Direction, now: Instant) -> Option<Instant> {
        let reserved = if direction == Direction::Down { self.down } else { self.up };
        reserved.map(|reserved| reserved.reservation.at).filter(|at| *at > now)
    }

    /// For how long the last read had waited for bandwidth before it was made: time that is not the client's.
    pub fn last_read_pause(&self) -> Duration {
        self.last_read_pause
    }

    fn slot(&mut self, direction: Direction) -> &mut Option<Reserved> {
        if direction == Direction::Down { &mut self.down } else { &mut self.up }
    }

    /// How many of `wanted` bytes may be moved now: at least one, or `None`.
    fn grant(&mut self, direction: Direction, wanted: usize, now: Instant) -> Option<usize> {
        self.last_used = now;
        let reserved = *self.slot(direction);
        let reserved = reserved
            .unwrap_or_else(|| Reserved { reservation: self.throttle.reserve(direction, wanted, now), made_at: now });
        *self.slot(direction) = Some(reserved);
        let is_due = reserved.reservation.at <= now;
        if direction == Direction::Up {
            self.last_read_pause =
                if is_due { now.saturating_duration_since(reserved.made_at) } else { Duration::ZERO };
        }
        is_due.then(|| reserved.reservation.bytes.max(1).min(wanted))
    }

    /// Ends a reservation of which `moved` bytes were moved. What a socket did not take at once is not kept for it:
    /// otherwise many stalled connections would add up to a burst.
    fn settle(&mut self, direction: Direction, moved: usize) {
        if let Some(Reserved { reservation: Reservation { bytes, .. }, .. }) = self.slot(direction).take()
            && moved < bytes
        {
            self.throttle.give_back(direction, bytes, moved, self.last_used);
        }
    }

    fn release(&mut self, direction: Direction) {
        self.settle(direction, 0);
    }
}

impl Drop for ConnectionThrottle {
    fn drop(&mut self) {
        self.release(Direction::Down);
        self.release(Direction::Up);
    }
}

/// A client's socket that reads and writes only what its throttle has reserved, for the duration of one poll.
///
/// While a direction has to wait, it returns `WouldBlock` without asking the kernel, and no readiness event will follow:
/// the engine has to wait for [`Pause::until`], and to watch the socket for a reset by itself.
#[derive(Debug)]
pub struct ThrottledWire<'a, W> {
    wire: W,
    throttle: &'a mut ConnectionThrottle,
    now: Instant,
}

impl<'a, W: Wire> ThrottledWire<'a, W> {
    /// `wire`, limited by `throttle`.
    pub fn new(wire: W, throttle: &'a mut ConnectionThrottle, now: Instant) -> Self {
        Self { wire, throttle, now }
    }

    /// What an exchange that `wants` this has to wait for, if its throttle is the reason.
    fn pause(&mut self, wants: Wants) -> Option<Pause> {
        let (throttle, now) = (&mut *self.throttle, self.now);
        let mut paused_until = |direction, is_wanted: bool| {
            if !is_wanted {
                // Bytes that will not be moved: a request that was answered early, for example.
                throttle.release(direction);
            }
            throttle.paused_until(direction, now)
        };
        let down = paused_until(Direction::Down, wants.client.write);
        let up = paused_until(Direction::Up, wants.client.read);
        let until = [down, up].into_iter().flatten().min()?;
        // With bytes pending for it, the client is to read them, and neither what it sends nor a limit is an excuse if
        // it has not read what came before. In all other cases a read is paused: it is the client's turn to send its
        // body, or the backend may be waiting for the rest of it.
        let waits_for_reader = wants.client.write && wants.timeout != TimeoutKind::Tunnel;
        let suspends_timeout = if waits_for_reader { down.is_some() && !throttle.reader_is_slow } else { true };
        Some(Pause { until, suspends_timeout })
    }
}

impl<W: Wire> Wire for ThrottledWire<'_, W> {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let throttle = &mut *self.throttle;
        let granted = throttle.grant(Direction::Up, into.len(), self.now).ok_or(ErrorKind::WouldBlock)?;
        let received = self.wire.recv(&mut into[..granted]);
        throttle.settle(Direction::Up, *received.as_ref().unwrap_or(&0));
        received
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let throttle = &mut *self.throttle;
        // One part at a time: a partial write, which each caller of `send` expects.
        let Some(part) = from.iter().find(|part| !part.is_empty()) else { return self.wire.send(from) };
        let granted = throttle.grant(Direction::Down, part.len(), self.now).ok_or(ErrorKind::WouldBlock)?;
        let sent = self.wire.send(&[IoSlice::new(&part[..granted])]);
        let moved = *sent.as_ref().unwrap_or(&0);
        throttle.settle(Direction::Down, moved);
        throttle.reader_is_slow = moved < granted;
        sent
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.wire.shutdown_write()
    }
}

/// An exchange waits for bandwidth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Until when, unless a socket is ready earlier.
    pub until: Instant,
    /// The timeout that runs must not: it waits for this, and not for a peer
    /// ([`ExchangeTimeouts::suspend`](super::ExchangeTimeouts::suspend)). Otherwise both run: a client that does not
    /// read is cut all the same.
    pub suspends_timeout: bool,
}

/// As [`pump_with_hook`], for a client whose bandwidth is limited. The others are pumped without: this way a limit costs
/// those who have none a branch per pump, and not one per read and write.
///
/// # Errors
/// As [`pump_with_hook`].
pub fn pump_throttled<C: Wire, B: Wire>(
    relay: &mut Relay,
    client: &mut ThrottledWire<'_, C>,
    backend: &mut B,
    scratch: &mut [u8],
    hook: &mut impl ResponseHook,
) -> Result<Pumped<Pause>, ProxyError> {
    Ok(match pump_with_hook(relay, client, backend, scratch, hook)? {
        Pumped::Wait(wants) => client.pause(wants).map_or(Pumped::Wait(wants), Pumped::Throttled),
        other => other,
    })
}
