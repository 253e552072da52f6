//! Sends and receives on one TCP stream at once.
//!
//! Sending everything before receiving works for a line and deadlocks for a megabyte: the echo server cannot send
//! until we receive, so it stops reading, so we cannot send. Hence one loop that waits for standard input and for
//! the socket with poll(2), and does whichever is ready.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::MsgFlags,
    unistd,
};

use super::{ClientError, is_interactive, print, prompt};
use crate::socket::Socket;

const BUFFER_BYTES: usize = 16 * 1024;

/// Copies standard input to `server` and the echo to standard output, until both have ended.
///
/// # Errors
/// The connection broke, or the server closed it before every byte had come back.
pub fn run(server: &Socket) -> Result<(), ClientError> {
    let mut session = EchoSession::new(server);
    prompt(session.interactive)?;
    while session.poll_once(io::stdin().as_fd())? {}
    session.check_complete()
}

/// The state of one connection: the bytes to be sent, and how many were sent and echoed.
#[derive(Debug)]
struct EchoSession<'a> {
    server: &'a Socket,
    interactive: bool,
    /// Standard input has ended, and our sending half is closed.
    stdin_closed: bool,
    /// Bytes read from standard input; those from `unsent_from` on are not sent yet.
    input: Vec<u8>,
    unsent_from: usize,
    sent: u64,
    echoed: u64,
}

impl<'a> EchoSession<'a> {
    fn new(server: &'a Socket) -> Self {
        let interactive = is_interactive();
        Self { server, interactive, stdin_closed: false, input: Vec::new(), unsent_from: 0, sent: 0, echoed: 0 }
    }

    // ANCHOR: poll_once
    /// Waits until a descriptor is ready, and handles it; `false` once the server has closed its sending half.
    fn poll_once(&mut self, stdin: BorrowedFd<'_>) -> Result<bool, ClientError> {
        let has_pending = self.unsent_from < self.input.len();
        let on_socket = if has_pending { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let mut fds = [PollFd::new(self.server.as_fd(), on_socket), PollFd::new(stdin, PollFlags::POLLIN)];
        // Standard input is read only when no bytes are pending: this bounds the buffer.
        let watched = if has_pending || self.stdin_closed { 1 } else { 2 };
        match poll(&mut fds[..watched], PollTimeout::NONE) {
            Err(Errno::EINTR) => return Ok(true),
            Err(error) => return Err(ClientError::failed("cannot wait", error)),
            Ok(_) => {}
        }
        let stdin_ready = watched == 2 && fds[1].any() == Some(true);
        let events = fds[0].revents().unwrap_or(PollFlags::empty());
        if events.contains(PollFlags::POLLOUT) {
            self.send()?;
        }
        if events.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) && !self.receive()? {
            return Ok(false);
        }
        if stdin_ready {
            self.read_stdin(stdin)?;
        }
        Ok(true)
    }
    // ANCHOR_END: poll_once

    fn send(&mut self) -> Result<(), ClientError> {
        match self.server.send(&self.input[self.unsent_from..], MsgFlags::MSG_DONTWAIT) {
            Ok(taken) => {
                self.unsent_from += taken;
                self.sent += taken as u64;
                Ok(())
            }
            Err(Errno::EAGAIN) => Ok(()),
            Err(error) => Err(ClientError::failed("cannot send", error)),
        }
    }

    // ANCHOR: receive
    /// Prints the bytes that have come back. A receive may end in the middle of a line: only the byte count tells
    /// whether the echo is complete.
    fn receive(&mut self) -> Result<bool, ClientError> {
        let mut bytes = [0; BUFFER_BYTES];
        match self.server.recv(&mut bytes, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => return Ok(false),
            Ok(received) => {
                print(&bytes[..received])?;
                self.echoed += received as u64;
            }
            Err(Errno::EAGAIN) => return Ok(true),
            Err(error) => return Err(ClientError::failed("cannot receive", error)),
        }
        let complete = self.echoed == self.sent && self.unsent_from == self.input.len();
        prompt(self.interactive && complete && !self.stdin_closed)?;
        Ok(true)
    }
    // ANCHOR_END: receive

    /// Reads a line from a terminal, or a block from a pipe or a file. At the end of the input, only the sending
    /// half is closed: the rest of the echo can still be received.
    fn read_stdin(&mut self, stdin: BorrowedFd<'_>) -> Result<(), ClientError> {
        self.input.resize(BUFFER_BYTES, 0);
        self.unsent_from = 0;
        let read = match unistd::read(stdin, &mut self.input) {
            Ok(read) => read,
            Err(Errno::EINTR | Errno::EAGAIN) => {
                self.input.clear();
                return Ok(());
            }
            Err(error) => return Err(ClientError::failed("cannot read standard input", error)),
        };
        self.input.truncate(read);
        if read == 0 {
            self.stdin_closed = true;
            self.server
                .shutdown_write()
                .map_err(|error| ClientError::failed("cannot close the sending half", error))?;
            if self.interactive {
                print(b"\n")?;
            }
        }
        Ok(())
    }

    fn check_complete(&self) -> Result<(), ClientError> {
        if self.stdin_closed && self.echoed == self.sent {
            return Ok(());
        }
        let (echoed, sent) = (self.echoed, self.sent);
        Err(ClientError::Failed(format!("the server closed the connection after echoing {echoed} of {sent} bytes")))
    }
}
