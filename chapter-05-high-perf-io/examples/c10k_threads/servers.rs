//! The two variants, as echo servers.

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    net::TcpListener,
    thread,
};

use common::{net::raise_fd_limit, outln};
use mio::{Events, Interest, Poll, Token};

use crate::Way;

const BUFFER_BYTES: usize = 4096;

pub(crate) fn serve(way: Way) -> io::Result<()> {
    raise_fd_limit()?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    outln!("{}", listener.local_addr()?);
    serve_on(listener, way)
}

fn serve_on(listener: TcpListener, way: Way) -> io::Result<()> {
    match way {
        Way::Threads => serve_with_threads(&listener),
        Way::Loop => serve_in_event_loop(listener),
    }
}

fn serve_with_threads(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (client, _) = listener.accept()?;
        thread::Builder::new().spawn(move || {
            let mut buffer = [0; BUFFER_BYTES];
            while echo(&mut &client, &mut buffer).is_ok() {}
        })?;
    }
}

fn serve_in_event_loop(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = mio::net::TcpListener::from_std(listener);
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1024));
    poll.registry().register(&mut listener, Token(0), Interest::READABLE)?;
    let (mut clients, mut tokens) = (HashMap::new(), 1..);
    let mut buffer = [0; BUFFER_BYTES];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if let Some(client) = clients.get_mut(&event.token()) {
                let closed = loop {
                    if let Err(error) = echo(client, &mut buffer) {
                        break error.kind() != ErrorKind::WouldBlock;
                    }
                };
                if closed {
                    clients.remove(&event.token());
                }
            }
            while let Some(mut client) = accept(&listener)? {
                let token = Token(tokens.next().expect("fewer than 2^64 clients"));
                poll.registry().register(&mut client, token, Interest::READABLE)?;
                clients.insert(token, client);
            }
        }
    }
}

fn accept(listener: &mio::net::TcpListener) -> io::Result<Option<mio::net::TcpStream>> {
    match listener.accept() {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        accepted => accepted.map(|(client, _)| Some(client)),
    }
}

/// Reads once and sends the bytes back. A FIN is an error too.
fn echo(client: &mut (impl io::Read + io::Write), buffer: &mut [u8]) -> io::Result<()> {
    match client.read(buffer)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        n => client.write_all(&buffer[..n]),
    }
}

#[cfg(test)]
mod tests {
    use integration_tests::client::Client;

    use super::*;

    #[test]
    fn both_variants_serve_all_clients_repeatedly() {
        for way in [Way::Threads, Way::Loop] {
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let address = listener.local_addr().unwrap();
            thread::spawn(move || serve_on(listener, way));
            let mut clients: Vec<_> = (0..50).map(|_| Client::connect(address)).collect();
            for client in clients.iter_mut().rev() {
                client.send("hello");
                assert_eq!(client.read_exact(5), b"hello", "{way:?}");
            }
            let first = &mut clients[0];
            first.send("again");
            assert_eq!(first.read_exact(5), b"again", "{way:?}");
        }
    }
}
