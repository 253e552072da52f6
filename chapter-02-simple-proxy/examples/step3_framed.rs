//! Step 3: read the head, which says where the message ends.
//!
//! [`Head`] finds the end of a request's head; [`Relay`] reads the length of the body from it, writes the head for
//! the backend, and detects the end of the response. A late body is forwarded, and a client may send a second
//! request on its connection. The sockets still block, so the thread waits for one side at a time.
//!
//! ```console
//! $ cargo run -p chapter-02-simple-proxy --example step3_framed
//! $ (printf 'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n'; sleep 1; printf hello) | nc -q 1 127.0.0.1 8080
//! $ (printf 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'; sleep 60) | nc 127.0.0.1 8080     # answered, idle: blocks all others
//! $ curl -m 3 http://127.0.0.1:8080/                                  # in a second terminal: times out
//! ```
//!
//! What fails: the one thread blocks in `read` on an idle client, and on a client that waits for `100 Continue`
//! while the backend's `100` is unread. `reverse_proxy` waits for all sockets at once.

use std::{
    io::{self, ErrorKind, IoSlice, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    process::ExitCode,
};

use common::clock::wall_clock;
use common::{
    http::{
        AfterClient, ClientAddress, FailureKind, Forwarding, Head, Input, NoWire, Phase, ProxyError, ProxyRole, Pumped,
        Relay, Side, Wire, pump,
    },
    instance_id::InstanceId,
};

mod start;

const BUFFER_BYTES: usize = 64 * 1024;

fn main() -> ExitCode {
    start::main(serve)
}

fn serve(client: &TcpStream, backend: SocketAddr) -> io::Result<()> {
    let identity = InstanceId::new();
    let via = identity.via_pseudonym("step3_framed");
    let forwarding = Forwarding {
        role: ProxyRole::Reverse,
        via_pseudonym: via,
        scheme: "http",
        trusted_proxies: Vec::new(),
        backend_keep_alive: false,
    };
    let address = ClientAddress::new(client.peer_addr()?.ip(), client.local_addr()?, &forwarding);
    let (mut client, mut relay, mut buffer) = (Blocking::new(client), Relay::new(), Vec::new());
    for request in 1.. {
        let begun = match read_head(client.stream, &mut buffer)? {
            None => return Ok(()),
            Some((head, length)) => {
                let view = head.view(&buffer[..length]);
                relay.begin(view, &forwarding, &address, identity.request_id(1, request)).map(|()| length)
            }
        };
        let length = begun.map_err(io::Error::other)?;
        let used = relay.from_client(Input::Bytes(&buffer[length..])).map_err(io::Error::other)?;
        buffer.drain(..length + used); // the rest belongs to the next request
        if let Err(error) = exchange(&mut relay, &mut client, backend) {
            relay.fail(&error, wall_clock());
            pump(&mut relay, &mut client, &mut NoWire, &mut [], || wall_clock().into()).map_err(io::Error::other)?;
        }
        if relay.end().1 != AfterClient::KeepAlive {
            break;
        }
    }
    Ok(())
}

/// Reads until `buffer` holds a complete head, however many reads it takes.
fn read_head(mut client: &TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<(Head, usize)>> {
    let (mut head, mut scanned, mut scratch) = (Head::new(), 0, vec![0; BUFFER_BYTES]);
    loop {
        if let Some(length) = head.read_request(buffer, &mut scanned).map_err(io::Error::other)? {
            return Ok(Some((head, length)));
        }
        match client.read(&mut scratch)? {
            0 => return Ok(None),
            n => buffer.extend_from_slice(&scratch[..n]),
        }
    }
}

fn exchange(relay: &mut Relay, client: &mut Blocking<'_>, backend: SocketAddr) -> Result<(), ProxyError> {
    let connect_error = |error| ProxyError::new(FailureKind::Connect, Side::Backend, Phase::Connect).with_source(error);
    let backend = TcpStream::connect(backend).map_err(connect_error)?;
    let mut backend = Blocking::new(&backend);
    let mut scratch = vec![0; BUFFER_BYTES];
    relay.attempt(false);
    loop {
        match pump(relay, client, &mut backend, &mut scratch, || wall_clock().into())? {
            Pumped::Done => return Ok(()),
            // A blocking read can wait for one side only: for the client, while its request is incomplete.
            Pumped::Wait(wants) => {
                client.may_read = wants.client.read;
                backend.may_read = !wants.client.read;
            }
            Pumped::Yield => {}
        }
    }
}

/// A blocking wire: `may_read` allows one read, and without it `recv` returns `WouldBlock`.
struct Blocking<'a> {
    stream: &'a TcpStream,
    may_read: bool,
}

impl<'a> Blocking<'a> {
    fn new(stream: &'a TcpStream) -> Self {
        Self { stream, may_read: false }
    }
}

impl Wire for Blocking<'_> {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !std::mem::take(&mut self.may_read) {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.stream.read(into)
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(from)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use integration_tests::{client::Client, wait::pause};

    const PAUSE: Duration = Duration::from_millis(300);

    #[test]
    fn late_bodies_and_second_requests_work_but_an_idle_client_blocks_others() {
        let proxy = super::start::running(super::serve);
        let mut first = Client::connect(proxy);
        for _ in 0..2 {
            first.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
            pause(PAUSE);
            first.send("hello");
            assert_eq!(first.response("POST").text(), "hello");
        }
        let mut second = Client::connect(proxy);
        second.request("GET", "/", "");
        second.expect_no_input(PAUSE);
        drop(first);
        assert_eq!(second.response("GET").status(), 200);
    }

    #[test]
    fn a_client_that_waits_for_100_continue_waits_for_ever() {
        let proxy = super::start::running(super::serve);
        let mut client = Client::connect(proxy);
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        client.expect_no_input(PAUSE);
        client.send("hello");
        assert_eq!(client.response("POST").text(), "hello");
    }
}
