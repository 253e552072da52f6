//! A stream in both directions at once.
//!
//! To send all and then to receive works for a line and hangs for a megabyte: the server, who echoes what it
//! reads, cannot send until we receive, so it does not read, so we cannot send. Hence one loop that sleeps on
//! standard input and on the socket, and does what can be done.

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
    let mut conversation = EchoSession::new(server);
    prompt(conversation.interactive)?;
    while conversation.poll_once(io::stdin().as_fd())? {}
    conversation.check_complete()
}

/// What is under way: the bytes that wait to be sent, and the two counts.
#[derive(Debug)]
struct EchoSession<'a> {
    server: &'a Socket,
    interactive: bool,
    /// Standard input has ended, and the server knows it.
    stdin_closed: bool,
    /// Read from standard input; `unsent` says from where on it is still to be sent.
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

    // ANCHOR: turn
    /// Sleeps until something can be done, and does it; `false` once the server has closed its half.
    fn poll_once(&mut self, stdin: BorrowedFd<'_>) -> Result<bool, ClientError> {
        let has_pending = self.unsent_from < self.input.len();
        let on_socket = if has_pending { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let mut fds = [PollFd::new(self.server.as_fd(), on_socket), PollFd::new(stdin, PollFlags::POLLIN)];
        // Standard input is asked for more only when nothing is owed: this bounds what we hold.
        let watched = if has_pending || self.stdin_closed { 1 } else { 2 };
        match poll(&mut fds[..watched], PollTimeout::NONE) {
            Err(Errno::EINTR) => return Ok(true),
            Err(error) => return Err(ClientError::failed("cannot wait", error)),
            Ok(_) => {}
        }
        let input = watched == 2 && fds[1].any() == Some(true);
        let events = fds[0].revents().unwrap_or(PollFlags::empty());
        if events.contains(PollFlags::POLLOUT) {
            self.send()?;
        }
        if events.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) && !self.receive()? {
            return Ok(false);
        }
        if input {
            self.read_stdin(stdin)?;
        }
        Ok(true)
    }
    // ANCHOR_END: turn

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
    /// Prints what has come back. Where one receive ends says nothing of where a line does: only the count
    /// tells when the echo is complete.
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

    /// Reads a line from a terminal, or what there is from a pipe or a file. At its end, the sending half is
    /// closed and the other stays open: what is still on its way comes back.
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
