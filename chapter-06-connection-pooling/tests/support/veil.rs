//! A layer like TLS without the cryptography: records with a length prefix, and every byte is changed.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

use common::http::{StreamLayer, Wire};

/// Veils and unveils a byte by XOR.
const MASK: u8 = 0x5a;
/// The maximum payload of a record.
const RECORD_BYTES: usize = 1_000;

/// The server's end.
#[derive(Debug, Default)]
pub(crate) struct Veil {
    /// Received from the socket, not decoded yet.
    received: Vec<u8>,
    plain: Vec<u8>,
    /// The record that is being sent, and the length of its payload.
    unsent: Vec<u8>,
    payload_length: usize,
}

/// The layer with its socket, for one poll.
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
        let Veil { received, plain, .. } = &mut *self.veil;
        while plain.is_empty() {
            if let Some(record) = next_record(received) {
                *plain = record;
                continue;
            }
            let mut more = [0; 4096];
            match self.socket.recv(&mut more)? {
                0 if received.is_empty() => return Ok(0),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                length => received.extend_from_slice(&more[..length]),
            }
        }
        let length = plain.len().min(into.len());
        into[..length].copy_from_slice(&plain[..length]);
        plain.drain(..length);
        Ok(length)
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let Veil { unsent, payload_length, .. } = &mut *self.veil;
        if unsent.is_empty() {
            let first = from.first().map_or(&[][..], |slice| &slice[..slice.len().min(RECORD_BYTES)]);
            *payload_length = first.len();
            *unsent = record(first);
        }
        while !unsent.is_empty() {
            let sent = self.socket.send(&[IoSlice::new(unsent)])?;
            unsent.drain(..sent);
        }
        Ok(*payload_length)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.socket.shutdown_write()
    }
}

fn record(plain: &[u8]) -> Vec<u8> {
    let length = u16::try_from(plain.len()).expect("a record is short");
    length.to_be_bytes().into_iter().chain(plain.iter().map(|byte| byte ^ MASK)).collect()
}

fn next_record(received: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes(*received.first_chunk()?));
    (received.len() >= 2 + length).then(|| received.drain(..2 + length).skip(2).map(|byte| byte ^ MASK).collect())
}

/// Starts a proxy for plain clients: it veils their bytes to `server` and unveils the responses. Returns its address.
pub(crate) fn veiling(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
            let (responses, plain_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || copy(client, &server, |bytes| bytes.chunks(RECORD_BYTES).flat_map(record).collect()));
            thread::spawn(move || {
                let mut received = Vec::new();
                copy(responses, &plain_client, |bytes| {
                    received.extend_from_slice(bytes);
                    std::iter::from_fn(|| next_record(&mut received)).flatten().collect()
                });
            });
        }
    });
    address
}

/// Copies until one side has closed.
fn copy(mut from: TcpStream, mut to: &TcpStream, mut change: impl FnMut(&[u8]) -> Vec<u8>) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if to.write_all(&change(&bytes[..length])).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write); // it may be closed already
}
