//! Two relays through a pipe. They differ in what becomes of the bytes in it when the destination is full.

use std::{
    io::{self, ErrorKind},
    net::{Shutdown, TcpStream},
    os::fd::AsFd as _,
};

use nix::{
    fcntl::{OFlag, SpliceFFlags, splice},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::pipe2,
};
use zero_copy::relay::pipe::Pipe;

const PIPE_BYTES: usize = 64 * 1024;
const NONBLOCKING: SpliceFFlags = SpliceFFlags::SPLICE_F_NONBLOCK;

// ANCHOR: naive
/// Moves some bytes; 0 at the end.
fn move_some(source: &TcpStream, destination: &TcpStream) -> io::Result<usize> {
    let (reader, writer) = pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?;
    let filled = splice(source, None, &writer, None, PIPE_BYTES, NONBLOCKING)?;
    let mut left = filled;
    while left > 0 {
        left -= splice(&reader, None, destination, None, left, NONBLOCKING)?;
    }
    Ok(filled)
}

pub(crate) fn naive(source: &TcpStream, destination: &TcpStream) -> io::Result<()> {
    loop {
        match move_some(source, destination) {
            Ok(0) => return destination.shutdown(Shutdown::Write),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait_for_both(source, destination)?,
            Err(error) => return Err(error),
        }
    }
}
// ANCHOR_END: naive

/// The pipe outlives the wait, and is filled only when it is empty: so each `WouldBlock` has one meaning.
pub(crate) fn counted(source: &TcpStream, destination: &TcpStream) -> io::Result<()> {
    let mut pipe = Pipe::open(PIPE_BYTES)?;
    loop {
        let (moved, socket, event) = if pipe.is_empty() {
            (pipe.fill_from(source), source, PollFlags::POLLIN)
        } else {
            (pipe.drain_to(destination), destination, PollFlags::POLLOUT)
        };
        match moved {
            Ok(0) => return destination.shutdown(Shutdown::Write),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(socket, event)?,
            Err(error) => return Err(error),
        }
    }
}

fn wait_for_both(source: &TcpStream, destination: &TcpStream) -> io::Result<()> {
    wait(source, PollFlags::POLLIN)?;
    wait(destination, PollFlags::POLLOUT)
}

fn wait(socket: &TcpStream, event: PollFlags) -> io::Result<()> {
    poll(&mut [PollFd::new(socket.as_fd(), event)], PollTimeout::NONE)?;
    Ok(())
}
