//! A client's connection, the one to the server, and what is on its way between them.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::Shutdown,
};

use mio::net::TcpStream;

/// The two sides.
#[derive(Debug)]
pub(crate) struct Pair([Side; 2]);

/// A socket, and what it has still to hear.
#[derive(Debug)]
struct Side {
    stream: TcpStream,
    /// What it has not taken yet.
    owed: Vec<u8>,
    /// It will send no more.
    has_ended: bool,
    /// It has heard that the other will send no more.
    is_told: bool,
}

impl Pair {
    pub(crate) fn new(streams: [TcpStream; 2]) -> Self {
        Self(streams.map(|stream| Side { stream, owed: Vec::new(), has_ended: false, is_told: false }))
    }

    /// Moves what can be moved without waiting. `true`: both have ended.
    pub(crate) fn relay(&mut self, scratch: &mut [u8], greedy: bool) -> io::Result<bool> {
        let [client, server] = &mut self.0;
        while client.pass_on(server, scratch, greedy)? | server.pass_on(client, scratch, greedy)? {}
        Ok(client.is_told && server.is_told)
    }
}

impl Side {
    // ANCHOR: pass_on
    /// One step from here to there: what is owed, and only then more. Gives whether something has moved.
    fn pass_on(&mut self, to: &mut Self, scratch: &mut [u8], greedy: bool) -> io::Result<bool> {
        let mut moved = false;
        if !to.owed.is_empty()
            && let Some(sent) = if_ready(|| to.stream.write(&to.owed))?
        {
            to.owed.drain(..sent);
            moved = true;
        }
        if (to.owed.is_empty() || greedy)
            && !self.has_ended
            && let Some(came) = if_ready(|| self.stream.read(scratch))?
        {
            to.owed.extend_from_slice(&scratch[..came]);
            self.has_ended = came == 0;
            moved = true;
        }
        if self.has_ended && to.owed.is_empty() && !to.is_told {
            to.stream.shutdown(Shutdown::Write)?;
            to.is_told = true;
        }
        Ok(moved)
    }
    // ANCHOR_END: pass_on
}

/// `None`: it would wait, and an event will say when it would not.
pub(crate) fn if_ready<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<Option<T>> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            outcome => return outcome.map(Some),
        }
    }
}
