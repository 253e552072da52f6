//! A connection to a backend, and whether it may be used again.

use std::{
    io::{self, ErrorKind},
    mem::MaybeUninit,
};

use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream};

use crate::pool::{ConnectionMeta, PoolKey};

/// A connection in use.
#[derive(Debug)]
pub(crate) struct UpstreamConnection {
    pub(crate) stream: TcpStream,
    pub(crate) key: PoolKey,
    pub(crate) meta: ConnectionMeta,
}

// ANCHOR: quiet
/// Whether nothing has come that nobody has read, an end included. If the poller has heard of nothing, that is that, and
/// no system call is made.
pub(crate) fn no_pending_input(stream: &TcpStream) -> bool {
    let looked = stream.try_io(Interest::READABLE, || peek(&SockRef::from(stream)));
    matches!(looked, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Whether a connection may have a request. One that must not be executed twice asks the kernel too: an event may be on
/// its way.
pub(crate) fn is_reusable(stream: &TcpStream, idempotent: bool) -> bool {
    no_pending_input(stream) && (idempotent || peek_finds_no_input(&SockRef::from(stream)))
}
// ANCHOR_END: quiet

/// The same, by asking the kernel.
pub(crate) fn peek_finds_no_input(socket: &SockRef<'_>) -> bool {
    matches!(peek(socket), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

fn peek(socket: &SockRef<'_>) -> io::Result<usize> {
    socket.peek(&mut [MaybeUninit::uninit()])
}
