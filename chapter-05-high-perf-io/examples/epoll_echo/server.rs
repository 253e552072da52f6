//! The event loop.

use std::{
    collections::HashMap,
    io::{self, ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use common::outln;
use nix::{
    errno::Errno,
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
};

use crate::Args;

/// Shorter than a line, so that one read does not empty the socket.
const BUFFER_BYTES: usize = 16;
/// The kernel returns with an event a number of our choice. This one means the listener.
const LISTENER: u64 = 0;

pub(crate) fn start(args: Args) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", args.port))?;
    outln!("listening on {}", listener.local_addr()?);
    serve(&listener, args)
}

// ANCHOR: serve
fn serve(listener: &TcpListener, args: Args) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    // Numbers are not reused, so an event of a closed connection finds no client.
    let (mut clients, mut numbers) = (HashMap::new(), LISTENER + 1..);
    let trigger = if args.edge { EpollFlags::EPOLLET } else { EpollFlags::empty() };
    let mut events = [EpollEvent::empty(); 64];
    loop {
        let ready = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => 0,
            ready => ready?,
        };
        for event in &events[..ready] {
            if event.data() != LISTENER {
                let closed = clients.get(&event.data()).is_some_and(|client| !echo(client, args.drain));
                if closed {
                    clients.remove(&event.data()); // closes the socket, which deregisters it from epoll
                }
            } else if let (Some(client), Some(number)) = (accept(listener)?, numbers.next()) {
                epoll.add(&client, EpollEvent::new(EpollFlags::EPOLLIN | trigger, number))?;
                clients.insert(number, client);
            }
        }
    }
}
// ANCHOR_END: serve

/// Accepts one client. If more wait, the level-triggered listener is reported again.
fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((client, _)) => client.set_nonblocking(true).map(|()| Some(client)),
        // The connection is closed already.
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => Ok(None),
        Err(error) => Err(error),
    }
}

// ANCHOR: echo
/// Echoes the received bytes. `false`: close the connection; the client has sent FIN, or a write would block.
/// `mio_echo` waits until it can write.
fn echo(mut client: &TcpStream, drain: bool) -> bool {
    let mut buffer = [0; BUFFER_BYTES];
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return false,
            Ok(n) if client.write_all(&buffer[..n]).is_err() => return false,
            Ok(_) if drain => {}
            Ok(_) => return true,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}
// ANCHOR_END: echo

#[cfg(test)]
mod tests {
    use integration_tests::{client::Client, wait::ms};

    use super::*;

    const LINE: &[u8] = b"a line that is longer than the buffer\n";

    /// A client of a server that runs until the test ends.
    fn client(edge: bool, drain: bool) -> Client {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || serve(&listener, Args { port: 0, edge, drain }));
        Client::connect(address)
    }

    #[test]
    fn a_long_line_is_echoed_with_level_triggering_or_with_draining() {
        for (edge, drain) in [(false, false), (true, true)] {
            let mut client = client(edge, drain);
            for _ in 0..3 {
                client.send(LINE);
                assert_eq!(client.read_exact(LINE.len()), LINE, "--edge: {edge}");
            }
        }
    }

    #[test]
    fn edge_triggered_without_draining_leaves_the_rest_until_the_next_line() {
        let mut client = client(true, false);
        client.send(LINE);
        assert_eq!(client.read_exact(BUFFER_BYTES), LINE[..BUFFER_BYTES]);
        client.expect_no_input(ms(300));
        client.send("more");
        assert_eq!(client.read_exact(BUFFER_BYTES), LINE[BUFFER_BYTES..2 * BUFFER_BYTES]);
        client.expect_no_input(ms(300));
    }
}
