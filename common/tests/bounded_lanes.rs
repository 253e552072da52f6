//! However much one side sends, what is held for the other that takes nothing stays within two buffers.

mod support;

use std::io::{self, ErrorKind, IoSlice};

use common::http::{Relay, Wire};
use support::{
    drive::{SCRATCH, begun, turn},
    wire::Memory,
};

/// What may be held: a read buffer, and as much again for heads and framing.
const MOST: usize = SCRATCH + 64 * 1024;

/// A peer that never stops sending: a beginning, then the same again and again.
struct Endless {
    start: &'static [u8],
    again: &'static [u8],
    given: usize,
    taken: usize,
    takes: bool,
}

impl Endless {
    fn new(start: &'static [u8], again: &'static [u8]) -> Self {
        Self { start, again, given: 0, taken: 0, takes: false }
    }
}

impl Wire for Endless {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        assert!(self.given < 10 * MOST, "reads on and on");
        let rest = self.start.iter().skip(self.given);
        let again = self.again.iter().cycle().skip(self.given.saturating_sub(self.start.len()) % self.again.len());
        for (to, from) in into.iter_mut().zip(rest.chain(again)) {
            *to = *from;
        }
        self.given += into.len();
        Ok(into.len())
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let n = from.iter().map(|part| part.len()).sum();
        self.taken += n;
        if self.takes { Ok(n) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stalls(relay: &mut Relay, given: usize) {
    let wants = relay.wants();
    assert!(given <= MOST, "{given} bytes are held");
    assert!(wants.client.write && !wants.backend.read, "{wants:?}");
}

#[test]
fn response_waits_for_a_client_that_takes_nothing() {
    for (start, again) in [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n".as_slice(), b"x".as_slice()),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ] {
        let mut relay = begun(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false);
        relay.attempt(false);
        let (mut client, mut backend) = (Memory::default(), Endless::new(start, again));
        backend.takes = true;
        for _ in 0..3 {
            assert!(turn(&mut relay, &mut client, &mut backend).unwrap().is_some());
        }
        stalls(&mut relay, backend.given);
    }
}

#[test]
fn tunnel_waits_for_an_end_that_takes_nothing() {
    let mut relay = begun(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", false);
    relay.attempt(false);
    let switch = b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut backend = Memory::willing(switch);
    let mut client = Endless::new(b"", b"x");
    client.takes = true;
    backend.room = 10_000; // the head, and a little of the tunnel
    assert!(turn(&mut relay, &mut client, &mut backend).unwrap().is_some());
    assert!(client.given <= MOST + 10_000, "{} bytes are held", client.given);
}

#[test]
fn upload_waits_for_a_backend_that_takes_nothing() {
    for (head, again) in [
        (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n".as_slice(), b"x".as_slice()),
        (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ] {
        let mut relay = begun(head, false);
        relay.attempt(false);
        let (mut client, mut backend) = (Endless::new(b"", again), Memory::willing(b""));
        backend.room = 1_000;
        assert!(turn(&mut relay, &mut client, &mut backend).unwrap().is_some());
        assert!(client.given <= MOST, "{} bytes are held", client.given);
        let wants = relay.wants();
        assert!(wants.backend.write && !wants.client.read, "{wants:?}");
    }
}

#[test]
fn endless_head_is_refused() {
    let mut relay = begun(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false);
    relay.attempt(false);
    let mut backend = Endless::new(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n");
    backend.takes = true;
    let error = turn(&mut relay, &mut Memory::willing(b""), &mut backend).unwrap_err();
    assert_eq!(error.status(), 502);
}
