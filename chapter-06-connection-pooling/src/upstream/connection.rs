//! A connection to a backend, and whether it may be used again.

use std::{
    io::{self, ErrorKind},
    mem::MaybeUninit,
};

use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream};

use crate::pool::{Life, Peer};

/// A connection in use.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) stream: TcpStream,
    pub(crate) peer: Peer,
    pub(crate) life: Life,
}

// ANCHOR: quiet
/// Whether nothing has come that nobody has read, an end included. If the poller has heard of nothing, that is that, and
/// no system call is made.
pub(crate) fn is_quiet(stream: &TcpStream) -> bool {
    let looked = stream.try_io(Interest::READABLE, || peek(&SockRef::from(stream)));
    matches!(looked, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Whether a connection may have a request. One that must not be executed twice asks the kernel too: an event may be on
/// its way.
pub(crate) fn is_fit(stream: &TcpStream, idempotent: bool) -> bool {
    is_quiet(stream) && (idempotent || is_quiet_now(&SockRef::from(stream)))
}
// ANCHOR_END: quiet

/// The same, by asking the kernel.
pub(crate) fn is_quiet_now(socket: &SockRef<'_>) -> bool {
    matches!(peek(socket), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

fn peek(socket: &SockRef<'_>) -> io::Result<usize> {
    socket.peek(&mut [MaybeUninit::uninit()])
}
