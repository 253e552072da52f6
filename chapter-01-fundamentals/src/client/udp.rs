//! Sends a datagram per line, and waits for its echo with a timeout, because UDP may lose either.

use std::{
    io::{self, BufRead as _},
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use common::outln;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::MsgFlags,
};

use super::{ClientError, is_interactive, print, prompt};
use crate::socket::Socket;

/// How long an echo may take before it counts as lost.
const ECHO_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_DATAGRAM_BYTES: usize = 65_535;

/// Sends each line of standard input as a datagram and prints what comes back.
///
/// # Errors
/// The port has no listener, a line does not fit into a datagram, or an echo was lost.
pub fn run(server: &Socket) -> Result<(), ClientError> {
    let interactive = is_interactive();
    let (mut line, mut echo, mut lost) = (Vec::new(), vec![0; MAX_DATAGRAM_BYTES], 0);
    let mut stdin = io::stdin().lock();
    loop {
        prompt(interactive)?;
        line.clear();
        match stdin.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Err(ClientError::Failed(format!("cannot read standard input: {error}"))),
        }
        server.send(&line, MsgFlags::empty()).map_err(|error| ClientError::failed("cannot send", error))?;
        if let Some(length) = receive(server, &mut echo)? {
            print(&echo[..length])?;
        } else {
            lost += 1;
            tracing::warn!("no echo within {ECHO_TIMEOUT:?}: the datagram or its echo was lost");
        }
    }
    if interactive {
        outln!();
    }
    if lost == 0 { Ok(()) } else { Err(ClientError::Failed(format!("{lost} datagrams were lost"))) }
}

/// The next datagram; `None` on timeout.
#[expect(clippy::disallowed_methods, reason = "a deadline on real I/O")]
fn receive(server: &Socket, into: &mut [u8]) -> Result<Option<usize>, ClientError> {
    let deadline = Instant::now() + ECHO_TIMEOUT;
    loop {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let remaining = PollTimeout::try_from(remaining).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(server.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, remaining) {
            Ok(0) => return Ok(None),
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(ClientError::failed("cannot wait", error)),
            Ok(_) => {}
        }
        match server.recv(into, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => return Ok(Some(length)),
            Err(Errno::EAGAIN) => {}
            Err(error) => return Err(ClientError::failed("cannot receive", error)),
        }
    }
}
