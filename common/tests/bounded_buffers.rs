//! A relay buffers a bounded number of bytes, however much one peer sends while the other does not read.

mod support;

use std::io::{self, ErrorKind, IoSlice};

use common::http::{Relay, Wire};
use support::{
    exchange::{SCRATCH_BYTES, pump_until_wait, relay_with_request},
    memory_stream::MemoryStream,
};

/// The limit: a read buffer, and space for heads and framing.
const MAX_BUFFERED_BYTES: usize = SCRATCH_BYTES + 64 * 1024;

/// A peer that never stops sending: `prefix`, then `repeated` again and again.
struct EndlessPeer {
    prefix: &'static [u8],
    repeated: &'static [u8],
    bytes_read: usize,
    bytes_written: usize,
    accepts_writes: bool,
}

impl EndlessPeer {
    fn new(prefix: &'static [u8], repeated: &'static [u8]) -> Self {
        Self { prefix, repeated, bytes_read: 0, bytes_written: 0, accepts_writes: false }
    }
}

impl Wire for EndlessPeer {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        assert!(self.bytes_read < 10 * MAX_BUFFERED_BYTES, "the relay never stops reading");
        let rest = self.prefix.iter().skip(self.bytes_read);
        let repeated =
            self.repeated.iter().cycle().skip(self.bytes_read.saturating_sub(self.prefix.len()) % self.repeated.len());
        for (to, from) in into.iter_mut().zip(rest.chain(repeated)) {
            *to = *from;
        }
        self.bytes_read += into.len();
        Ok(into.len())
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let n = from.iter().map(|part| part.len()).sum();
        self.bytes_written += n;
        if self.accepts_writes { Ok(n) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn assert_backpressure(relay: &mut Relay, bytes_read: usize) {
    let wants = relay.wants();
    assert!(bytes_read <= MAX_BUFFERED_BYTES, "{bytes_read} bytes are buffered");
    assert!(wants.client.write && !wants.backend.read, "{wants:?}");
}

#[test]
fn response_is_bounded_for_a_client_that_does_not_read() {
    for (prefix, repeated) in [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n".as_slice(), b"x".as_slice()),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ] {
        let mut relay = relay_with_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false);
        relay.attempt(false);
        let (mut client, mut backend) = (MemoryStream::default(), EndlessPeer::new(prefix, repeated));
        backend.accepts_writes = true;
        for _ in 0..3 {
            assert!(pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().is_some());
        }
        assert_backpressure(&mut relay, backend.bytes_read);
    }
}

#[test]
fn tunnel_is_bounded_for_a_peer_that_does_not_read() {
    let mut relay =
        relay_with_request(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", false);
    relay.attempt(false);
    let switch = b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut backend = MemoryStream::with_input(switch);
    let mut client = EndlessPeer::new(b"", b"x");
    client.accepts_writes = true;
    backend.write_capacity = 10_000; // the head, and a little of the tunnel
    assert!(pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().is_some());
    assert!(client.bytes_read <= MAX_BUFFERED_BYTES + 10_000, "{} bytes are buffered", client.bytes_read);
}

#[test]
fn upload_is_bounded_for_a_backend_that_does_not_read() {
    for (head, repeated) in [
        (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n".as_slice(), b"x".as_slice()),
        (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ] {
        let mut relay = relay_with_request(head, false);
        relay.attempt(false);
        let (mut client, mut backend) = (EndlessPeer::new(b"", repeated), MemoryStream::with_input(b""));
        backend.write_capacity = 1_000;
        assert!(pump_until_wait(&mut relay, &mut client, &mut backend).unwrap().is_some());
        assert!(client.bytes_read <= MAX_BUFFERED_BYTES, "{} bytes are buffered", client.bytes_read);
        let wants = relay.wants();
        assert!(wants.backend.write && !wants.client.read, "{wants:?}");
    }
}

#[test]
fn endless_response_head_is_rejected() {
    let mut relay = relay_with_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false);
    relay.attempt(false);
    let mut backend = EndlessPeer::new(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n");
    backend.accepts_writes = true;
    let error = pump_until_wait(&mut relay, &mut MemoryStream::with_input(b""), &mut backend).unwrap_err();
    assert_eq!(error.status(), 502);
}
