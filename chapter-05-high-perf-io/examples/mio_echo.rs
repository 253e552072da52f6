//! The echo server on `mio`: `epoll` on Linux, `kqueue` on macOS and the BSDs, one interface.
//!
//! `mio` asks the kernel for edges. So what has been said once is worked off until a call would wait: a client is read
//! until nothing is left, and written to until nothing more fits. What did not fit is kept with the client, who is not
//! read again before it is gone: a client that does not listen costs one buffer, and nobody waits for it.
//!
//! ```console
//! $ cargo run -p chapter-05-high-perf-io --example mio_echo
//! $ nc 127.0.0.1 8080                                              # in a second terminal: type
//! ```
//!
//! What is missing: a client that sends and reads without a pause keeps the loop to itself. `high_perf_lb` lets the
//! others have their turn after some rounds.

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
/// For all clients: nothing stays in it.
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
    // Numbers are not used again, so an event of a client that has left finds nobody.
    let (mut clients, mut numbers) = (HashMap::new(), LISTENER.0 + 1..);
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; BUFFER_BYTES];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            if event.token() != LISTENER {
                let leaves =
                    clients.get_mut(&event.token()).is_some_and(|client: &mut Client| client.serve(&mut scratch));
                if leaves {
                    clients.remove(&event.token());
                }
                continue;
            }
            while let Some(mut stream) = accept(&listener)? {
                let token = Token(numbers.next().expect("fewer than 2^64 clients"));
                // Both directions, once: an edge that nobody waits for costs nothing.
                poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                clients.insert(token, Client { stream, owed: Vec::new() });
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

/// A client, and what it has not taken back yet.
#[derive(Debug)]
struct Client {
    stream: TcpStream,
    owed: Vec<u8>,
}

impl Client {
    /// Goes as far as it can without waiting. Gives whether the client has left.
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
    /// Sends what is owed; once there is nothing, reads. `true`: the client has sent all, and has it back.
    fn step(&mut self, scratch: &mut [u8]) -> io::Result<bool> {
        if !self.owed.is_empty() {
            let sent = self.stream.write(&self.owed)?;
            self.owed.drain(..sent);
            return Ok(false);
        }
        let came = self.stream.read(scratch)?;
        let sent = match self.stream.write(&scratch[..came]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            sent => sent?,
        };
        self.owed = scratch[sent..came].to_vec(); // of nothing, it allocates nothing
        Ok(came == 0)
    }
    // ANCHOR_END: step
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, thread};

    use integration_tests::{client::Client, seed::Seed, wait::ms};

    #[test]
    fn a_client_that_reads_late_gets_every_byte_and_keeps_nobody_waiting() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || super::serve(listener));
        // More than the kernel keeps on the way there and back.
        let message = Seed::new(5).bytes(32 << 20);
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
            assert!(!writing.is_finished(), "the server keeps all of it");
            assert!(late.read_exact(message.len()) == *message, "the echo is another message");
            assert!(writing.join().unwrap());
        });
        late.half_close();
        late.expect_closed();
    }
}
