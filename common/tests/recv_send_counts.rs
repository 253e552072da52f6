//! A small exchange costs two `recv`s and two `send`s, no further system call that only returns `WouldBlock`, and asks a
//! socket that has nothing to read only once.
//!
//! The streams keep readiness as an edge-triggered event loop does: a socket is read after it was reported readable,
//! and a read that does not fill the buffer has emptied the socket. Only the other reads are counted, as system calls.

mod support;

use std::io::{self, ErrorKind, IoSlice};

use common::http::{AfterBackend, AfterClient, Head, Input, Pumped, Relay, Wire, pump};
use support::exchange::{REQUEST_ID, SCRATCH_BYTES, client_address, date, forwarding};

/// A socket with its readiness, as epoll reports it.
#[derive(Debug, Default)]
struct CountingStream {
    input: Vec<u8>,
    readable: bool,
    recvs: usize,
    /// Reads that would block, known without a system call.
    blocked: usize,
    sends: usize,
    shutdowns: usize,
}

impl CountingStream {
    fn push_input(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.readable = true;
    }
}

impl Wire for CountingStream {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.readable {
            self.blocked += 1;
            return Err(ErrorKind::WouldBlock.into());
        }
        self.recvs += 1;
        let n = self.input.len().min(into.len());
        into[..n].copy_from_slice(&self.input[..n]);
        self.input.drain(..n);
        self.readable = n == into.len();
        if n == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(n) }
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        self.sends += 1;
        Ok(from.iter().map(|part| part.len()).sum())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdowns += 1;
        Ok(())
    }
}

/// One exchange on warm connections: the calls it made on each socket.
fn exchange(request: &[u8], response: &[u8]) -> (CountingStream, CountingStream) {
    let forwarding = forwarding(true);
    let address = client_address(&forwarding);
    let (mut client, mut backend) = (CountingStream::default(), CountingStream::default());
    let (mut head, mut relay, mut scratch) = (Head::new(), Relay::new(), vec![0; SCRATCH_BYTES]);
    client.push_input(request);
    let n = client.recv(&mut scratch).expect("a request");
    let length = head.read_request(&scratch[..n], &mut 0).expect("no error").expect("a complete head");
    relay.begin(head.view(&scratch[..length]), &forwarding, &address, REQUEST_ID).expect("no loop");
    if length < n {
        relay.from_client(Input::Bytes(&scratch[length..n])).expect("a valid body");
    }
    relay.attempt(true);
    let Pumped::Wait(wants) = pump(&mut relay, &mut client, &mut backend, &mut scratch, date).expect("no failure")
    else {
        panic!("done without a response")
    };
    assert!(wants.backend.read && !wants.backend.write && wants.client.is_none(), "{wants:?}");
    backend.push_input(response);
    assert_eq!(pump(&mut relay, &mut client, &mut backend, &mut scratch, date).expect("no failure"), Pumped::Done);
    let (_, after_client, after_backend) = relay.end();
    assert_eq!((after_client, after_backend), (AfterClient::KeepAlive, AfterBackend::Pool));
    (client, backend)
}

#[test]
fn small_exchange_is_two_reads_and_two_writes() {
    let length = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".as_slice();
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".as_slice();
    let bodiless = b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n".as_slice();
    let empty = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".as_slice();
    for request in [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(),
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ] {
        for response in [length, chunked, bodiless, empty] {
            let (client, backend) = exchange(request, response);
            let calls = [client.recvs, backend.sends, backend.recvs, client.sends];
            assert_eq!(calls, [1, 1, 1, 1], "{} → {}", request.escape_ascii(), response.escape_ascii());
            assert_eq!(
                (client.blocked, backend.blocked),
                (0, 1),
                "the response has not arrived yet, as one read tells"
            );
            assert_eq!((client.shutdowns, backend.shutdowns), (0, 0));
        }
    }
}
