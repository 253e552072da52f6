//! A client's connection, the connection to the server, and the unsent bytes of both directions.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::Shutdown,
};

use mio::net::TcpStream;

/// The two sides.
#[derive(Debug)]
pub(crate) struct Pair([Side; 2]);

/// A socket, and what has still to be sent to it.
#[derive(Debug)]
struct Side {
    stream: TcpStream,
    /// Bytes from the other side that are not sent yet.
    unsent: Vec<u8>,
    /// It has sent FIN.
    has_ended: bool,
    /// The other side's FIN has been relayed to it.
    is_shut_down: bool,
}

impl Pair {
    pub(crate) fn new(streams: [TcpStream; 2]) -> Self {
        Self(streams.map(|stream| Side { stream, unsent: Vec::new(), has_ended: false, is_shut_down: false }))
    }

    /// Moves the bytes that can be moved without blocking. `true`: both directions have ended.
    pub(crate) fn relay(&mut self, scratch: &mut [u8], greedy: bool) -> io::Result<bool> {
        let [client, server] = &mut self.0;
        while client.copy_to(server, scratch, greedy)? | server.copy_to(client, scratch, greedy)? {}
        Ok(client.is_shut_down && server.is_shut_down)
    }
}

impl Side {
    // ANCHOR: pass_on
    /// One step in one direction: sends the unsent bytes, and only then reads more. Returns whether bytes have moved.
    fn copy_to(&mut self, to: &mut Self, scratch: &mut [u8], greedy: bool) -> io::Result<bool> {
        let mut moved = false;
        if !to.unsent.is_empty()
            && let Some(sent) = if_ready(|| to.stream.write(&to.unsent))?
        {
            to.unsent.drain(..sent);
            moved = true;
        }
        if (to.unsent.is_empty() || greedy)
            && !self.has_ended
            && let Some(received) = if_ready(|| self.stream.read(scratch))?
        {
            to.unsent.extend_from_slice(&scratch[..received]);
            self.has_ended = received == 0;
            moved = true;
        }
        if self.has_ended && to.unsent.is_empty() && !to.is_shut_down {
            to.stream.shutdown(Shutdown::Write)?;
            to.is_shut_down = true;
        }
        Ok(moved)
    }
    // ANCHOR_END: pass_on
}

/// `None`: the call would block, and an event will report when it would not.
pub(crate) fn if_ready<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<Option<T>> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            outcome => return outcome.map(Some),
        }
    }
}
