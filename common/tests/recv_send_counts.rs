//! A small request costs two reads and two writes, and nothing to find out that nothing has come.
//!
//! The wires know what an engine knows: a socket is asked once it was reported readable, and a read that
//! did not fill the buffer emptied it. What they cannot answer from that would be a system call.

mod support;

use std::io::{self, ErrorKind, IoSlice};

use common::http::{AfterBackend, AfterClient, Head, Input, Pumped, Relay, Wire, pump};
use support::drive::{REQUEST_ID, SCRATCH, client_address, forwarding};

/// A socket with its readiness, as epoll reports it.
#[derive(Debug, Default)]
struct Counted {
    arrived: Vec<u8>,
    readable: bool,
    recvs: usize,
    sends: usize,
    shuts: usize,
}

impl Counted {
    fn arrive(&mut self, bytes: &[u8]) {
        self.arrived.extend_from_slice(bytes);
        self.readable = true;
    }
}

impl Wire for Counted {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.readable {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.recvs += 1;
        let n = self.arrived.len().min(into.len());
        into[..n].copy_from_slice(&self.arrived[..n]);
        self.arrived.drain(..n);
        self.readable = n == into.len();
        if n == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(n) }
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        self.sends += 1;
        Ok(from.iter().map(|part| part.len()).sum())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shuts += 1;
        Ok(())
    }
}

/// One exchange on warm connections: the calls it made on each socket.
fn exchange(request: &[u8], response: &[u8]) -> (Counted, Counted) {
    let forwarding = forwarding(true);
    let address = client_address(&forwarding);
    let (mut client, mut backend) = (Counted::default(), Counted::default());
    let (mut head, mut relay, mut scratch) = (Head::new(), Relay::new(), vec![0; SCRATCH]);
    client.arrive(request);
    let n = client.recv(&mut scratch).expect("a request");
    let length = head.read_request(&scratch[..n], &mut 0).expect("no refusal").expect("a whole head");
    relay.begin(head.view(&scratch[..length]), &forwarding, &address, REQUEST_ID).expect("no loop");
    if length < n {
        relay.from_client(Input::Bytes(&scratch[length..n])).expect("a fine body");
    }
    relay.attempt(true);
    let Pumped::Wait(wants) = pump(&mut relay, &mut client, &mut backend, &mut scratch).expect("no failure") else {
        panic!("done without an answer")
    };
    assert!(wants.backend.read && !wants.backend.write && wants.client.is_none(), "{wants:?}");
    backend.arrive(response);
    assert_eq!(pump(&mut relay, &mut client, &mut backend, &mut scratch).expect("no failure"), Pumped::Done);
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
            assert_eq!((client.shuts, backend.shuts), (0, 0));
        }
    }
}
