//! The echo server on `mio`: `epoll` on Linux, `kqueue` on macOS and the BSDs, one interface.
//!
//! `mio` registers sockets edge-triggered. So after an event the server reads until a read would block, and writes
//! until a write would block. Unsent bytes are kept with the client, and the client is not read again until they are
//! sent: a client that does not read costs one buffer, and delays no other client.
//!
//! ```console
//! $ cargo run -p chapter-05-high-perf-io --example mio_echo
//! $ nc 127.0.0.1 8080                                              # in a second terminal: type
//! ```
//!
//! What is missing: a client that sends and reads without a pause keeps the loop to itself. `high_perf_lb` yields to
//! other connections after a number of rounds.

use std::{
    collections::HashMap,
    io::{self, ErrorKind, Read as _, Write as _},
    process::ExitCode,
};

use clap::Parser;
use common::{cli, net::AcceptError, outln};
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

const LISTENER: Token = Token(0);
/// Shared by all clients: no bytes stay in it between two reads.
const BUFFER_BYTES: usize = 64 * 1024;

/// An echo server on mio.
#[derive(Debug, Parser)]
struct Args {
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
}

fn main() -> ExitCode {
    cli::exit_code(start(&cli::parse()))
}

fn start(args: &Args) -> io::Result<()> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", args.port))?;
    outln!("listening on {}", listener.local_addr()?);
    serve(listener)
}

// ANCHOR: serve
fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    // Tokens are not reused, so an event of a closed connection finds no client.
    let (mut clients, mut tokens) = (HashMap::new(), LISTENER.0 + 1..);
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; BUFFER_BYTES];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            if event.token() != LISTENER {
                let closed =
                    clients.get_mut(&event.token()).is_some_and(|client: &mut Client| client.serve(&mut scratch));
                if closed {
                    clients.remove(&event.token());
                }
                continue;
            }
            while let Some(mut stream) = accept(&listener)? {
                let token = Token(tokens.next().expect("fewer than 2^64 clients"));
                // Both directions, once: an edge that nothing waits for costs little.
                poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                clients.insert(token, Client { stream, unsent: Vec::new() });
            }
        }
    }
}
// ANCHOR_END: serve

fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => return Ok(Some(stream)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if AcceptError::classify(&error) == AcceptError::Transient => {}
            Err(error) => return Err(error),
        }
    }
}

/// A client, and the bytes that it has not been sent yet.
#[derive(Debug)]
struct Client {
    stream: TcpStream,
    unsent: Vec<u8>,
}

impl Client {
    /// Echoes until a call would block. Returns whether the connection is to be closed.
    fn serve(&mut self, scratch: &mut [u8]) -> bool {
        loop {
            match self.step(scratch) {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }

    // ANCHOR: step
    /// Sends the unsent bytes; if there are none, reads. `true`: the client has sent FIN, and everything is echoed.
    fn step(&mut self, scratch: &mut [u8]) -> io::Result<bool> {
        if !self.unsent.is_empty() {
            let sent = self.stream.write(&self.unsent)?;
            self.unsent.drain(..sent);
            return Ok(false);
        }
        let received = self.stream.read(scratch)?;
        let sent = match self.stream.write(&scratch[..received]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            sent => sent?,
        };
        self.unsent = scratch[sent..received].to_vec(); // empty, it does not allocate
        Ok(received == 0)
    }
    // ANCHOR_END: step
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, thread};

    use integration_tests::{client::Client, rng::Rng, wait::ms};

    #[test]
    fn a_slow_reader_gets_every_byte_and_delays_no_other_client() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || super::serve(listener));
        // More than the kernel's buffers hold in both directions.
        let message = Rng::new(5).bytes(32 << 20);
        let mut late = Client::connect(address);
        let mut others = [(); 3].map(|()| Client::connect(address));
        thread::scope(|scope| {
            let (mut writer, message) = (late.stream(), &message);
            let writing = scope.spawn(move || writer.write_all(message).is_ok());
            integration_tests::wait::pause(ms(200));
            for turn in 0..100 {
                let other = &mut others[turn % 3];
                other.send("hello");
                assert_eq!(other.read_exact(5), b"hello");
            }
            assert!(!writing.is_finished(), "the server has buffered the whole message");
            assert!(late.read_exact(message.len()) == *message, "the echo differs from the message");
            assert!(writing.join().unwrap());
        });
        late.half_close();
        late.expect_closed();
    }
}
