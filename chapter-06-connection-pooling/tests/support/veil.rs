//! A layer as TLS is one, without its secrets: records with a length before them, every byte changed.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

use common::http::{StreamLayer, Wire};

/// Turns a byte, and turns it back.
const TURN: u8 = 0x5a;
/// The most that one record holds.
const RECORD: usize = 1_000;

/// The server's end.
#[derive(Debug, Default)]
pub(crate) struct Veil {
    /// Came from the socket, and is no whole record yet, or has not been read.
    came: Vec<u8>,
    plain: Vec<u8>,
    /// On its way to the socket, and what the machine gave for it.
    owed: Vec<u8>,
    taken: usize,
}

/// It and a socket.
#[derive(Debug)]
pub(crate) struct Veiled<'a, W> {
    veil: &'a mut Veil,
    socket: W,
}

impl StreamLayer for Veil {
    type Wrapped<'a, W: Wire + 'a> = Veiled<'a, W>;

    fn wrap<'a, W: Wire + 'a>(&'a mut self, socket: W) -> Veiled<'a, W> {
        Veiled { veil: self, socket }
    }
}

impl<W: Wire> Wire for Veiled<'_, W> {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Veil { came, plain, .. } = &mut *self.veil;
        while plain.is_empty() {
            if let Some(record) = next_record(came) {
                *plain = record;
                continue;
            }
            let mut more = [0; 4096];
            match self.socket.recv(&mut more)? {
                0 if came.is_empty() => return Ok(0),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                length => came.extend_from_slice(&more[..length]),
            }
        }
        let length = plain.len().min(into.len());
        into[..length].copy_from_slice(&plain[..length]);
        plain.drain(..length);
        Ok(length)
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let Veil { owed, taken, .. } = &mut *self.veil;
        if owed.is_empty() {
            let first = from.first().map_or(&[][..], |slice| &slice[..slice.len().min(RECORD)]);
            *taken = first.len();
            *owed = record(first);
        }
        while !owed.is_empty() {
            let sent = self.socket.send(&[IoSlice::new(owed)])?;
            owed.drain(..sent);
        }
        Ok(*taken)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.socket.shutdown_write()
    }
}

fn record(plain: &[u8]) -> Vec<u8> {
    let length = u16::try_from(plain.len()).expect("a record is short");
    length.to_be_bytes().into_iter().chain(plain.iter().map(|byte| byte ^ TURN)).collect()
}

fn next_record(came: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes(*came.first_chunk()?));
    (came.len() >= 2 + length).then(|| came.drain(..2 + length).skip(2).map(|byte| byte ^ TURN).collect())
}

/// Veils what its clients say to `server`, and unveils what they are told: where plain clients find it.
pub(crate) fn veiling(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
            let (answers, asker) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || pass(client, &server, |bytes| bytes.chunks(RECORD).flat_map(record).collect()));
            thread::spawn(move || {
                let mut came = Vec::new();
                pass(answers, &asker, |bytes| {
                    came.extend_from_slice(bytes);
                    std::iter::from_fn(|| next_record(&mut came)).flatten().collect()
                });
            });
        }
    });
    address
}

/// Until one of them is gone.
fn pass(mut from: TcpStream, mut to: &TcpStream, mut change: impl FnMut(&[u8]) -> Vec<u8>) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if to.write_all(&change(&bytes[..length])).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write); // it may be gone
}
